package rramc

import (
	"encoding/binary"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
)

// Regions is how many windows there are.
const Regions = 5

// The fields of REGION[n].CONFIG.
const (
	RegionRead      uint32 = 1 << 0
	RegionWrite     uint32 = 1 << 1
	RegionExecute   uint32 = 1 << 2
	RegionSecure    uint32 = 1 << 3
	RegionOwner     uint32 = 0xF << 4 // 0: not enforced
	RegionWriteOnce uint32 = 1 << 12
	RegionLock      uint32 = 1 << 13    // until reset: ADDRESS and CONFIG stay
	RegionSize      uint32 = 0x1F << 16 // KiB; 0: the window is not there
)

const (
	regionMask = 0x1F30FF
	// regionUnit is what SIZE counts in, and where a window begins: the low
	// bits of ADDRESS are kept and do not matter.
	regionUnit = 1024
)

// window is a region's two registers.
type window struct {
	address, config uint32
}

func (w *window) write(address bool, v uint32) {
	switch {
	case w.config&RegionLock != 0:
	case address:
		w.address = v
	default:
		w.config = v & regionMask
	}
}

// overlap returns the part of [addr, addr+n) that the window covers.
func (w *window) overlap(addr uint32, n int) (from uint32, size int) {
	start := uint64(w.address &^ (regionUnit - 1))
	end := start + uint64(w.config&RegionSize>>16)*regionUnit
	lo, hi := max(start, uint64(addr)), min(end, uint64(addr)+uint64(n))
	if lo >= hi {
		return 0, 0
	}
	return uint32(lo), int(hi - lo)
}

func (w *window) permits(access bus.Access, from bus.Origin) bool {
	need := permission(access)
	switch {
	case w.config&need != need:
		return false
	case w.config&RegionSecure != 0 && from.Attr != bus.Secure:
		return false
	case w.config&RegionOwner != 0 && from.Master == bus.External:
		return false
	}
	return true
}

// permission returns the window's bit for an access.
func permission(access bus.Access) uint32 {
	switch access {
	case bus.Read:
		return RegionRead
	case bus.Write:
		return RegionWrite
	}
	return RegionExecute
}

// region returns the window with a register at off, or nil.
func (c *Controller) region(off uint32) *window {
	if off < RegRegion || off >= RegRegion+8*Regions {
		return nil
	}
	return &c.regions[(off-RegRegion)/8]
}

// Permits reports whether the windows let an access to n bytes from addr on pass;
// the guard has its own say.
func (c *Controller) Permits(addr uint32, n int, access bus.Access, from bus.Origin) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, refused := c.refused(addr, n, access, from)
	return !refused
}

// refused returns the first address of [addr, addr+n), inside the RRAM, that a
// window refuses.
func (c *Controller) refused(addr uint32, n int, access bus.Access, from bus.Origin) (at uint32, refused bool) {
	for i := range c.regions {
		w := &c.regions[i]
		if w.config&RegionSize == 0 {
			continue
		}
		lo, size := w.overlap(addr, n)
		if size == 0 {
			continue
		}
		if w.permits(access, from) {
			if access != bus.Write || w.config&RegionWriteOnce == 0 {
				continue
			}
			if lo, size = c.written(lo, size); size == 0 {
				continue
			}
		}
		if !refused || lo < at {
			at, refused = lo, true
		}
	}
	return at, refused
}

// written returns the first word of [addr, addr+n) that is not erased, in the
// cells or in the buffer.
func (c *Controller) written(addr uint32, n int) (at uint32, size int) {
	var word [cells.WordSize]byte
	for off := int(addr-c.env.Variant.Base) &^ (cells.WordSize - 1); off < int(addr-c.env.Variant.Base)+n; off += cells.WordSize {
		if c.rram.Read(off, word[:]) != nil || binary.LittleEndian.Uint32(word[:]) != 0xFFFFFFFF || c.buffer.hit(off, cells.WordSize) {
			return max(addr, c.env.Variant.Base+uint32(off)), cells.WordSize
		}
	}
	return 0, 0
}
