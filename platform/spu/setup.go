package spu

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/postern-spe/postern/platform/bus"
)

// ErrLocked is the cause of a setup that a lock has stopped, wholly or from the
// register on that the error names.
var ErrLocked = errors.New("the register is locked")

// ErrRange is the cause of a setup that names what the chip does not have, or
// cannot express.
var ErrRange = errors.New("out of range")

// SetFlash gives the regions of [base, base+size) the same permissions, as TF-M
// does with nrf_spu_flashregion_set: base and size, in bytes, are multiples of
// the region size. ErrRange, or ErrLocked at the first region that a lock has
// frozen at other permissions; those before it are set.
func (s *SPU) SetFlash(base, size uint32, secure bool, rights bus.Access, lock bool) error {
	return s.set(&s.flash, RegFlashRegion, base, size, secure, rights, lock)
}

// SetRAM is SetFlash for RAM (nrf_spu_ramregion_set).
func (s *SPU) SetRAM(base, size uint32, secure bool, rights bus.Access, lock bool) error {
	return s.set(&s.ram, RegRAMRegion, base, size, secure, rights, lock)
}

func (s *SPU) set(m *memory, reg, base, size uint32, secure bool, rights bus.Access, lock bool) error {
	unit := uint32(1) << m.shift
	off := base - m.base
	if off%unit != 0 || size%unit != 0 || off > m.size || size > m.size-off {
		return fmt.Errorf("spu: [0x%08x, 0x%08x): %w: not whole regions of 0x%x bytes", base, base+size, ErrRange, unit)
	}
	perm := uint32(rights)&permRights | attr(secure) | locked(lock)
	for n := off >> m.shift; n < (off+size)>>m.shift; n++ {
		if !s.put(reg+4*n, perm) {
			return fmt.Errorf("spu: region at 0x%08x: %w", m.base+n<<m.shift, ErrLocked)
		}
	}
	return nil
}

// SetCallable makes the last size bytes below end, which is the end of a flash
// region, non-secure callable through FLASHNSC[0], and locks them, as TF-M does
// (nrf_spu_flashnsc_set): size is a power of two from 32 to 4096. It has an effect
// while the region is secure.
func (s *SPU) SetCallable(end, size uint32) error {
	unit := uint32(1) << s.flash.shift
	off := end - s.flash.base
	if off == 0 || off > s.flash.size || off%unit != 0 || size < 32 || size > 4096 || size > unit || bits.OnesCount32(size) != 1 {
		return fmt.Errorf("spu: 0x%x callable bytes below 0x%08x: %w", size, end, ErrRange)
	}
	code := uint32(bits.TrailingZeros32(size)) - 4
	region := (off - unit) >> s.flash.shift
	if !s.put(RegFlashNSC, region|PermLock) || !s.put(RegFlashNSC+4, code|PermLock) {
		return fmt.Errorf("spu: FLASHNSC[0]: %w", ErrLocked)
	}
	return nil
}

// SetPeripheral sets the security of a peripheral and of its DMA
// (nrf_spu_peripheral_set). Where the chip has fixed them, asking for another
// value is an ErrRange; dmasec is not looked at where the DMA has no attribute of
// its own.
func (s *SPU) SetPeripheral(id uint8, secure, dmasec, lock bool) error {
	perm := s.periph[id].Load()
	if perm&PeriphPresent == 0 {
		return fmt.Errorf("spu: peripheral 0x%02x: %w: not there", id, ErrRange)
	}
	if perm&mapMask < MapUserSelectable && secure != periphSecure(perm) {
		return fmt.Errorf("spu: peripheral 0x%02x: %w: its security is fixed", id, ErrRange)
	}
	v := attr(secure) | locked(lock)
	if dmasec {
		v |= PeriphDMASec
	}
	w := periphWritable(perm)
	if !s.put(RegPeriphID+4*uint32(id), perm&^w|v&w) {
		return fmt.Errorf("spu: peripheral 0x%02x: %w", id, ErrLocked)
	}
	return nil
}

// SetDPPI makes the channels in mask secure and the others not
// (nrf_spu_dppi_config_set).
func (s *SPU) SetDPPI(mask uint32, lock bool) error {
	return s.setMask("DPPI[0]", RegDPPI, mask&s.channels(), lock)
}

// SetGPIO makes the pins of a port in mask secure and the others not
// (nrf_spu_gpio_config_set).
func (s *SPU) SetGPIO(port int, mask uint32, lock bool) error {
	if port < 0 || port >= s.v.GPIOPorts {
		return fmt.Errorf("spu: GPIO port %d: %w", port, ErrRange)
	}
	return s.setMask(fmt.Sprintf("GPIOPORT[%d]", port), RegGPIOPort+8*uint32(port), mask, lock)
}

func (s *SPU) setMask(name string, reg, mask uint32, lock bool) error {
	if !s.put(reg, mask) {
		return fmt.Errorf("spu: %s: %w", name, ErrLocked)
	}
	if lock {
		s.put(reg+4, lockMask)
	}
	return nil
}

// SetExternal sets the attribute of what the external domain sends
// (nrf_spu_extdomain_set). Where the chip has fixed it, asking for the other is an
// ErrRange.
func (s *SPU) SetExternal(secure, lock bool) error {
	perm := s.external.Load()
	v := perm&mapMask | locked(lock)
	switch {
	case perm&mapMask == MapUserSelectable:
		v |= attr(secure)
	case secure != periphSecure(perm):
		return fmt.Errorf("spu: external domain: %w: its security is fixed", ErrRange)
	}
	if !s.put(RegExtDomain, v) {
		return fmt.Errorf("spu: external domain: %w", ErrLocked)
	}
	return nil
}

// EnableInterrupts lets all three events interrupt, as TF-M does after it has
// cleared them: what happened before is forgotten.
func (s *SPU) EnableInterrupts() {
	for e := ramAccErr; e < numEvents; e++ {
		s.events.clear(e)
	}
	s.events.enable(intMask, intMask)
}

// put writes a register and reports whether it has the value now.
func (s *SPU) put(off, v uint32) bool {
	s.WriteRegister(off, v, bus.Secure)
	return s.read(off) == v
}

func attr(secure bool) uint32 {
	if secure {
		return PermSecure
	}
	return 0
}

func locked(lock bool) uint32 {
	if lock {
		return PermLock
	}
	return 0
}
