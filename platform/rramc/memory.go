package rramc

import (
	"encoding/binary"
	"time"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
)

// Load fills p from addr on, as bus.Memory has it. A load that touches what is
// in the write buffer commits it first.
func (c *Controller) Load(addr uint32, p []byte, access bus.Access, from bus.Origin) bus.Fault {
	off := int(addr - c.env.Variant.Base)
	if off > c.env.Variant.Size-len(p) {
		return bus.BusFault
	}
	c.mu.Lock()
	if at, refused := c.refused(addr, len(p), access, from); refused {
		return c.accessError(at)
	}
	hit := c.buffer.hit(off, len(p))
	c.mu.Unlock()
	if hit {
		c.commit()
	}
	if c.rram.Read(off, p) != nil {
		return bus.BusFault
	}
	return bus.NoFault
}

// Store is a store of 1, 2 or 4 bytes to RRAM, as bus.Memory has it. It
// overwrites them in place, or, with WRITEBUFSIZE, puts them into the write
// buffer, which is committed when it is full, when a store is outside its area,
// when a load touches it, by TASKS_COMMITWRITEBUF, and READYNEXTTIMEOUT after the
// last store. It is lost when the power fails.
func (c *Controller) Store(addr uint32, width int, v uint32, from bus.Origin) bus.Fault {
	off := int(addr - c.env.Variant.Base)
	if off > c.env.Variant.Size-width {
		return bus.BusFault
	}
	var word [4]byte
	binary.LittleEndian.PutUint32(word[:], v)
	p := word[:width]

	c.mu.Lock()
	c.wait()
	if at, refused := c.refused(addr, width, bus.Write, from); refused {
		return c.accessError(at)
	}
	if c.config&configWEN == 0 {
		return c.accessError(addr)
	}
	if c.config == configWEN {
		err := c.rram.Write(off, p)
		return c.finish(c.env.Variant.Write, err)
	}
	took, err := time.Duration(0), error(nil)
	if !c.buffer.empty() && !c.buffer.covers(off, width) {
		took, err = c.flush()
	}
	if err == nil {
		if c.buffer.empty() {
			base := off &^ (cells.LineSize - 1)
			lines := min(int(c.config>>8), c.env.Variant.MaxBuffer)
			c.buffer.open(base, min(lines*cells.LineSize, c.env.Variant.Size-base))
		}
		c.buffer.put(off, p)
		if c.buffer.full() {
			var more time.Duration
			more, err = c.flush()
			took += more
		}
	}
	if err == nil && !c.buffer.empty() && c.timeout&timeoutEN != 0 {
		c.startTimeout()
	}
	return c.finish(took, err)
}

// commit writes what is in the buffer, if anything.
func (c *Controller) commit() {
	c.mu.Lock()
	c.wait()
	if c.buffer.empty() {
		c.mu.Unlock()
		return
	}
	took, err := c.flush()
	c.finish(took, err)
}

// flush is commit with mu locked and nothing under way. It returns how long the
// chip takes.
func (c *Controller) flush() (time.Duration, error) {
	units := c.buffer.units
	c.stopTimeout()
	if err := c.buffer.write(c.rram); err != nil {
		return 0, err
	}
	return time.Duration(units) * c.env.Variant.WriteBuffered, nil
}

// drop empties the buffer.
func (c *Controller) drop() {
	c.stopTimeout()
	c.buffer.clear()
}

// startTimeout has the buffer committed READYNEXTTIMEOUT from now, unless a
// store comes before. mu is locked.
func (c *Controller) startTimeout() {
	c.stopTimeout()
	d := time.Duration(c.timeout&^timeoutEN) * time.Second / time.Duration(c.env.Variant.AXIClock)
	c.commitTimer = c.env.Clock.AfterFunc(d, c.commit)
}

func (c *Controller) stopTimeout() {
	if c.commitTimer != nil {
		c.commitTimer.Stop()
		c.commitTimer = nil
	}
}

// accessError unlocks mu after an access at addr has been refused.
func (c *Controller) accessError(addr uint32) bus.Fault {
	before := c.pending()
	if c.events&IntAccessError == 0 {
		c.events |= IntAccessError
		c.errorAddr = addr
	}
	c.unlock(before)
	return bus.BusFault
}
