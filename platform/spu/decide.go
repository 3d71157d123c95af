package spu

import "github.com/postern-spe/postern/platform/bus"

// Check decides one access to flash or RAM: NoFault, SecureFault when a
// non-secure transaction touches a secure region, BusFault when the region does
// not permit the access, or when there is no memory at the address. A refusal
// raises FLASHACCERR or RAMACCERR. Who the master is changes nothing.
func (s *SPU) Check(addr uint32, access bus.Access, from bus.Origin) bus.Fault {
	m := s.memory(addr)
	if m == nil {
		if s.isExternal(addr) {
			return bus.NoFault
		}
		return bus.BusFault
	}
	f := decide(m.at(addr), access, from.Attr)
	if f != bus.NoFault {
		s.raise(m.event)
	}
	return f
}

// decide is the rule itself: the attribute of the transaction must not be below
// the region's, and the region must permit the access.
func decide(perm uint32, access bus.Access, attr bus.Attribute) bus.Fault {
	switch {
	case attr == bus.NonSecure && perm&PermSecure != 0:
		return bus.SecureFault
	case perm&uint32(access) != uint32(access):
		return bus.BusFault
	}
	return bus.NoFault
}

// CheckRange decides an access to n bytes from addr on, n at least 1: nil, or an
// *bus.AccessError with the first address that is refused.
func (s *SPU) CheckRange(addr, n uint32, access bus.Access, from bus.Origin) error {
	for {
		if f := s.Check(addr, access, from); f != bus.NoFault {
			return &bus.AccessError{Fault: f, Addr: addr, Access: access, From: from}
		}
		// To the end of the region, or of the range: whichever is nearer. A
		// memory does not reach the end of the address space, so addr + step
		// does not wrap.
		step := s.rest(addr)
		if step >= n {
			return nil
		}
		addr, n = addr+step, n-step
	}
}

// rest returns how many bytes there are from addr to the end of its region.
func (s *SPU) rest(addr uint32) uint32 {
	if m := s.memory(addr); m != nil {
		return 1<<m.shift - addr&(1<<m.shift-1)
	}
	return s.v.External.Size - (addr - s.v.External.Base)
}

// Secure reports whether the memory at addr is secure. What no region covers is
// not: of the secure world's information pages the bus knows.
func (s *SPU) Secure(addr uint32) bool {
	m := s.memory(addr)
	return m != nil && m.at(addr)&PermSecure != 0
}

// Callable reports whether addr lies in a non-secure callable part of a secure
// region: where a non-secure fetch may enter the secure world, if what it finds
// is an SG instruction.
func (s *SPU) Callable(addr uint32) bool {
	m := s.memory(addr)
	return m != nil && m.callable(addr)
}

// Refuse raises the event of an access at addr that a block refuses by a rule of
// its own: PERIPHACCERR for registers, RAMACCERR for RAM, FLASHACCERR for
// everything else, as the information pages.
func (s *SPU) Refuse(addr uint32, _ bus.Access, _ bus.Origin) {
	switch {
	case addr&aliasMask == nonSecureAlias || addr&aliasMask == secureAlias:
		s.raise(periphAccErr)
	case addr-s.ram.base < s.ram.size:
		s.raise(ramAccErr)
	default:
		s.raise(flashAccErr)
	}
}

// raise sets an event; where it was not set, its PUBLISH register's channel gets
// it as well.
func (s *SPU) raise(e event) {
	if !s.events.raise(e) || s.signal == nil {
		return
	}
	if p := s.publish[e].Load(); p&publishEnable != 0 {
		s.signal(uint8(p))
	}
}

// memory returns the guarded memory that addr lies in, nil where there is none.
func (s *SPU) memory(addr uint32) *memory {
	if addr-s.flash.base < s.flash.size {
		return &s.flash
	}
	if addr-s.ram.base < s.ram.size {
		return &s.ram
	}
	return nil
}

func (s *SPU) isExternal(addr uint32) bool {
	return addr-s.v.External.Base < s.v.External.Size
}

// at returns the permissions of the region that addr, inside the memory, lies in.
func (m *memory) at(addr uint32) uint32 {
	return m.perm[(addr-m.base)>>m.shift%MaxRegions].Load()
}

func (m *memory) callable(addr uint32) bool {
	if m.at(addr)&PermSecure == 0 {
		return false
	}
	region := (addr - m.base) >> m.shift
	fromEnd := uint32(1)<<m.shift - addr&(1<<m.shift-1)
	for i := range m.nsc {
		code := m.nsc[i].size.Load() & nscSizeMask
		// The part ends where the region ends, and grows downward.
		if code >= 1 && code <= nscSizeMax && m.nsc[i].region.Load()&^PermLock == region && fromEnd <= 1<<(code+4) {
			return true
		}
	}
	return false
}
