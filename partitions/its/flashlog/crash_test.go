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

// area is what a workload runs on.
type area struct {
	kind            flashtest.Kind
	pages, pageSize int
	scale           int // by which the assets of the workload are shorter
	// static is how much of the area is taken by assets that never change, in
	// per cent; with them the workload runs for a while before it is cut, so that
	// pages are worn and there are collections that move them.
	static int
}

func (a area) String() string {
	return fmt.Sprintf("%v, %d pages of %d, %d %% static", a.kind, a.pages, a.pageSize, a.static)
}

func (a area) workload(seed uint64, n int) []op {
	ops := workload(seed, n)
	for i := range ops {
		ops[i].data = ops[i].data[:len(ops[i].data)/a.scale]
	}
	return ops
}

// fill puts what is static on a flash, and wears it.
func (a area) fill(t *testing.T, f *flashtest.Flash) model {
	m := model{}
	if a.static == 0 {
		return m
	}
	s := open(t, f)
	for i := 0; s.Space().Live*100 < a.static*s.Space().Capacity; i++ {
		o := op{key: flashlog.Key{Owner: 3, UID: uint64(i + 1)}, data: workloadBytes(20 + i%30)}
		if err := o.do(s); err != nil {
			t.Fatal(err)
		}
		m.apply(o)
	}
	for i := range 150 * a.pages {
		o := op{key: flashlog.Key{Owner: 4, UID: uint64(i%2 + 1)}, data: workloadBytes(40)}
		if err := o.do(s); err != nil {
			t.Fatal(err)
		}
		m.apply(o)
	}
	return m
}

// areas are the shapes that power is cut on.
var areas = []area{
	{flashtest.NOR, 2, 4096, 1, 0},
	{flashtest.NOR, 4, 4096, 1, 0},
	{flashtest.NOR, 5, 512, 6, 0},
	{flashtest.NOR, 9, 512, 8, 60},
	{flashtest.RRAM, 4, 512, 6, 0},
	{flashtest.RRAMAbort, 2, 1024, 3, 0},
	{flashtest.RRAMAbort, 5, 512, 6, 0},
}

// crash cuts power at every point of every step of a workload, once for each
// seed, and again at points of the recovery that follows, and returns how many
// cuts there were.
func (a area) crash(t *testing.T, steps int, workloadSeed uint64, seeds, stride int) (cuts int) {
	base := flashtest.Blank(a.kind, a.pages, a.pageSize)
	m := a.fill(t, base)
	f, scratch := base.Clone(), base.Clone()
	for i, o := range a.workload(workloadSeed, steps) {
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
				where := fmt.Sprintf("workload %d, step %d, point %d, seed %d", workloadSeed, i, p, seed)
				f.Restore(image)
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
				if err := a.goOn(f, s, held, o.key, cuts%200 == 0); err != nil {
					t.Fatalf("%s: afterwards: %v", where, err)
				}
				flashlog.CheckTable(t, s)
				for q := 0; q < recovery; q += 1 + recovery/6 {
					scratch.Restore(torn)
					scratch.CutAt(q, uint64(seed)+99)
					if _, err := flashlog.Open(scratch); err == nil {
						t.Fatalf("%s: opened without power", where)
					}
					scratch.PowerOn()
					again, held2, err := checkAfterCut(scratch, m, o)
					if err != nil {
						t.Fatalf("%s, again at point %d of the recovery: %v", where, q, err)
					}
					// What one opening has shown, the next shows too: the cut in
					// the recovery does not undo a value that could be read.
					if err := held.differs(again, o.key); err != nil {
						t.Fatalf("%s, again at point %d: recovered to something else: %v", where, q, err)
					}
					if err := a.goOn(scratch, again, held2, o.key, false); err != nil {
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
	if n := base.Twice() + f.Twice() + scratch.Twice(); n > 0 {
		t.Errorf("%d words were programmed that were not erased", n)
	}
	return cuts
}

// goOn uses a store that has recovered: a few steps on the asset k, which may
// take a collection, or a thousand on all, and opens it again.
func (a area) goOn(f *flashtest.Flash, s *flashlog.Store, m model, k flashlog.Key, long bool) error {
	m = maps.Clone(m)
	ops := []op{{key: k, remove: true}, {key: k, data: workloadBytes(40 / a.scale)}, {key: k, remove: true}}
	if long {
		ops = append(ops, a.workload(77, 1000)...)
	}
	for _, o := range ops {
		if !m.allowed(o) {
			continue
		}
		err := o.do(s)
		if !o.remove && errors.Is(err, veneer.ErrInsufficientStorage) {
			continue
		}
		if err != nil {
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

// TestPowerCuts cuts power at the points of a few hundred steps in each area.
// Every point is taken with POSTERN_CRASH=1; otherwise every few.
func TestPowerCuts(t *testing.T) {
	seeds, stride, steps := 2, 17, 300
	switch {
	case exhaustive():
		seeds, stride, steps = 3, 1, 400
	case raceEnabled: // one goroutine each, and slow: nothing for the detector
		seeds, stride = 1, 211
	}
	var total atomic.Int64
	t.Run("areas", func(t *testing.T) {
		for w, a := range areas {
			t.Run(a.String(), func(t *testing.T) {
				t.Parallel()
				n := a.crash(t, steps, uint64(w), seeds, stride)
				t.Logf("%d cuts", n)
				total.Add(int64(n))
			})
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
	for _, a := range areas {
		t.Run(a.String(), func(t *testing.T) {
			t.Parallel()
			f := flashtest.Blank(a.kind, a.pages, a.pageSize)
			m := a.fill(t, f)
			s := open(t, f)
			ops := a.workload(11, 5000)
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
				flashlog.CheckTable(t, s)
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
		f.CutAt(11, seed) // 7 words of header, 3 of payload, the CRC; this is the seal
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
