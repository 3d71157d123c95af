package rramc

import (
	"time"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
)

// Area is the secure driver of one part of the RRAM: what a flash driver on
// nrfx_rramc is to a partition. Offsets are from the start of the area. Each
// operation is a secure access of the processor that guard and windows decide: a
// *bus.AccessError when they refuse, and then nothing has been done. It returns
// when the operation is over: the clock has moved past it.
//
// It has the methods of a flash's area with the rules of RRAM: Program overwrites
// in place, bits going both ways, and Erase is a write of 0xFF to each line of a
// page. The driver commits its writes, each line a point of power failure, so
// that nothing of it is in the write buffer when it returns.
//
// Areas are safe for concurrent use.
type Area struct {
	cells.Part
	c *Controller
}

// Area returns the driver of size bytes at addr, both multiples of the page
// size and inside the RRAM, which is a property of the board: it panics
// otherwise.
func (c *Controller) Area(addr, size uint32) *Area {
	v := c.env.Variant
	return &Area{cells.NewPart(addr, size, v.Base, v.Size, v.PageSize), c}
}

// Read fills p from off on. On an error p is as it was.
func (a *Area) Read(off int, p []byte) error {
	if err := a.permit("read", off, len(p), 1, bus.Read); err != nil {
		return err
	}
	a.c.mu.Lock()
	hit := a.c.buffer.hit(a.Offset(off), len(p))
	a.c.mu.Unlock()
	if hit {
		a.c.commit()
	}
	return a.c.rram.Read(a.Offset(off), p)
}

// Program overwrites the words from off on with p, line after line in ascending
// order; off and len(p) are multiples of 4.
func (a *Area) Program(off int, p []byte) error {
	if err := a.permit("program", off, len(p), cells.WordSize, bus.Write); err != nil {
		return err
	}
	return a.run(len(p), func(r *cells.RRAM) error { return r.Write(a.Offset(off), p) })
}

// Erase writes 0xFF to the page at off, a multiple of PageSize, line after line
// in ascending order.
func (a *Area) Erase(off int) error {
	if err := a.permit("erase", off, a.PageSize(), a.PageSize(), bus.Write); err != nil {
		return err
	}
	return a.run(a.PageSize(), func(r *cells.RRAM) error { return r.Erase(a.Offset(off)) })
}

// run does a write of n bytes, after what others have in the buffer: that could
// be older.
func (a *Area) run(n int, write func(r *cells.RRAM) error) error {
	a.c.commit()
	a.c.mu.Lock()
	a.c.wait()
	err := write(a.c.rram)
	a.c.mu.Unlock()
	if err != nil {
		return err
	}
	a.c.env.Clock.Advance(time.Duration(n/unitSize) * a.c.env.Variant.WriteBuffered)
	a.c.raise(IntReady | IntReadyNext)
	return nil
}

func (a *Area) permit(op string, off, n, unit int, access bus.Access) error {
	if err := a.Check(op, off, n, unit); err != nil || n == 0 {
		return err
	}
	addr := a.Addr() + uint32(off)
	if err := a.c.env.Guard.CheckRange(addr, uint32(n), access, bus.SecureCPU); err != nil {
		return err
	}
	a.c.mu.Lock()
	if at, refused := a.c.refused(addr, n, access, bus.SecureCPU); refused {
		return &bus.AccessError{Fault: a.c.accessError(at), Addr: at, Access: access, From: bus.SecureCPU}
	}
	a.c.mu.Unlock()
	return nil
}
