package flashlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"sync/atomic"
	"testing"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/partitions/its/internal/flashtest"
	"github.com/postern-spe/postern/veneer"
)

// exhaustive reports whether the long crash tests were asked for (make crash).
func exhaustive() bool { return os.Getenv("POSTERN_CRASH") == "1" }

// checkAfterCut opens what a power cut in the step o has left, and checks that
// the step is wholly done or wholly not and everything else is there. It returns
// the store and what it holds.
func checkAfterCut(f *flashtest.Flash, before model, o op) (*flashlog.Store, model, error) {
	points := f.Points()
	c, err := flashlog.Check(f)
	if err != nil {
		return nil, nil, fmt.Errorf("check: %w", err)
	}
	if f.Points() != points {
		return nil, nil, fmt.Errorf("checking the store changed it at %d points", f.Points()-points)
	}
	s, err := c.Mount()
	if err != nil {
		return nil, nil, fmt.Errorf("mount: %w", err)
	}
	for k := range before {
		if k != o.key {
			if err := before.differs(s, k); err != nil {
				return nil, nil, fmt.Errorf("untouched asset: %w", err)
			}
		}
	}
	oldErr := before.differs(s, o.key)
	if oldErr == nil {
		return s, before, nil
	}
	after := maps.Clone(before)
	after.apply(o)
	if newErr := after.differs(s, o.key); newErr != nil {
		return nil, nil, fmt.Errorf("neither the old value (%w) nor the new (%w)", oldErr, newErr)
	}
	return s, after, nil
}

// crash cuts power at every point of every step of a workload, once for each
// seed, and again at points of the recovery that follows, and returns how many
// cuts there were.
func crash(t *testing.T, pages, steps int, workloadSeed uint64, seeds, stride int) (cuts int) {
	base := flashtest.New(pages)
	m := model{}
	for i, o := range workload(workloadSeed, steps) {
		if !m.allowed(o) {
			continue
		}
		image := base.Image()
		base.CutAt(-1, 0)
		s := open(t, base) // every step begins with an opening, as after each cut
		opening := base.Points()
		err := o.do(s)
		points := base.Points()
		if err != nil && (o.remove || !errors.Is(err, veneer.ErrInsufficientStorage)) {
			t.Fatalf("step %d: %v", i, err)
		}
		if opening != 0 {
			t.Fatalf("step %d: opening a store that was not interrupted changed it at %d points", i, opening)
		}
		for p := (i * 7) % stride; p < points; p += stride {
			for seed := range seeds {
				where := fmt.Sprintf("%d pages, workload %d, step %d, point %d, seed %d", pages, workloadSeed, i, p, seed)
				f := flashtest.FromImage(bytes.Clone(image), flashtest.PageSize)
				victim := open(t, f)
				f.CutAt(p, uint64(seed))
				if err := o.do(victim); err == nil && p < points-1 {
					t.Fatalf("%s: success without power", where)
				}
				f.PowerOn()
				torn := f.Image()
				f.CutAt(-1, 0)
				s, held, err := checkAfterCut(f, m, o)
				if err != nil {
					t.Fatalf("%s: %v", where, err)
				}
				cuts++
				recovery := f.Points()
				// The store works on: one more step on the asset, which may
				// take a collection, and the same again after opening it.
				if err := goOn(f, s, held, o.key); err != nil {
					t.Fatalf("%s: afterwards: %v", where, err)
				}
				for q := range recovery {
					f := flashtest.FromImage(bytes.Clone(torn), flashtest.PageSize)
					f.CutAt(q, uint64(seed)+99)
					_, err := flashlog.Open(f)
					if err == nil {
						t.Fatalf("%s: opened without power", where)
					}
					f.PowerOn()
					again, held2, err := checkAfterCut(f, m, o)
					if err != nil {
						t.Fatalf("%s, again at point %d of the recovery: %v", where, q, err)
					}
					// What one opening has shown, the next shows too: the cut in
					// the recovery does not undo a value that could be read.
					if err := held.differs(again, o.key); err != nil {
						t.Fatalf("%s, again at point %d: recovered to something else: %v", where, q, err)
					}
					if err := goOn(f, again, held2, o.key); err != nil {
						t.Fatalf("%s, again at point %d: afterwards: %v", where, q, err)
					}
					cuts++
				}
			}
		}
		if err == nil {
			m.apply(o)
		}
	}
	return cuts
}

