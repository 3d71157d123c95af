// Package power is the supply of the emulated SoC, which may fail: every word
// programmed, page erased and UICR halfword written, in whatever memory of the
// device, is a point with a number, and the supply can be made to fail at any of
// them. The memory that is being written then leaves its cells torn, as it would
// without power; from there on all of them answer ErrLost.
package power

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// ErrLost is every operation's answer after the power has failed.
var ErrLost = errors.New("the power is off")

// ErrHalted is every operation's answer, but those of an ERASEALL, once the
// device has been halted.
var ErrHalted = errors.New("the device is being erased")

// Supply is one device's power. The zero value is on and never fails. All
// methods are safe for concurrent use.
type Supply struct {
	points atomic.Uint64
	cut    atomic.Uint64 // the point that fails; 0: none
	state  atomic.Uint32 // off, halted

	mu   sync.Mutex
	seed uint64
	lost func()
}

// The bits of Supply.state.
const (
	off uint32 = 1 << iota
	halted
)

// CutAt lets the power fail at the n-th point from now, 1 being the next; where
// memories are being written meanwhile, it may be one soon after. seed decides
// what the torn cells hold. n = 0 takes the cut back.
func (s *Supply) CutAt(n, seed uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seed = seed
	if n == 0 {
		s.cut.Store(0)
		return
	}
	s.cut.Store(s.points.Load() + n)
}

// OnLoss has f called, once, on a goroutine of its own, when the power fails.
func (s *Supply) OnLoss(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = f
}

// Points returns how many points there have been.
func (s *Supply) Points() uint64 { return s.points.Load() }

// Err returns why no memory works: ErrLost while the power is off, ErrHalted once
// the device has been halted, and nil otherwise.
func (s *Supply) Err() error {
	switch v := s.state.Load(); {
	case v == 0:
		return nil
	case v&off != 0:
		return ErrLost
	}
	return ErrHalted
}

// EraseErr is Err for the operations of an ERASEALL, which go on when everything
// else has been halted.
func (s *Supply) EraseErr() error {
	if s.state.Load()&off != 0 {
		return ErrLost
	}
	return nil
}

// Halt stops all that memories do but being erased, until the device has been
// reset: what still runs cannot write to what an ERASEALL has wiped.
func (s *Supply) Halt() { s.state.Or(halted) }

// On ends the state after a cut: the cells hold what the cut left.
func (s *Supply) On() {
	s.cut.Store(0)
	s.state.And(^off)
}

// Point counts one point. It returns nil, or, when the power fails at it, the
// source of what the cells that were being written hold now: the caller leaves
// them torn accordingly and answers ErrLost. The caller has checked Err before,
// under a lock that keeps its own memory's points in order.
func (s *Supply) Point() *rand.Rand {
	_, torn := s.PointsOf(1)
	return torn
}

// PointsOf is Point for n points in a row, which costs hardly more than one. It
// returns how many of them come to pass, and, if that is fewer than n, the source
// for the one after.
func (s *Supply) PointsOf(n int) (whole int, torn *rand.Rand) {
	if n == 0 {
		return 0, nil
	}
	last := s.points.Add(uint64(n))
	// Not only at the cut itself: a memory that was on its way here when the
	// power failed elsewhere, or when the cut was set, must not get past it.
	cut := s.cut.Load()
	if cut == 0 || last < cut {
		return n, nil
	}
	first := last - uint64(n) + 1
	at := max(cut, first)
	s.points.Add(at - last) // those after it have not been
	s.state.Or(off)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost != nil {
		go s.lost()
		s.lost = nil
	}
	return int(at - first), rand.New(rand.NewPCG(s.seed, at))
}
