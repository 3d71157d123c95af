// Package tampc emulates the tamper controller of the nRF54L15 (datasheet,
// chapter TAMPC; registers as the device's SVD names them): the signal
// protectors, through which firmware opens the debug ports or closes them until
// the next reset, and what a detected disturbance of one of them starts.
//
// Not emulated: what the detectors themselves measure. The active shield, the
// glitch detectors and CRACEN's never detect anything; Disturb stands in for an
// attack on a protected signal.
//
// Trust: secure software writes the registers; they do not exist in the
// non-secure view. Package ctrlap asks for the signals.
//
// Decided here, where the documents leave it open: an accepted write of VALUE
// sets the write protection again; a write with the wrong key, or to a locked
// protector, is ignored without an event; UICR.AUXAPPROTECT is taken to be what
// UICR.APPROTECT is; and the UICR is sampled at reset.
package tampc

import (
	"sync"

	"github.com/postern-spe/postern/platform/bus"
)

// Register offsets.
const (
	RegEventsTamper     = 0x100
	RegEventsWriteError = 0x104
	RegInten            = 0x300
	RegIntenSet         = 0x304
	RegIntenClr         = 0x308
	RegIntPend          = 0x30C
	RegStatus           = 0x400
	RegActiveShieldChen = 0x404
)

// The bits of RegStatus that something sets here.
const StatusProtect uint32 = 1 << 4

const (
	eventTamper     uint32 = 1 << 0
	eventWriteError uint32 = 1 << 1
	eventMask              = eventTamper | eventWriteError
	chenMask        uint32 = 0xF
)

// UICR is what the controller asks of the UICR at a reset. An error means
// protected.
type UICR interface {
	APProtected() (bool, error)
	SecureAPProtected() (bool, error)
	EraseProtected() (bool, error)
}

// Config is what the controller is connected to. Its functions are called with
// no lock of the controller held.
type Config struct {
	UICR UICR
	// Interrupt may be nil.
	Interrupt bus.Interrupt
	// Reset restarts the device for a detected attack (RESETREAS.SECTAMPER).
	Reset func()
}

// TAMPC is the tamper controller. It is safe for concurrent use.
type TAMPC struct {
	c Config

	mu      sync.Mutex
	signals [signals]protector
	events  uint32
	inten   uint32
	status  uint32
	chen    uint32
}

// New returns the controller as it is after a reset.
func New(c Config) *TAMPC {
	t := &TAMPC{c: c}
	t.Reset()
	return t
}

// Reset puts the registers to their reset values. What the UICR protects is
// locked from here on.
func (t *TAMPC) Reset() {
	ap := protected(t.c.UICR.APProtected())
	secure := protected(t.c.UICR.SecureAPProtected())
	erase := protected(t.c.UICR.EraseProtected())
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events, t.inten, t.status, t.chen = 0, 0, 0, 0
	for s := range t.signals {
		t.signals[s] = protector{value: Signal(s).resetsHigh(), guarded: true}
	}
	for s, locked := range map[Signal]bool{DBGEN: ap, NIDEN: ap, AuxDBGEN: ap, SPIDEN: secure, SPNIDEN: secure} {
		t.signals[s].locked = locked
	}
	if erase {
		t.signals[EraseProtect].value, t.signals[EraseProtect].locked = true, true
	}
}

// protected: a UICR that cannot be read protects.
func protected(p bool, err error) bool { return p || err != nil }

// Value reports whether a signal is high.
func (t *TAMPC) Value(s Signal) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.signals[s].value
}

// DebugEnabled reports whether non-secure debugging of the CPU is enabled.
func (t *TAMPC) DebugEnabled() bool { return t.Value(DBGEN) }

// SecureDebugEnabled reports whether secure debugging of the CPU is enabled, as
// far as SPIDEN decides that.
func (t *TAMPC) SecureDebugEnabled() bool { return t.Value(SPIDEN) }

// EraseProtected reports whether a debugger's ERASEALL is blocked.
func (t *TAMPC) EraseProtected() bool { return t.Value(EraseProtect) }

// Disturb is an attack that would change a protected signal, as a laser or a
// glitch does: the protector detects it. The device is reset, or, where firmware
// has switched INTRESETEN off, the error is left in STATUS with the event. The
// signal keeps its value.
func (t *TAMPC) Disturb(s Signal) {
	t.mu.Lock()
	if t.signals[IntResetEn].value {
		t.mu.Unlock()
		t.c.Reset()
		return
	}
	t.signals[s].disturbed = true
	t.status |= StatusProtect
	raise := t.raise(eventTamper)
	t.mu.Unlock()
	if raise && t.c.Interrupt != nil {
		t.c.Interrupt()
	}
}

// ReadRegister returns the register at off, which exists in the secure view
// alone.
func (t *TAMPC) ReadRegister(off uint32, view bus.Attribute) (uint32, bus.Fault) {
	if view != bus.Secure {
		return 0, bus.NoFault
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.read(off), bus.NoFault
}

func (t *TAMPC) read(off uint32) uint32 {
	switch off {
	case RegEventsTamper:
		return t.events & eventTamper
	case RegEventsWriteError:
		return t.events & eventWriteError / eventWriteError
	case RegInten, RegIntenSet, RegIntenClr:
		return t.inten
	case RegIntPend:
		return t.inten & t.events
	case RegStatus:
		return t.status
	case RegActiveShieldChen:
		return t.chen
	}
	if s, status, ok := signalAt(off); ok {
		if status {
			return t.signals[s].status()
		}
		return t.signals[s].ctrl()
	}
	return 0
}

// WriteRegister stores to the register at off, which exists in the secure view
// alone.
func (t *TAMPC) WriteRegister(off, v uint32, view bus.Attribute) bus.Fault {
	if view != bus.Secure {
		return bus.NoFault
	}
	t.mu.Lock()
	raise := t.write(off, v)
	t.mu.Unlock()
	if raise && t.c.Interrupt != nil {
		t.c.Interrupt()
	}
	return bus.NoFault
}

func (t *TAMPC) write(off, v uint32) (raise bool) {
	switch off {
	case RegEventsTamper:
		return t.setEvent(eventTamper, v)
	case RegEventsWriteError:
		return t.setEvent(eventWriteError, v)
	case RegInten:
		return t.enable(v & eventMask)
	case RegIntenSet:
		return t.enable(t.inten | v&eventMask)
	case RegIntenClr:
		t.inten &^= v
	case RegStatus:
		t.status &^= v
	case RegActiveShieldChen:
		t.chen = v & chenMask
	}
	if s, status, ok := signalAt(off); ok {
		if status {
			t.signals[s].clear(v)
		} else if !t.signals[s].write(v) {
			return t.raise(eventWriteError)
		}
	}
	return false
}

func (t *TAMPC) setEvent(event, v uint32) (raise bool) {
	if v&1 == 0 {
		t.events &^= event
		return false
	}
	return t.raise(event)
}

// raise makes an event happen, and reports whether that raises the interrupt.
func (t *TAMPC) raise(event uint32) bool {
	was := t.events
	t.events |= event
	return event&^was&t.inten != 0
}

// enable sets INTEN. An event that was waiting for it raises the interrupt.
func (t *TAMPC) enable(inten uint32) (raise bool) {
	raise = t.events&inten&^t.inten != 0
	t.inten = inten
	return raise
}
