package power

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestCut(t *testing.T) {
	var s Supply
	for range 3 {
		if s.Point() != nil || s.Err() != nil {
			t.Fatal("the zero value failed")
		}
	}
	s.CutAt(2, 7)
	if s.Point() != nil {
		t.Fatal("failed one point early")
	}
	rng := s.Point()
	if rng == nil || s.Err() != ErrLost || s.Points() != 5 {
		t.Fatalf("no cut at its point: %v, %d points", s.Err(), s.Points())
	}
	if s.Point() == nil {
		t.Error("a memory that was late got past the cut")
	}
	s.On()
	if s.Err() != nil || s.Point() != nil {
		t.Error("still off after On")
	}
}

// TestPointsOf: several points at once are what as many single ones are.
func TestPointsOf(t *testing.T) {
	for n := range 5 {
		for cut := uint64(1); cut <= 6; cut++ {
			var s, single Supply
			s.CutAt(cut, 9)
			single.CutAt(cut, 9)
			want := 0
			for range n {
				if single.Point() != nil {
					break
				}
				want++
			}
			whole, torn := s.PointsOf(n)
			if whole != want || (torn != nil) != (want < n) || s.Points() != single.Points() || s.Err() != single.Err() {
				t.Errorf("%d points, cut at %d: %d, torn %v, %d points, %v; want %d", n, cut, whole, torn != nil, s.Points(), s.Err(), want)
			}
			if whole, torn := s.PointsOf(2); want < n && (whole != 0 || torn == nil) {
				t.Errorf("%d points, cut at %d: late, and %d of 2 came to pass", n, cut, whole)
			}
		}
	}
}

// TestSeed: what a cut leaves depends on its point and the seed alone.
func TestSeed(t *testing.T) {
	torn := func(n, seed uint64) uint64 {
		var s Supply
		s.CutAt(n, seed)
		for {
			if rng := s.Point(); rng != nil {
				return rng.Uint64()
			}
		}
	}
	first := torn(3, 1)
	if torn(3, 1) != first {
		t.Error("the same cut twice left two things")
	}
	if torn(3, 2) == first || torn(4, 1) == first {
		t.Error("two cuts left the same")
	}
}

func TestTakenBack(t *testing.T) {
	var s Supply
	s.CutAt(1, 1)
	s.CutAt(0, 1)
	for range 10 {
		if s.Point() != nil {
			t.Fatal("failed at a cut that was taken back")
		}
	}
}

func TestOnLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Supply
		var n atomic.Int32
		s.OnLoss(func() { n.Add(1) })
		for range 2 {
			s.CutAt(1, 1)
			s.Point()
			s.Point()
			s.On()
		}
		synctest.Wait()
		if n.Load() != 1 {
			t.Errorf("OnLoss called %d times", n.Load())
		}
	})
}

// TestConcurrent: a cut that is set while memories are written is not missed,
// and nothing is written after it.
func TestConcurrent(t *testing.T) {
	var s Supply
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for s.Err() == nil {
				s.Point()
			}
			if s.Point() == nil {
				t.Error("a point passed without power")
			}
		})
	}
	s.CutAt(1, 1)
	wg.Wait()
}
