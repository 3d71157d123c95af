package rramc

import (
	"time"

	"github.com/postern-spe/postern/platform/bus"
)

// SetRunFromRAM says where the core executes. From RRAM, the reset state, it
// stalls during an operation: the clock has moved past it when the store
// returns. From RAM it goes on: READY and READYNEXT read 0 until the clock has
// passed the end of the operation, and a store meanwhile waits by moving the
// clock.
func (c *Controller) SetRunFromRAM(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fromRAM = on
}

// Spend lets d pass as one of the controller's operations: for what it does to
// cells that are not its own, as the UICR's and the KMU's.
func (c *Controller) Spend(d time.Duration) {
	c.mu.Lock()
	c.wait()
	c.finish(d, nil)
}

// wait returns, with mu locked as before, once no operation is under way. It
// moves the clock until then, without mu.
func (c *Controller) wait() {
	for !c.ready() {
		d := c.until - c.env.Clock.Now()
		c.mu.Unlock()
		if d > 0 {
			c.env.Clock.Advance(d)
		}
		c.mu.Lock()
	}
}

// ready reports whether the clock has passed the operation under way.
func (c *Controller) ready() bool {
	// Mostly there is none, and the time need not be asked for.
	return c.until == 0 || c.env.Clock.Now() >= c.until
}

// finish unlocks mu after an operation that takes d, or has failed. What it does
// to the cells is done; the chip takes its time until READY.
func (c *Controller) finish(d time.Duration, err error) bus.Fault {
	if err != nil {
		c.mu.Unlock()
		return bus.BusFault
	}
	events := IntReady | IntReadyNext
	switch {
	case d == 0: // stored to the buffer
		events = IntReadyNext
	case c.fromRAM:
		c.until = c.env.Clock.Now() + d
		c.mu.Unlock()
		c.env.Clock.AfterFunc(d, func() { c.raise(IntReady | IntReadyNext) })
		return bus.NoFault
	}
	before := c.pending()
	c.events |= events
	risen := c.pending() &^ before
	c.mu.Unlock()
	c.env.Clock.Advance(d)
	if risen != 0 && c.env.Interrupt != nil {
		c.env.Interrupt() // not before the end of the operation
	}
	return bus.NoFault
}

func (c *Controller) raise(events uint32) {
	c.mu.Lock()
	before := c.pending()
	c.events |= events
	c.unlock(before)
}
