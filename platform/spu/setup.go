package spu

import (
	"fmt"
	"math/bits"
)

// SetFlash gives every region that [base, base+size) touches the same
// permissions, as TF-M does with nrf_spu_flashregion_set: base and size are
// multiples of the region size. It reports a region that a lock has frozen at
// other permissions.
func (s *SPU) SetFlash(base, size uint32, secure bool, rights Access, lock bool) error {
	return s.set(&s.flash, RegFlashRegion, base, size, secure, rights, lock)
}

// SetRAM is SetFlash for RAM.
func (s *SPU) SetRAM(base, size uint32, secure bool, rights Access, lock bool) error {
	return s.set(&s.ram, RegRAMRegion, base, size, secure, rights, lock)
}

func (s *SPU) set(m *memory, reg, base, size uint32, secure bool, rights Access, lock bool) error {
	unit := uint32(1) << m.shift
	off := base - m.base
	if off%unit != 0 || size%unit != 0 || off > m.size || size > m.size-off {
		return fmt.Errorf("spu: [0x%08x, 0x%08x) is not a whole number of regions of 0x%x bytes", base, base+size, unit)
	}
	perm := uint32(rights)
	if secure {
		perm |= PermSecure
	}
	if lock {
		perm |= PermLock
	}
	for n := off >> m.shift; n < (off+size)>>m.shift; n++ {
		s.WriteRegister(reg+4*n, perm)
		if m.perm[n].Load() != perm {
			return fmt.Errorf("spu: the region at 0x%08x is locked", m.base+n<<m.shift)
		}
	}
	return nil
}

// SetCallable makes the last size bytes below end, which is the end of a flash
// region, non-secure callable through FLASHNSC[0], and locks them: size is a
// power of two from 32 to 4096.
func (s *SPU) SetCallable(end, size uint32) error {
	unit := uint32(1) << s.flash.shift
	off := end - s.flash.base
	if off == 0 || off > s.flash.size || off%unit != 0 || size < 32 || size > 4096 || size&(size-1) != 0 {
		return fmt.Errorf("spu: 0x%x bytes below 0x%08x cannot be non-secure callable", size, end)
	}
	code := uint32(bits.TrailingZeros32(size)) - 4
	s.WriteRegister(RegFlashNSC, (off-unit)>>s.flash.shift|PermLock)
	s.WriteRegister(RegFlashNSC+4, code|PermLock)
	if !s.flash.callable(end - size) {
		return fmt.Errorf("spu: FLASHNSC[0] is locked, or the region below 0x%08x is not secure", end)
	}
	return nil
}
