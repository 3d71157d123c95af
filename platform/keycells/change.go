package keycells

import (
	"encoding/binary"
	"fmt"

	"github.com/postern-spe/postern/platform/power"
)

// Program programs the words of p from off on in ascending order, as flash does:
// each becomes old AND new. off and len(p) are multiples of 4. Each word is a
// power point; one that the power fails at is left with any part of the bits
// cleared that were to be, and the answer is power.ErrLost.
func (c *Cells) Program(off int, p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable("program", off, len(p), WordSize); err != nil {
		return err
	}
	for ; len(p) > 0; off, p = off+WordSize, p[WordSize:] {
		if err := c.supply.Err(); err != nil {
			return err
		}
		keep := binary.LittleEndian.Uint32(p)
		torn := c.supply.Point()
		if torn != nil {
			keep |= torn.Uint32()
		}
		old := binary.LittleEndian.Uint32(c.mem[off:])
		binary.LittleEndian.PutUint32(c.next, old&keep)
		if err := c.commit(off, WordSize); err != nil {
			return err
		}
		if torn != nil {
			return power.ErrLost
		}
	}
	return nil
}

// ProgramValue is Program with the bytes of v.
func (c *Cells) ProgramValue(off int, v *Value) error { return c.Program(off, v.b[:]) }

// Write puts p at off, as RRAM does: whatever was there is overwritten. It is
// one power point, all or nothing: if the power fails at it the answer is
// power.ErrLost and the cells hold the old bytes or the new ones. p does not
// cross a multiple of 4096 bytes.
func (c *Cells) Write(off int, p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable("write", off, len(p), 1); err != nil {
		return err
	}
	if len(p) == 0 {
		return nil
	}
	if off/page != (off+len(p)-1)/page {
		return fmt.Errorf("keycells: write of %d bytes at 0x%x crosses a page", len(p), off)
	}
	torn := c.supply.Point()
	if torn != nil && torn.Uint64()&1 == 0 {
		return power.ErrLost
	}
	copy(c.next, p)
	if err := c.commit(off, len(p)); err != nil {
		return err
	}
	if torn != nil {
		return power.ErrLost
	}
	return nil
}

// EraseAll makes all cells 0xFF, also when the device is halted. Each 4096 bytes are one power point; at one that
// fails, every word of these is erased, as it was, or has some of its bits set.
func (c *Cells) EraseAll() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mem == nil {
		return ErrClosed
	}
	for off := 0; off < c.size; off += page {
		n := min(page, c.size-off)
		if err := c.supply.EraseErr(); err != nil {
			return err
		}
		torn := c.supply.Point()
		if torn == nil {
			fill(c.next[:n])
		} else {
			for i := 0; i < n; i += WordSize {
				w := binary.LittleEndian.Uint32(c.mem[off+i:])
				set := [...]uint32{0, 0xFFFFFFFF, torn.Uint32()}[torn.IntN(3)]
				binary.LittleEndian.PutUint32(c.next[i:], w|set)
			}
		}
		if err := c.commit(off, n); err != nil {
			return err
		}
		if torn != nil {
			return power.ErrLost
		}
	}
	return nil
}

// commit stores the first n bytes of the scratch at off, in the file and then in
// the memory, so that nobody sees what a crash could take back, and wipes them.
func (c *Cells) commit(off, n int) error {
	next := c.next[:n]
	defer clear(next)
	if c.file != nil {
		if _, err := c.file.WriteAt(next, int64(off)); err != nil {
			return fmt.Errorf("keycells: %w", err)
		}
		if c.durable {
			if err := c.sync(); err != nil {
				return err
			}
		}
	}
	copy(c.mem[off:], next)
	return nil
}
