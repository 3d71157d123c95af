package qspi

import (
	"errors"

	"github.com/postern-spe/postern/platform/cells"
)

// Area is the secure driver of one part of the external flash. Offsets are from
// the start of the area. No unit of the bus decides its operations: the memory is
// outside attribution, and the peripheral is the driver's. It returns when the
// operation is over: the clock has moved past it. It goes to the cells directly,
// and needs neither ENABLE nor ACTIVATE: the driver that it stands for sees to
// these.
//
// Areas are safe for concurrent use.
type Area struct {
	cells.Part
	q *QSPI
}

// Area returns the driver of size bytes at addr, an address of the window as it
// is with XIPOFFSET 0. Both are multiples of 4 KiB and inside the flash, which
// is a property of the board: it panics otherwise.
func (q *QSPI) Area(addr, size uint32) *Area {
	return &Area{cells.NewPart(addr, size, q.env.Variant.XIP, q.env.Variant.Size, sector), q}
}

// Read fills p from off on. On an error p is as it was.
func (a *Area) Read(off int, p []byte) error {
	if err := a.Check("read", off, len(p), 1); err != nil {
		return err
	}
	return a.q.flash.Read(a.Offset(off), p)
}

// Program programs the words of p from off on, in ascending order; off and
// len(p) are multiples of 4. See cells.Flash.Program for bits that are 0 already.
func (a *Area) Program(off int, p []byte) error {
	if err := a.Check("program", off, len(p), 1); err != nil {
		return err
	}
	err := a.q.flash.Program(a.Offset(off), p)
	var zero *cells.ProgramError
	if err == nil || errors.As(err, &zero) {
		for t := (transfer{a.Offset(off), 0, len(p)}); t.n > 0; {
			t.chunk(a.q.env.Variant.Size)
			a.q.env.Clock.Advance(a.q.env.Variant.Program)
		}
	}
	return err
}

// Erase erases the page at off, a multiple of PageSize.
func (a *Area) Erase(off int) error {
	if err := a.Check("erase", off, sector, 1); err != nil {
		return err
	}
	err := a.q.flash.Erase(a.Offset(off))
	if err == nil {
		a.q.env.Clock.Advance(a.q.env.Variant.EraseSector)
	}
	return err
}
