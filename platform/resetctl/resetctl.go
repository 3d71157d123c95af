// Package resetctl emulates the reset reasons of nRF53, nRF91 and nRF54L
// (Product Specifications and datasheet, chapters RESET and POWER; registers as
// the SVDs name them): RESETREAS, by which firmware learns why it starts.
//
// Reasons add up over resets until firmware clears them, and only a loss of
// power clears them all: none at all means power-on. So whoever builds the next
// boot's block hands on what this one holds.
//
// Of the peripherals that share its page (POWER, CLOCK, USBREG) nothing is
// emulated; NETWORK.FORCEOFF of the nRF5340 is stored, and starts no network
// core.
//
// Trust: secure software, or non-secure software where the guard gives it the
// peripheral, writes the registers. Nothing is decided by them.
package resetctl

import (
	"sync"

	"github.com/postern-spe/postern/platform/bus"
)

// Reason is why a device starts, if not because power came.
type Reason uint8

const (
	Pin       Reason = iota + 1 // the reset pin
	Watchdog0                   // the first or only watchdog
	Watchdog1                   // the second
	CtrlAP                      // a debugger's soft reset
	CtrlAPHard
	CtrlAPPin
	System // AIRCR.SYSRESETREQ
	Lockup
	Tamper // the nRF54L's TAMPC
	reasons
)

func (r Reason) String() string {
	if r == 0 || r >= reasons {
		return "power-on"
	}
	return [...]string{"pin", "watchdog 0", "watchdog 1", "CTRL-AP soft", "CTRL-AP hard", "CTRL-AP pin",
		"system reset request", "lockup", "tamper"}[r-1]
}

// Variant is what differs between the boards.
type Variant struct {
	// ResetReas is the offset of RESETREAS.
	ResetReas uint32
	// Mask are the bits of it that exist.
	Mask uint32
	// Bits are the bits of the reasons that the board can tell.
	Bits map[Reason]uint32
	// ForceOff is the offset of NETWORK.FORCEOFF; 0 where there is none.
	ForceOff uint32
}

// NRF5340 is the application core's RESET. It cannot tell a debugger's hard or
// pin reset, which it does not have, and has no tamper controller.
func NRF5340() Variant {
	return Variant{
		ResetReas: 0x400,
		Mask:      0x070000FF,
		Bits:      map[Reason]uint32{Pin: 1 << 0, Watchdog0: 1 << 1, CtrlAP: 1 << 2, System: 1 << 3, Lockup: 1 << 4, Watchdog1: 1 << 25},
		ForceOff:  0x614,
	}
}

// NRF9160 is the part of POWER that tells reasons.
func NRF9160() Variant {
	return Variant{
		ResetReas: 0x400,
		Mask:      0x00070017,
		Bits:      map[Reason]uint32{Pin: 1 << 0, Watchdog0: 1 << 1, System: 1 << 16, Lockup: 1 << 17, CtrlAP: 1 << 18},
	}
}

// NRF54L15 is its RESET.
func NRF54L15() Variant {
	return Variant{
		ResetReas: 0x600,
		Mask:      0x00003FFF,
		Bits: map[Reason]uint32{Pin: 1 << 0, Watchdog0: 1 << 1, Watchdog1: 1 << 2, CtrlAP: 1 << 3, CtrlAPHard: 1 << 4,
			CtrlAPPin: 1 << 5, System: 1 << 6, Lockup: 1 << 7, Tamper: 1 << 13},
	}
}

// Reset is the block. It is safe for concurrent use.
type Reset struct {
	v Variant

	mu       sync.Mutex
	reasons  uint32
	forceOff uint32
}

// New returns the block of a boot for a reason, 0 for power-on, which forgets
// what was before. before is what ResetReas returned at the end of the last
// boot.
func New(v Variant, before uint32, why Reason) *Reset {
	r := &Reset{v: v, forceOff: 1}
	if why != 0 {
		r.reasons = before&v.Mask | v.Bits[why]
	}
	return r
}

// ResetReas returns RESETREAS, for the next boot.
func (r *Reset) ResetReas() uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reasons
}

// ReadRegister returns the register at off.
func (r *Reset) ReadRegister(off uint32, _ bus.Attribute) (uint32, bus.Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case off == r.v.ResetReas:
		return r.reasons, bus.NoFault
	case off == r.v.ForceOff && off != 0:
		return r.forceOff, bus.NoFault
	}
	return 0, bus.NoFault
}

// WriteRegister stores to the register at off: a 1 clears a reason.
func (r *Reset) WriteRegister(off, v uint32, _ bus.Attribute) bus.Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case off == r.v.ResetReas:
		r.reasons &^= v
	case off == r.v.ForceOff && off != 0:
		r.forceOff = v & 1
	}
	return bus.NoFault
}
