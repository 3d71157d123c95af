// Package wdt emulates the watchdog timer of nRF53, nRF91 and nRF54L (Product
// Specifications and datasheet, chapter WDT; registers as the SVDs name them):
// a counter of 32.768 kHz cycles that resets the device unless every reload
// request register that is enabled is written in time. It runs on the device's
// clock, so that flash operations, which take no time on the host, bring it
// nearer as they do on the chip.
//
// Not emulated: PUBLISH and SUBSCRIBE, which are stored only; the pause while the
// CPU sleeps or is halted, as it never is; and that a watchdog goes on counting
// across a soft reset: every boot has a new one.
//
// Trust: secure software, or non-secure software where the guard gives it the
// watchdog, writes the registers.
//
// Decided here, where the documents leave it open: a CRV below the minimum of 15
// counts as 15, and the permission to stop, TSEN, lasts until the watchdog stops.
package wdt

import (
	"sync"
	"time"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/clock"
)

// Register offsets.
const (
	RegTasksStart     = 0x000
	RegTasksStop      = 0x004 // not on nRF91
	RegSubscribeStart = 0x080
	RegSubscribeStop  = 0x084 // not on nRF91
	RegEventsTimeout  = 0x100
	RegEventsStopped  = 0x104 // not on nRF91
	RegPublishTimeout = 0x180
	RegPublishStopped = 0x184 // not on nRF91
	RegInten          = 0x300 // nRF54L
	RegIntenSet       = 0x304
	RegIntenClr       = 0x308
	RegIntPend        = 0x30C // nRF54L
	RegNMIen          = 0x320 // nRF54L
	RegNMIenSet       = 0x324 // not on nRF91
	RegNMIenClr       = 0x328 // not on nRF91
	RegRunStatus      = 0x400
	RegReqStatus      = 0x404
	RegCRV            = 0x504
	RegRREN           = 0x508
	RegConfig         = 0x50C
	RegTSEN           = 0x520 // not on nRF91
	RegRR             = 0x600 // eight words
)

// Reload is what a reload request register, and TSEN, take: nothing else counts.
const Reload uint32 = 0x6E524635

// The bits of CONFIG.
const (
	ConfigSleep  uint32 = 1 << 0
	ConfigHalt   uint32 = 1 << 3
	ConfigStopEn uint32 = 1 << 6 // not on nRF91
)

// The events' bits in INTEN and NMIEN.
const (
	EventTimeout uint32 = 1 << 0
	EventStopped uint32 = 1 << 1
)

const (
	channels    = 8
	frequency   = 32768 // Hz
	minimumCRV  = 0xF
	grace       = 2 // cycles between TIMEOUT and reset where it interrupts
	channelMask = 0x800000FF
)

// Variant is what differs between the boards' watchdogs.
type Variant struct {
	// Registers are the offsets that exist.
	Registers map[uint32]bool
	// Events are the events that exist, as their bits in INTEN.
	Events uint32
	// Config are the bits of CONFIG that exist.
	Config uint32
}

// NRF9160 is the nRF91's watchdog, which cannot be stopped.
func NRF9160() Variant {
	return Variant{
		Registers: registers(RegTasksStart, RegSubscribeStart, RegEventsTimeout, RegPublishTimeout,
			RegIntenSet, RegIntenClr),
		Events: EventTimeout,
		Config: ConfigSleep | ConfigHalt,
	}
}

// NRF5340 is each of the application core's two watchdogs.
func NRF5340() Variant {
	return Variant{
		Registers: registers(RegTasksStart, RegTasksStop, RegSubscribeStart, RegSubscribeStop,
			RegEventsTimeout, RegEventsStopped, RegPublishTimeout, RegPublishStopped,
			RegIntenSet, RegIntenClr, RegNMIenSet, RegNMIenClr, RegTSEN),
		Events: EventTimeout | EventStopped,
		Config: ConfigSleep | ConfigHalt | ConfigStopEn,
	}
}

// NRF54L15 is each of the nRF54L15's two watchdogs, WDT30 and WDT31.
func NRF54L15() Variant {
	v := NRF5340()
	for _, off := range []uint32{RegInten, RegIntPend, RegNMIen} {
		v.Registers[off] = true
	}
	return v
}

