// Package clock is the time of the emulated SoC, counted from power-on: the
// host's time, and on top of it what flash operations would have taken on the
// chip and did not take on the host. Watchdog and timers run by it.
package clock

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// slack is how far Advance may move a running clock before timers are looked
// at: what a programmed word costs must not depend on whether a watchdog runs.
const slack = time.Millisecond

// Clock is one device's time. All methods are safe for concurrent use.
type Clock struct {
	host func() time.Duration // nil: time passes by Advance alone

	mu     sync.Mutex
	ahead  time.Duration // of the host
	seen   time.Duration // ahead when the timers were last looked at
	timers map[*Timer]struct{}
	wake   *time.Timer // for the earliest timer, where the host's time counts
}

// New returns the clock of a device that runs: it goes with the host's. Its
// timers fire a millisecond late at most, as the host allows.
func New() *Clock {
	began := time.Now()
	return &Clock{host: func() time.Duration { return time.Since(began) }, timers: make(map[*Timer]struct{})}
}

// Manual returns a clock that only Advance moves: for tests. Its timers fire
// exactly when they are due.
func Manual() *Clock { return &Clock{timers: make(map[*Timer]struct{})} }

// Now returns the time since power-on.
func (c *Clock) Now() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Duration {
	if c.host == nil {
		return c.ahead
	}
	return c.host() + c.ahead
}

// Advance lets d, which is not negative, pass at once. Timers that are due fire
// before it returns, the earliest first; one that such a call sets counts from
// the time after d.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	c.ahead += d
	if len(c.timers) == 0 || c.host != nil && c.ahead-c.seen < slack {
		c.mu.Unlock()
		return
	}
	c.fire() // unlocks
}

// Timer is one call at a time to come.
type Timer struct {
	clock *Clock
	at    time.Duration
	f     func()
}

// AfterFunc has f called once d has passed, on the goroutine of the Advance that
// makes it due or on one of its own, and never from inside AfterFunc: it may be
// called with locks held that f takes. f may use the clock.
func (c *Clock) AfterFunc(d time.Duration, f func()) *Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &Timer{c, c.now() + d, f}
	c.timers[t] = struct{}{}
	c.arm()
	return t
}

// Stop takes the call back, and reports whether it had not been made.
func (t *Timer) Stop() bool {
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	_, pending := c.timers[t]
	delete(c.timers, t)
	if len(c.timers) == 0 {
		c.arm() // nothing to wake up for
	}
	return pending
}

// fire makes the calls that are due. It is called with the lock held, and
// returns without it.
func (c *Clock) fire() {
	now := c.now()
	var due []*Timer
	for t := range c.timers {
		if t.at <= now {
			due = append(due, t)
			delete(c.timers, t)
		}
	}
	c.arm()
	c.mu.Unlock()
	slices.SortFunc(due, func(a, b *Timer) int { return cmp.Compare(a.at, b.at) })
	for _, t := range due {
		t.f()
	}
}

// arm sets the wake-up for the earliest timer.
func (c *Clock) arm() {
	c.seen = c.ahead
	if c.wake != nil {
		c.wake.Stop()
		c.wake = nil
	}
	if c.host == nil || len(c.timers) == 0 {
		return
	}
	var next *Timer
	for t := range c.timers {
		if next == nil || t.at < next.at {
			next = t
		}
	}
	c.wake = time.AfterFunc(next.at-c.now(), func() { c.mu.Lock(); c.fire() })
}
