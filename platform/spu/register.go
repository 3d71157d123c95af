package spu

import (
	"sync/atomic"

	"github.com/postern-spe/postern/platform/bus"
)

// Register offsets from the SPU's base, 0x50003000.
const (
	RegEventsRAMAccErr     = 0x100
	RegEventsFlashAccErr   = 0x104
	RegEventsPeriphAccErr  = 0x108
	RegPublishRAMAccErr    = 0x180 // CHIDX bits 0 to 7, EN bit 31
	RegPublishFlashAccErr  = 0x184
	RegPublishPeriphAccErr = 0x188
	RegIntEn               = 0x300 // bit n: the n-th event
	RegIntEnSet            = 0x304
	RegIntEnClr            = 0x308
	RegCap                 = 0x400 // TZM bit 0
	RegCPULock             = 0x404 // nRF5340: five bits that stay set once set
	RegExtDomain           = 0x440 // PERM at +4n
	RegDPPI                = 0x480 // PERM at +8n, LOCK at +8n+4
	RegGPIOPort            = 0x4C0 // PERM at +8n, LOCK at +8n+4
	RegFlashNSC            = 0x500 // REGION at +8n, SIZE at +8n+4
	RegRAMNSC              = 0x540
	RegFlashRegion         = 0x600 // PERM at +4n
	RegRAMRegion           = 0x700
	RegPeriphID            = 0x800

	nscSizeMask          = 0xF
	nscSizeMax           = 8
	capTZM               = 1
	cpulockMask          = 0x1F
	publishEnable uint32 = 1 << 31
	publishMask          = publishEnable | 0xFF
	lockMask             = 1
)

// ReadRegister returns the register at off. The SPU is the secure world's alone:
// in the non-secure view all registers read 0.
func (s *SPU) ReadRegister(off uint32, view bus.Attribute) (uint32, bus.Fault) {
	if view == bus.NonSecure {
		return 0, bus.NoFault
	}
	return s.read(off), bus.NoFault
}

func (s *SPU) read(off uint32) uint32 {
	switch off {
	case RegEventsRAMAccErr, RegEventsFlashAccErr, RegEventsPeriphAccErr:
		return s.events.get(event(off-RegEventsRAMAccErr) / 4)
	case RegIntEn, RegIntEnSet, RegIntEnClr:
		return s.events.enabled()
	case RegCap:
		return capTZM
	}
	if c := s.cell(off); c.r != nil {
		return c.r.Load()
	}
	return 0
}

// WriteRegister stores to the register at off. A write to a locked register, to a
// read-only field or in the non-secure view is ignored.
func (s *SPU) WriteRegister(off, v uint32, view bus.Attribute) bus.Fault {
	if view == bus.NonSecure {
		return bus.NoFault
	}
	switch off {
	case RegEventsRAMAccErr, RegEventsFlashAccErr, RegEventsPeriphAccErr:
		e := event(off-RegEventsRAMAccErr) / 4
		if v&1 != 0 {
			s.events.raise(e)
		} else {
			s.events.clear(e)
		}
	case RegIntEn:
		s.events.enable(intMask, v)
	case RegIntEnSet:
		s.events.enable(v, intMask)
	case RegIntEnClr:
		s.events.enable(v, 0)
	default:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cell(off).write(v)
	}
	return bus.NoFault
}

// cell is one configuration register: where its value is, which bits take a
// write, and what stops writes.
type cell struct {
	r        *atomic.Uint32
	writable uint32
	sticky   bool           // bits are set by writing 1, and stay
	lock     *atomic.Uint32 // a LOCK word elsewhere
	self     uint32         // a LOCK bit in the register itself
}

func (c cell) write(v uint32) {
	if c.r == nil || c.lock != nil && c.lock.Load() != 0 {
		return
	}
	old := c.r.Load()
	switch {
	case old&c.self != 0:
	case c.sticky:
		c.r.Store(old | v&c.writable)
	default:
		c.r.Store(old&^c.writable | v&c.writable)
	}
}

// cell returns the register at an offset, the zero cell where there is none.
func (s *SPU) cell(off uint32) cell {
	n := off % 0x40 / 8 // of the clusters of two words
	second := off%8 != 0
	switch {
	case off%4 != 0:
	case off >= RegPublishRAMAccErr && off <= RegPublishPeriphAccErr:
		return cell{r: &s.publish[(off-RegPublishRAMAccErr)/4], writable: publishMask}
	case off == RegCPULock && s.v.CPULock:
		return cell{r: &s.cpulock, writable: cpulockMask, sticky: true}
	case off == RegExtDomain:
		w := PermLock
		if s.external.Load()&mapMask == MapUserSelectable {
			w |= PermSecure
		}
		return cell{r: &s.external, writable: w, self: PermLock}
	case off >= RegDPPI && off < RegDPPI+8:
		return s.dppi.cell(second, s.channels())
	case off >= RegGPIOPort && n < uint32(s.v.GPIOPorts) && off < RegGPIOPort+0x40:
		return s.gpio[n].cell(second, 0xFFFFFFFF)
	case off >= RegFlashNSC && off < RegFlashNSC+16:
		return s.flash.nsc[n].cell(second, s.v.NSCRegions)
	case off >= RegRAMNSC && off < RegRAMNSC+16:
		return s.ram.nsc[n].cell(second, s.v.NSCRegions)
	case off >= RegFlashRegion && off < RegFlashRegion+4*s.flash.regions():
		return cell{r: &s.flash.perm[(off-RegFlashRegion)/4], writable: permMask, self: PermLock}
	case off >= RegRAMRegion && off < RegRAMRegion+4*s.ram.regions():
		return cell{r: &s.ram.perm[(off-RegRAMRegion)/4], writable: permMask, self: PermLock}
	case off >= RegPeriphID && off < RegPeriphID+4*uint32(s.v.PeriphIDs):
		r := &s.periph[(off-RegPeriphID)/4]
		return cell{r: r, writable: periphWritable(r.Load()), self: PermLock}
	}
	return cell{}
}

func (l *lockable) cell(second bool, mask uint32) cell {
	if second {
		// LOCK stays set until reset, or it would lock nothing.
		return cell{r: &l.lock, writable: lockMask, sticky: true}
	}
	return cell{r: &l.perm, writable: mask, lock: &l.lock}
}

func (c *callable) cell(second bool, regions uint32) cell {
	if second {
		return cell{r: &c.size, writable: nscSizeMask | PermLock, self: PermLock}
	}
	return cell{r: &c.region, writable: regions | PermLock, self: PermLock}
}
