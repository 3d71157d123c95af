package nvmc

import (
	"time"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
)

// Area is the secure flash driver of one part of the flash: what nrfx_nvmc is
// to a partition. Offsets are from the start of the area. Each operation is a
// secure access of the processor that the guard decides: a *bus.AccessError when
// it refuses, and then nothing has been done. It returns when the operation is
// over: the clock has moved past it.
//
// Where the driver on the chip sets CONFIG around an operation and puts it back,
// an Area goes to the cells directly: the write enable is private to the
// operation, so that it never stands open for another thread's stray store.
// Areas are safe for concurrent use.
type Area struct {
	c    *Controller
	addr uint32
	size int
}

// Area returns the driver of size bytes at addr, both multiples of the page
// size and inside the flash, which is a property of the board: it panics
// otherwise.
func (c *Controller) Area(addr, size uint32) *Area {
	page, all, off := uint32(c.env.Variant.PageSize), uint32(c.env.Variant.Size), addr-c.env.Variant.Base
	if off%page != 0 || size == 0 || size%page != 0 || off > all || size > all-off {
		panic("nvmc: area outside the flash or off its pages")
	}
	return &Area{c: c, addr: addr, size: int(size)}
}

// Addr returns the bus address at which the area begins.
func (a *Area) Addr() uint32 { return a.addr }

// Size returns the size of the area in bytes.
func (a *Area) Size() int { return a.size }

// PageSize returns the unit of Erase in bytes.
func (a *Area) PageSize() int { return a.c.env.Variant.PageSize }

// Read fills p from off on. On an error p is as it was.
func (a *Area) Read(off int, p []byte) error {
	if err := a.permit("read", off, len(p), bus.Read); err != nil {
		return err
	}
	return a.c.flash.Read(a.offset(off), p)
}

// Program programs the words of p from off on, in ascending order; off and
// len(p) are multiples of 4. See cells.Flash.Program for bits that are 0 already
// and for words that have had their writes.
func (a *Area) Program(off int, p []byte) error {
	if err := a.permit("program", off, len(p), bus.Write); err != nil {
		return err
	}
	a.c.mu.Lock()
	a.c.wait(false)
	err := a.c.programCells(a.offset(off), p)
	a.c.mu.Unlock()
	if programmed(err) {
		a.c.env.Clock.Advance(time.Duration(len(p)/cells.WordSize) * a.c.env.Variant.Write)
	}
	return err
}

// Erase erases the page at off, a multiple of PageSize.
func (a *Area) Erase(off int) error {
	if err := a.permit("erase", off, a.PageSize(), bus.Write); err != nil {
		return err
	}
	a.c.mu.Lock()
	a.c.wait(false)
	err := a.c.eraseCells(a.offset(off))
	a.c.mu.Unlock()
	if err == nil {
		a.c.env.Clock.Advance(a.c.env.Variant.ErasePage)
	}
	return err
}

func (a *Area) permit(op string, off, n int, access bus.Access) error {
	if off < 0 || n > a.size || off > a.size-n {
		return &cells.RangeError{Op: op, Off: off, Len: n, Size: a.size}
	}
	if n == 0 {
		return nil
	}
	return a.c.env.Guard.CheckRange(a.addr+uint32(off), uint32(n), access, bus.SecureCPU)
}

func (a *Area) offset(off int) int { return int(a.addr-a.c.env.Variant.Base) + off }