// goOn uses a store that has recovered.
func goOn(f *flashtest.Flash, s *flashlog.Store, m model, k flashlog.Key) error {
	m = maps.Clone(m)
	for _, o := range []op{{key: k, remove: true}, {key: k, data: workloadBytes(40)}, {key: k, remove: true}} {
		if !m.allowed(o) {
			continue
		}
		if err := o.do(s); err != nil {
			return err
		}
		m.apply(o)
	}
	s, err := flashlog.Open(f)
	if err != nil {
		return err
	}
	for k := range m {
		if err := m.differs(s, k); err != nil {
			return err
		}
	}
	return m.differs(s, k)
}

// TestPowerCuts cuts power at the points of a few hundred steps. Every point is
// taken with POSTERN_CRASH=1; otherwise every few.
func TestPowerCuts(t *testing.T) {
	seeds, stride, workloads := 2, 7, uint64(1)
	switch {
	case exhaustive():
		seeds, stride, workloads = 5, 1, 2
	case raceEnabled: // one goroutine each, and slow: nothing for the detector
		seeds, stride = 1, 101
	}
	var total atomic.Int64
	t.Run("areas", func(t *testing.T) {
		for _, pages := range []int{2, 4} {
			for w := range workloads {
				t.Run(fmt.Sprintf("%d pages, workload %d", pages, w), func(t *testing.T) {
					t.Parallel()
					n := crash(t, pages, 300, w, seeds, stride)
					t.Logf("%d cuts", n)
					total.Add(int64(n))
				})
			}
		}
	})
	t.Logf("%d cuts in all", total.Load())
	if total.Load() < 20000 && !t.Failed() && !raceEnabled {
		t.Errorf("only %d cuts", total.Load())
	}
}

// TestCrashStorm cuts power at random again and again without ever letting more
// than a few steps pass, and never starts from a clean store.
func TestCrashStorm(t *testing.T) {
	rounds := 1500
	if exhaustive() {
		rounds = 100000
	}
	for _, pages := range []int{2, 3, 4} {
		t.Run(fmt.Sprintf("%d pages", pages), func(t *testing.T) {
			t.Parallel()
			f := flashtest.New(pages)
			m, s := model{}, open(t, f)
			ops := workload(11, 5000)
			for round := range rounds {
				o := ops[round%len(ops)]
				o.flags = 0
				if !m.allowed(o) {
					continue
				}
				f.CutAt(round*31%700, uint64(round))
				err := o.do(s)
				if !f.Off() {
					if err == nil {
						m.apply(o)
					} else if o.remove || !errors.Is(err, veneer.ErrInsufficientStorage) {
						t.Fatalf("round %d: %v", round, err)
					}
					continue
				}
				f.CutAt(round%13, uint64(round)) // in the recovery, where it is that long
				_, _ = flashlog.Open(f)
				f.PowerOn()
				if s, m, err = checkAfterCut(f, m, o); err != nil {
					t.Fatalf("round %d: %v", round, err)
				}
			}
		})
	}
}

// TestCommittedBeforeSealIsSealed cuts power at the seal. The new value is
// there, and a bit of it that flips later does not bring back the old one.
func TestCommittedBeforeSealIsSealed(t *testing.T) {
	k := flashlog.Key{Owner: 1, UID: 1}
	for seed := range uint64(20) {
		f := flashtest.New(2)
		s := open(t, f)
		if err := s.Set(k, []byte("old value"), 0); err != nil {
			t.Fatal(err)
		}
		used := len(bytes.TrimRight(f.Image(), "\xff"))
		f.CutAt(11, seed) // 7 words of header, 3 of payload, the CRC, the seal
		if err := s.Set(k, []byte("new value"), 0); err == nil {
			t.Fatal("success without power")
		}
		f.PowerOn()
		if err := (model{k: {[]byte("new value"), 0}}).differs(open(t, f), k); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		f.Flip(8*(used+30) + 3)
		if _, err := get(open(t, f), k); !errors.Is(err, veneer.ErrDataCorrupt) {
			t.Errorf("seed %d: the new value is damaged: %v", seed, err)
		}
	}
}
