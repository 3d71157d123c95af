package mpc

import (
	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/sau"
	"github.com/postern-spe/postern/platform/spu"
)

const (
	aliasMask      uint32 = 0xF0000000
	nonSecureAlias uint32 = 0x40000000
	secureAlias    uint32 = 0x50000000

	// An address's APB bus is in bits 18 to 23 (the datasheet's address
	// format). What has bits above that set, as CRACEN's core, is on none.
	apbMask  uint32 = 0x00FC0000
	apbAbove uint32 = 0x0F000000
	apbShift        = 18
)

// Guard is what decides the accesses of an nRF54L: the core's SAU and IDAU for
// those of a CPU, then the MPC for memory, and for registers the SPU of their bus.
type Guard struct {
	sau  *sau.SAU
	mpc  *MPC
	spus [64]*spu.APB
}

var _ bus.Guard = (*Guard)(nil)

// NewGuard returns the guard of these blocks.
func NewGuard(s *sau.SAU, m *MPC, spus ...*spu.APB) *Guard {
	g := &Guard{sau: s, mpc: m}
	for _, a := range spus {
		g.spus[a.Base()&apbMask>>apbShift] = a
	}
	return g
}

// attribution is what the core takes an address for, and the last address up to
// which it takes all for the same.
func (g *Guard) attribution(addr uint32) (sau.Attribution, uint32) {
	if addr&aliasMask == secureAlias {
		return sau.Secure, addr | ^aliasMask
	}
	return g.sau.Span(addr)
}

// Check decides one access to memory: SecureFault where the attribution of the
// address keeps a non-secure CPU out, BusFault where the MPC refuses it or where
// there is no memory.
func (g *Guard) Check(addr uint32, access bus.Access, from bus.Origin) bus.Fault {
	f, _ := g.check(addr, access, from)
	return f
}

// check is Check; last is the last address up to which the answer is the same.
func (g *Guard) check(addr uint32, access bus.Access, from bus.Origin) (f bus.Fault, last uint32) {
	if from.Master != bus.CPU {
		return g.mpc.check(addr, access, from.Attr)
	}
	a, end := g.attribution(addr)
	attr := from.Attr
	switch {
	case a == sau.NonSecure:
		attr = bus.NonSecure
	case attr == bus.NonSecure:
		g.mpc.raise(addr, access, attr, infoSourceMPC)
		return bus.SecureFault, end
	}
	f, last = g.mpc.check(addr, access, attr)
	return f, min(last, end)
}

// CheckRange decides an access to n bytes from addr on, n at least 1: nil, or an
// *bus.AccessError with the first address that is refused.
func (g *Guard) CheckRange(addr, n uint32, access bus.Access, from bus.Origin) error {
	for {
		f, last := g.check(addr, access, from)
		if f != bus.NoFault {
			return &bus.AccessError{Fault: f, Addr: addr, Access: access, From: from}
		}
		// No memory reaches the end of the address space, so last + 1 does
		// not wrap.
		if n-1 <= last-addr {
			return nil
		}
		n -= last - addr + 1
		addr = last + 1
	}
}

// CheckPeripheral decides an access to a register: SecureFault where the
// attribution of the address keeps a non-secure CPU out, as through the secure
// alias always, then what the SPU of its bus says. CRACEN's core is on no such
// bus: the MPC decides.
func (g *Guard) CheckPeripheral(addr uint32, access bus.Access, from bus.Origin) bus.Fault {
	switch addr & aliasMask {
	case nonSecureAlias, secureAlias:
	default:
		return bus.BusFault
	}
	a := g.spu(addr)
	if from.Attr == bus.NonSecure && g.keepsOut(addr, from) {
		g.Refuse(addr, access, from)
		return bus.SecureFault
	}
	if a != nil {
		return a.CheckPeripheral(addr, access, from)
	}
	return g.mpc.Check(addr, access, from.Attr)
}

// keepsOut reports whether a non-secure access to a register ends before it
// reaches the SPU. The secure alias keeps out everybody.
func (g *Guard) keepsOut(addr uint32, from bus.Origin) bool {
	if from.Master != bus.CPU {
		return addr&aliasMask == secureAlias
	}
	a, _ := g.attribution(addr)
	return a != sau.NonSecure
}

// spu returns the SPU that guards an address, nil where none does.
func (g *Guard) spu(addr uint32) *spu.APB {
	if addr&apbAbove != 0 {
		return nil
	}
	return g.spus[addr&apbMask>>apbShift]
}

// Secure reports whether the memory at addr is secure, by the MPC.
func (g *Guard) Secure(addr uint32) bool { return g.mpc.Secure(addr) }

// Callable reports whether addr is non-secure callable, by the SAU.
func (g *Guard) Callable(addr uint32) bool {
	a, _ := g.attribution(addr)
	return a == sau.Callable
}

// Refuse raises the event of an access at addr that a block refuses by a rule of
// its own: PERIPHACCERR of the SPU of a register's bus, otherwise MEMACCERR.
func (g *Guard) Refuse(addr uint32, access bus.Access, from bus.Origin) {
	if peripheral := addr & aliasMask; peripheral == nonSecureAlias || peripheral == secureAlias {
		if a := g.spu(addr); a != nil {
			a.Raise(addr)
			return
		}
	}
	g.mpc.raise(addr, access, from.Attr, infoSourceMemory)
}
