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
	cells.Part
	c *Controller
}

// Area returns the driver of size bytes at addr, both multiples of the page
// size and inside the flash, which is a property of the board: it panics
// otherwise.
func (c *Controller) Area(addr, size uint32) *Area {
	v := c.env.Variant
	return &Area{cells.NewPart(addr, size, v.Base, v.Size, v.PageSize), c}
}

// Read fills p from off on. On an error p is as it was.
func (a *Area) Read(off int, p []byte) error {
	if err := a.permit("read", off, len(p), bus.Read); err != nil {
		return err
	}
	return a.c.flash.Read(a.Offset(off), p)
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
	err := a.c.programCells(a.Offset(off), p)
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
	err := a.c.eraseCells(a.Offset(off))
	a.c.mu.Unlock()
	if err == nil {
		a.c.env.Clock.Advance(a.c.env.Variant.ErasePage)
	}
	return err
}

func (a *Area) permit(op string, off, n int, access bus.Access) error {
	if err := a.Check(op, off, n, 1); err != nil || n == 0 {
		return err
	}
	return a.c.env.Guard.CheckRange(a.Addr()+uint32(off), uint32(n), access, bus.SecureCPU)
}
