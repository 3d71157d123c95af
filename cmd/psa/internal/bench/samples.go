package bench

import (
	"slices"
	"time"
)

// samples is the durations of single operations, in nanoseconds.
type samples struct {
	ns  []int64
	sum int64
}

func (s *samples) add(ns int64) {
	s.ns = append(s.ns, ns)
	s.sum += ns
}

// collect performs call for about d, at least once, and notes how long each
// took. undo, if there is one, follows each call unmeasured.
func (s *samples) collect(d time.Duration, call, undo func() error) error {
	for end := time.Now().Add(d); ; {
		before := time.Now()
		err := call()
		after := time.Now()
		if err != nil {
			return err
		}
		s.add(int64(after.Sub(before)))
		if undo != nil {
			if err := undo(); err != nil {
				return err
			}
		}
		if after.After(end) {
			return nil
		}
	}
}

// shortest is how long a measurement lasts at least, so that reading the clock,
// some 50 ns, does not count.
const shortest = 10 * time.Microsecond

// calibrate returns how many calls of f take longer than shortest.
func calibrate(f func()) int {
	for n := 1; ; n *= 2 {
		f() // the first call may have something to set up
		before := time.Now()
		for range n {
			f()
		}
		if time.Since(before) > shortest {
			return n
		}
	}
}

// collectInner performs f for about d and notes the mean of each n calls.
func (s *samples) collectInner(d time.Duration, n int, f func()) {
	for end := time.Now().Add(d); ; {
		before := time.Now()
		for range n {
			f()
		}
		after := time.Now()
		s.add(int64(after.Sub(before)) / int64(n))
		if after.After(end) {
			return
		}
	}
}

// p50 returns the median, 0 where there are no samples.
func (s *samples) p50() int64 { return s.quantile(50) }

// quantile returns the smallest sample that percent of all do not exceed.
func (s *samples) quantile(percent int) int64 {
	if len(s.ns) == 0 {
		return 0
	}
	slices.Sort(s.ns)
	rank := (len(s.ns)*percent + 99) / 100
	return s.ns[max(rank, 1)-1]
}
