// Package clock is the time of the emulated SoC, counted from power-on: the
// host's time, and on top of it what flash operations would have taken on the
// chip and did not take on the host. Watchdog and timers run by it.
package clock

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// slack is how far Advance may move a running clock before timers are looked
// at: what a programmed word costs must not depend on whether a watchdog runs.
const slack = time.Millisecond

// Clock is one device's time. All methods are safe for concurrent use.
type Clock struct {
	host func() time.Duration // nil: time passes by Advance alone

	ahead atomic.Int64 // of the host, in nanoseconds
	// look is how far ahead is to be when timers are looked at. An Advance that
	// does not reach it takes no lock: every word that is programmed is one.
	look atomic.Int64

	mu     sync.Mutex
	timers map[*Timer]struct{}
	wake   *time.Timer // for the earliest timer, where the host's time counts
}

// New returns the clock of a device that runs: it goes with the host's. Its
// timers fire a millisecond late at most, as the host allows.
func New() *Clock {
	began := time.Now()
	c := Manual()
	c.host = func() time.Duration { return time.Since(began) }
	return c
}

// Manual returns a clock that only Advance moves: for tests. Its timers fire
// exactly when they are due.
func Manual() *Clock {
	c := &Clock{timers: make(map[*Timer]struct{})}
	c.look.Store(never)
	return c
}

const never = math.MaxInt64

// Now returns the time since power-on.
func (c *Clock) Now() time.Duration {
	ahead := time.Duration(c.ahead.Load())
	if c.host == nil {
		return ahead
	}
	return c.host() + ahead
}

// Advance lets d, which is not negative, pass at once. Timers that are due fire
// before it returns, the earliest first; one that such a call sets counts from
// the time after d.
func (c *Clock) Advance(d time.Duration) {
	if c.ahead.Add(int64(d)) < c.look.Load() {
		return
	}
	c.mu.Lock()
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
	t := &Timer{c, c.Now() + d, f}
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
	now := c.Now()
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

// arm sets the wake-up for the earliest timer. An Advance that crosses it looks
// for itself, or is before it in the order of things.
func (c *Clock) arm() {
	switch {
	case len(c.timers) == 0:
		c.look.Store(never)
	case c.host == nil:
		c.look.Store(0)
	default:
		c.look.Store(c.ahead.Load() + int64(slack))
	}
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
	c.wake = time.AfterFunc(next.at-c.Now(), func() { c.mu.Lock(); c.fire() })
}