// registers returns the set of what every watchdog has, and more.
func registers(more ...uint32) map[uint32]bool {
	m := map[uint32]bool{RegRunStatus: true, RegReqStatus: true, RegCRV: true, RegRREN: true, RegConfig: true}
	for n := range uint32(channels) {
		m[RegRR+4*n] = true
	}
	for _, off := range more {
		m[off] = true
	}
	return m
}

// Config is what a watchdog is connected to. Its functions are called with no
// lock of the watchdog held.
type Config struct {
	Variant Variant
	Clock   *clock.Clock
	// Interrupt and NonMaskable may be nil.
	Interrupt, NonMaskable bus.Interrupt
	// Reset restarts the device, with this watchdog as the reason. It is called
	// on the clock's goroutine, once.
	Reset func()
}

// WDT is one watchdog. It is safe for concurrent use.
type WDT struct {
	c Config

	mu        sync.Mutex
	running   bool
	late      bool         // TIMEOUT: nothing takes the reset back any more
	timer     *clock.Timer // to TIMEOUT, and from there to the reset
	run       uint64       // counts what the timer is set for, so that a late call knows
	requested uint32       // the RR that have been written since the last reload
	mayStop   bool         // TSEN
	events    uint32
	inten     uint32
	nmien     uint32
	crv       uint32
	rren      uint32
	config    uint32
	stored    map[uint32]uint32 // PUBLISH and SUBSCRIBE
}

// New returns the watchdog as it is after a reset: not running.
func New(c Config) *WDT {
	w := &WDT{c: c}
	w.Reset()
	return w
}

// Reset puts the registers to their reset values and stops the watchdog.
func (w *WDT) Reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.halt()
	w.events, w.inten, w.nmien = 0, 0, 0
	w.crv, w.rren, w.config = 0xFFFFFFFF, 1, ConfigSleep
	w.stored = make(map[uint32]uint32)
}

// halt ends the count, whatever it is for.
func (w *WDT) halt() {
	w.running, w.late, w.mayStop, w.requested = false, false, false, 0
	w.run++
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
}

// set has f called after a number of cycles, in place of what the timer was set
// for. A call of the old one that is under way sees another run, and does
// nothing.
func (w *WDT) set(cycles uint64, f func()) {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.run++
	run := w.run
	w.timer = w.c.Clock.AfterFunc(duration(cycles), func() {
		w.mu.Lock()
		if w.run != run {
			w.mu.Unlock()
			return
		}
		w.timer = nil
		f() // unlocks
	})
}

// duration returns the time of a number of cycles, rounded up.
func duration(cycles uint64) time.Duration {
	return time.Duration((cycles*uint64(time.Second) + frequency - 1) / frequency)
}

// reload begins the count from CRV.
func (w *WDT) reload() {
	w.requested = 0
	w.set(uint64(max(w.crv, minimumCRV))+1, w.timeout)
}

// timeout is the end of the count: the reset follows, at once or, so that an
// interrupt can leave a trace, two cycles later. It is called with the lock
// held, and returns without it, as expired is.
func (w *WDT) timeout() {
	w.late = true
	w.run++
	lines := w.raise(EventTimeout)
	if (w.inten|w.nmien)&EventTimeout != 0 {
		w.set(grace, w.expired)
		w.mu.Unlock()
		call(lines)
		return
	}
	w.mu.Unlock()
	w.c.Reset()
}

func (w *WDT) expired() {
	w.run++
	w.mu.Unlock()
	w.c.Reset()
}

// raise makes an event happen, and returns the lines that it raises. It is
// called with the lock held.
func (w *WDT) raise(event uint32) []bus.Interrupt {
	was := w.events
	w.events |= event
	return w.lines(event&^was&w.inten, event&^was&w.nmien)
}

// lines returns the lines for what is newly pending.
func (w *WDT) lines(irq, nmi uint32) (l []bus.Interrupt) {
	if irq != 0 {
		l = append(l, w.c.Interrupt)
	}
	if nmi != 0 {
		l = append(l, w.c.NonMaskable)
	}
	return l
}

func call(lines []bus.Interrupt) {
	for _, raise := range lines {
		if raise != nil {
			raise()
		}
	}
}
