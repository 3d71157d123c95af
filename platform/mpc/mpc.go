// Package mpc emulates what guards the bus of nRF54L: the Memory Privilege
// Controller MPC00 (nRF54L15 datasheet, chapter MPC; registers from the SVD), and,
// as Guard, its composition with the core's SAU and IDAU and with the SPUs of the
// peripheral buses.
//
// Emulated: all registers of MPC00. The base map has all memory secure, readable,
// writable and executable; overrides change that in units of 4 KiB. Not emulated:
// owners and master ports, of which the SVD shows nothing.
//
// The bus asks Guard before every access; addresses and kinds of access come from
// non-secure programs. Registers are written by secure software at boot.
//
// # Decisions
//
// What the documents leave open is decided so:
//   - Where overrides overlap, PERMMASK and PERM are the logical OR of theirs
//     (datasheet), a PERM bit counting also where its own override's mask does not
//     name it. The result replaces the base map in the bits of the mask.
//   - The last override is fixed: it covers CRACEN's protected RAM, reads as
//     locked and enabled, and refuses everything there, whatever other overrides
//     say. The KMU, which alone writes there, does not come over this bus.
//   - STARTADDR and ENDADDR keep whole units of 4 KiB; ENDADDR is exclusive.
//   - LOCK freezes all five registers of its override, ENABLE with them.
//   - A fetch sets EXECUTE alone in INFO, a load READ alone.
//   - A refusal by a rule of the memory's own, as a region of the RRAMC, sets
//     MEMACCERR with ERRORSOURCE 0, the subordinate.
//   - An attribution violation of the core, which ends in a SecureFault, sets the
//     event as well, though on the chip no bus transfer need have been made: so
//     that secure software learns of it the same way on every board.
//   - A secure access of the core to what SAU and IDAU take for non-secure is a
//     non-secure transaction, as the architecture has it. So what the SAU opens
//     and the MPC does not is a BusFault for everybody.
//   - DMA, other domains and debuggers do not pass the SAU: the MPC's word is the
//     last for them.
//   - The IDAU has 0x5xxx_xxxx secure and everything else non-secure (datasheet).
package mpc

import (
	"sync"
	"sync/atomic"

	"github.com/postern-spe/postern/platform/bus"
)

// The bits of PERM and PERMMASK. They are not those of bus.Access.
const (
	PermRead    uint32 = 1 << 0
	PermWrite   uint32 = 1 << 1
	PermExecute uint32 = 1 << 2
	PermSecure  uint32 = 1 << 3

	permMask = PermRead | PermWrite | PermExecute | PermSecure
	permBase = permMask // the base map
)

// Granularity is the unit of an override, in bytes.
const Granularity = 4096

// Overrides is how many override regions there are, the last being fixed.
const Overrides = 7

// Memory is Size bytes from Base on that the MPC decodes.
type Memory struct{ Base, Size uint32 }

// Override is one override region: in [Start, End) the bits of Perm that Mask has
// replace those of the base map.
type Override struct{ Start, End, Perm, Mask uint32 }

// Variant is the MPC of one chip, as data.
type Variant struct {
	Memories []Memory
	// Fixed is the last override, which is set in hardware.
	Fixed Override
}

// NRF54L15 returns the MPC of the nRF54L15. SICR is not in it: only the KMU
// reaches that.
func NRF54L15() Variant {
	return Variant{
		Memories: []Memory{
			{0x00000000, 0x17D000},  // RRAM
			{0x20000000, 256 << 10}, // RAM
			{0x00FFC000, 0x2000},    // FICR, UICR
			{0x51800000, 0x20000},   // CRACEN's core and its protected RAM
		},
		Fixed: Override{0x51810000, 0x51811000, PermSecure, permMask},
	}
}

// MPC is one memory privilege controller. It is a bus.Peripheral. All methods are
// safe for concurrent use; decisions take no lock.
type MPC struct {
	v     Variant
	irq   bus.Interrupt
	state atomic.Uint64 // see event.go

	mu        sync.Mutex // serialises register writes
	overrides [Overrides]override
	inForce   atomic.Pointer[[]Override] // the enabled ones; replaced, never changed
}

// override is the registers of one.
type override struct {
	config, start, end, perm, mask uint32
}

var _ bus.Peripheral = (*MPC)(nil)

// New returns an MPC as a reset leaves it. irq, which may be nil, is its interrupt
// line. It panics on a memory that reaches the end of the address space.
func New(v Variant, irq bus.Interrupt) *MPC {
	for _, m := range v.Memories {
		if m.Base+m.Size < m.Base {
			panic("mpc: impossible memory geometry")
		}
	}
	m := &MPC{v: v, irq: irq}
	m.Reset()
	return m
}

// Reset puts all registers back and lifts all locks.
func (m *MPC) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Store(0)
	m.overrides = [Overrides]override{}
	f := m.v.Fixed
	m.overrides[Overrides-1] = override{configLock | configEnable, f.Start, f.End, f.Perm, f.Mask}
	m.update()
}

// update makes the registers count. The caller holds mu.
func (m *MPC) update() {
	var on []Override
	for _, o := range m.overrides[:Overrides-1] {
		if o.config&configEnable != 0 && o.start < o.end {
			on = append(on, Override{o.start, o.end, o.perm, o.mask})
		}
	}
	m.inForce.Store(&on)
}

// Check decides one transaction: NoFault, or a BusFault where nothing is at the
// address, where a non-secure transaction touches secure memory, and where the
// permission for the access is missing. A refusal sets MEMACCERR, except where
// nothing is.
func (m *MPC) Check(addr uint32, access bus.Access, attr bus.Attribute) bus.Fault {
	f, _ := m.check(addr, access, attr)
	return f
}

// check is Check; last is the last address up to which the answer is the same.
func (m *MPC) check(addr uint32, access bus.Access, attr bus.Attribute) (f bus.Fault, last uint32) {
	perm, last, ok := m.perm(addr)
	if !ok {
		return bus.BusFault, addr
	}
	if attr == bus.NonSecure && perm&PermSecure != 0 || perm&right(access) == 0 {
		m.raise(addr, access, attr, infoSourceMPC)
		return bus.BusFault, last
	}
	return bus.NoFault, last
}

// right is an access's bit in PERM.
func right(access bus.Access) uint32 {
	switch access {
	case bus.Read:
		return PermRead
	case bus.Write:
		return PermWrite
	}
	return PermExecute
}

// perm returns what is in force at addr, and the last address up to which it is;
// false where there is no memory.
func (m *MPC) perm(addr uint32) (perm, last uint32, ok bool) {
	for i := range m.v.Memories {
		if r := &m.v.Memories[i]; addr-r.Base < r.Size {
			last, ok = r.Base+r.Size-1, true
			break
		}
	}
	if !ok {
		return 0, addr, false
	}
	var p, mask uint32
	on := *m.inForce.Load()
	for i := range on {
		o := &on[i]
		switch {
		case addr >= o.End:
		case addr < o.Start:
			last = min(last, o.Start-1)
		default:
			last = min(last, o.End-1)
			p |= o.Perm
			mask |= o.Mask
		}
	}
	switch f := &m.v.Fixed; {
	case addr >= f.End:
	case addr < f.Start:
		last = min(last, f.Start-1)
	default:
		return f.Perm & f.Mask, min(last, f.End-1), true
	}
	return permBase&^mask | p&mask, last, true
}

// Secure reports whether the memory at addr is secure.
func (m *MPC) Secure(addr uint32) bool {
	perm, _, ok := m.perm(addr)
	return ok && perm&PermSecure != 0
}
