package nvmc

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
)

// Load fills p from addr on, as bus.Memory has it.
func (c *Controller) Load(addr uint32, p []byte, _ bus.Access, _ bus.Origin) bus.Fault {
	if c.flash.Read(int(addr-c.env.Variant.Base), p) != nil {
		return bus.BusFault
	}
	return bus.NoFault
}

// Store is a store to flash, as bus.Memory has it. What it does is the choice of
// CONFIG where the memory is secure and of CONFIGNS where it is not, whoever
// stores:
//   - Wen programs the word: bits that are 0 stay 0, silently.
//   - Een, for 0xFFFFFFFF to the first word of a page, erases the page.
//   - PEen, for the same store, gives the page another DURATION of its erase. It
//     is erased once these add up to tERASEPAGE; see cells.Flash.ErasePartly for
//     what it holds until then. A word programmed in between starts it anew.
//
// Anything else is a BusFault and changes nothing.
func (c *Controller) Store(addr uint32, width int, v uint32, _ bus.Origin) bus.Fault {
	if width != cells.WordSize {
		return bus.BusFault
	}
	off, secure := int(addr-c.env.Variant.Base), c.env.Guard.Secure(addr)
	c.mu.Lock()
	c.wait(c.mode(secure) == Wen)
	took, fault := time.Duration(0), bus.BusFault
	first := v == 0xFFFFFFFF && off%c.env.Variant.PageSize == 0
	switch mode := c.mode(secure); { // the wait may have let it change
	case mode == Wen:
		took, fault = c.env.Variant.Write, c.program(off, v)
	case mode == Een && first:
		took, fault = c.env.Variant.ErasePage, c.erase(off)
	case mode == PEen && first:
		took, fault = c.erasePartly(off)
	}
	if fault != bus.NoFault {
		c.mu.Unlock()
		return fault
	}
	c.release(took)
	return bus.NoFault
}

func (c *Controller) mode(secure bool) uint32 {
	if secure {
		return c.config
	}
	return c.configNS
}

func (c *Controller) program(off int, v uint32) bus.Fault {
	var word [cells.WordSize]byte
	binary.LittleEndian.PutUint32(word[:], v)
	if !programmed(c.programCells(off, word[:])) {
		return bus.BusFault
	}
	return bus.NoFault
}

// programmed reports whether the cells were written, with or without bits that
// could not become 1.
func programmed(err error) bool {
	if err == nil {
		return true
	}
	var zero *cells.ProgramError
	return errors.As(err, &zero)
}

func (c *Controller) erase(off int) bus.Fault {
	if c.eraseCells(off) != nil {
		return bus.BusFault
	}
	return bus.NoFault
}

func (c *Controller) erasePartly(off int) (time.Duration, bus.Fault) {
	d := time.Duration(c.partialCfg) * time.Millisecond
	sum, whole := c.partial[off]+d, c.env.Variant.ErasePage
	if c.flash.ErasePartly(off, uint(sum), uint(whole)) != nil {
		return 0, bus.BusFault
	}
	c.partial[off] = sum
	if sum >= whole {
		delete(c.partial, off)
	}
	return d, bus.NoFault
}

// programCells and eraseCells are what a store and the driver have in common.
func (c *Controller) programCells(off int, p []byte) error {
	if len(c.partial) == 0 {
		return c.flash.Program(off, p) // ranging over nothing takes its time, too
	}
	for page := range c.partial {
		if page < off+len(p) && off < page+c.env.Variant.PageSize {
			delete(c.partial, page)
		}
	}
	return c.flash.Program(off, p)
}

func (c *Controller) eraseCells(off int) error {
	delete(c.partial, off)
	return c.flash.Erase(off)
}
