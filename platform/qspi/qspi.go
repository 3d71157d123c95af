// Package qspi emulates the QSPI peripheral of the nRF5340 with the NOR flash
// behind it, the MX25R6435F of the nRF5340 DK (nRF5340 Product Specification,
// chapter QSPI; offsets and reset values from the device's SVD file): reading,
// writing and erasing by tasks with EasyDMA, execute in place through a window
// of the bus, and the custom instructions that a driver begins with.
//
// The flash is outside what the SPU attributes as memory: who reaches it is
// decided by the attribution of the peripheral, for its registers, its EasyDMA
// and, on the emulated bus, for the window. What is stored there is as open as
// the wires: no attack with a probe on the flash is stopped.
//
// Not emulated: XIP_ENC and DMA_ENC (their registers read 0 and ignore writes, so
// that no driver takes plain text for encrypted), DPPI, deep power-down, and the
// status register's protection of blocks. PSEL, IFCONFIG0, IFCONFIG1, DPMDUR,
// ADDRCONF and IFTIMING can be set and do nothing.
//
// Attacker-controlled: all registers and the DMA's data, where the peripheral is
// non-secure. What the documents leave open is decided here:
//   - Tasks other than ACTIVATE and DEACTIVATE need the interface to be active,
//     and no operation under way; otherwise nothing happens.
//   - The low two bits of addresses and lengths are ignored. What passes the end
//     of the flash reads as 0xFF and is not written.
//   - An erase of what is not in the flash, or with a LEN of 3, changes nothing;
//     READY comes.
//   - The window is a BusFault unless the interface is active and XIPEN set, and
//     where XIPOFFSET leads past the end of the flash. Stores to it always are.
package qspi

import (
	"sync"
	"time"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/clock"
)

// DMA is the bus as the peripheral's EasyDMA sees it, with the attribute of the
// peripheral. What it may not read is zeros, what it may not write is dropped.
// p is not kept.
type DMA interface {
	ReadBlock(addr uint32, p []byte)
	WriteBlock(addr uint32, p []byte)
}

// Config is what surrounds a QSPI.
type Config struct {
	Variant Variant
	Clock   *clock.Clock
	// DMA is called with no lock held: an address may lead back to the window.
	DMA DMA
	// Interrupt may be nil.
	Interrupt bus.Interrupt
}

// QSPI is the peripheral and its flash. As bus.Memory it is the window. All
// methods are safe for concurrent use.
type QSPI struct {
	env   Config
	flash *cells.Flash

	// mu is held while registers change, never during an operation, which has
	// the flash to itself by busy.
	mu         sync.Mutex
	regs       [len(plain)]uint32
	enabled    bool
	active     bool
	busy       bool
	generation int // of resets: an operation that began before one ends in silence
	event      uint32
	inten      uint32
	status     byte // of the flash: SREG
	concurrent bool
}

// New returns the QSPI of flash. It panics when the flash is not of the
// variant's geometry, which is a property of the board.
func New(flash *cells.Flash, c Config) *QSPI {
	if flash.Size() != c.Variant.Size || flash.PageSize() != sector || c.Variant.Size%block != 0 {
		panic("qspi: flash of another geometry")
	}
	q := &QSPI{env: c, flash: flash}
	q.Reset()
	return q
}

// Flash returns the cells themselves, past the registers: for tools that look at
// a device that is not running.
func (q *QSPI) Flash() *cells.Flash { return q.flash }

// Variant returns what the flash is like.
func (q *QSPI) Variant() Variant { return q.env.Variant }

// Reset puts the registers to their reset values.
func (q *QSPI) Reset() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, r := range plain {
		q.regs[i] = r.reset
	}
	q.enabled, q.active, q.busy = false, false, false
	q.generation++
	q.event, q.inten, q.status = 0, 0, 0
	q.concurrent = false
}

// SetConcurrent says whether the core goes on during an operation. It does not in
// the reset state: the clock has moved past the operation when the store to its
// task returns, as for a driver that waits for READY. With on, STATUS.READY
// reads 0 and EVENTS_READY is not set until the clock has passed it.
func (q *QSPI) SetConcurrent(on bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.concurrent = on
}

// finish ends an operation that takes d, or that the power has ended: then
// READY never comes.
func (q *QSPI) finish(d time.Duration, generation int, err error) {
	if err != nil {
		return
	}
	q.mu.Lock()
	concurrent := q.concurrent
	q.mu.Unlock()
	done := func() { q.done(generation) }
	if concurrent {
		q.env.Clock.AfterFunc(d, done)
		return
	}
	q.env.Clock.Advance(d)
	done()
}

func (q *QSPI) done(generation int) {
	q.mu.Lock()
	if q.generation != generation {
		q.mu.Unlock()
		return
	}
	q.busy = false
	q.raise(func() { q.event = 1 })
}

// raise unlocks mu after change, and raises the interrupt where that made it
// pending.
func (q *QSPI) raise(change func()) {
	before := q.event & q.inten
	change()
	risen := q.event & q.inten &^ before
	q.mu.Unlock()
	if risen != 0 && q.env.Interrupt != nil {
		q.env.Interrupt()
	}
}
