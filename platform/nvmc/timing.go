package nvmc

import "time"

// SetRunFromRAM says where the core executes. From flash, the reset state, it
// stalls during an operation: the clock has moved past it when the store
// returns. From RAM it goes on: READY reads 0 until the clock has passed the end
// of the operation. One more write is accepted meanwhile, during which READYNEXT
// reads 0; a further one, or an erase, waits by moving the clock.
func (c *Controller) SetRunFromRAM(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fromRAM = on
}

// Spend lets d pass as one of the controller's operations: for what it does to
// cells that are not its own, as the UICR's.
func (c *Controller) Spend(d time.Duration) {
	c.mu.Lock()
	c.wait(false)
	c.release(d)
}

// wait returns, with mu locked as before, once an operation can be accepted: a
// write when none is waiting, an erase when none is under way. It moves the
// clock until then, without mu.
func (c *Controller) wait(write bool) {
	for {
		at := c.until
		if write {
			at = c.begun
		}
		if c.past(at) == 1 {
			return
		}
		d := at - c.env.Clock.Now()
		c.mu.Unlock()
		if d > 0 {
			c.env.Clock.Advance(d)
		}
		c.mu.Lock()
	}
}

// release unlocks mu after an operation has been accepted that takes d. What it
// does to the cells is done; the chip takes its time until READY.
func (c *Controller) release(d time.Duration) {
	if !c.fromRAM {
		c.mu.Unlock()
		c.env.Clock.Advance(d)
		return
	}
	c.begun = max(c.env.Clock.Now(), c.until)
	c.until = c.begun + d
	c.mu.Unlock()
}

// past reports, as READY does, whether the clock has passed at.
func (c *Controller) past(at time.Duration) uint32 {
	// Mostly nothing is under way, and the time need not be asked for.
	if at == 0 || c.env.Clock.Now() >= at {
		return 1
	}
	return 0
}
