package flashlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/partitions/its/internal/flashtest"
	"github.com/postern-spe/postern/veneer"
)

// filled returns a flash after a workload, and what its store holds.
func filled(t testing.TB, pages, steps int) (*flashtest.Flash, model) {
	f := flashtest.New(pages)
	s, m := open(t, f), model{}
	for _, o := range workload(5, steps) {
		if m.allowed(o) && o.do(s) == nil {
			m.apply(o)
		}
	}
	return f, m
}

// corrupt returns how many assets of s are reported as corrupt, and an error if
// one is anything but that or right. What is not there may be lost with a
// record whose header is beyond repair.
func corrupt(s *flashlog.Store, m model, mayMiss bool) (n int, err error) {
	for _, k := range keys() {
		err := m.differs(s, k)
		switch {
		case err == nil:
		case errors.Is(err, veneer.ErrDataCorrupt):
			n++
		case mayMiss && errors.Is(err, veneer.ErrDoesNotExist):
		default:
			return n, err
		}
	}
	return n, nil
}

// churn makes the store collect all its pages.
func churn(s *flashlog.Store, pages int) error {
	k := flashlog.Key{Owner: 9999, UID: 1}
	for range 25 * pages {
		if err := s.Set(k, workloadBytes(140), 0); err != nil {
			return err
		}
	}
	return s.Remove(k)
}

// TestOneFlippedBit flips every bit of an area. No flip may hide the area, cost
// more than the asset it hits, or show wrong bytes; nor may collecting the
// damaged page afterwards.
func TestOneFlippedBit(t *testing.T) {
	for _, c := range []struct{ pages, steps, stride int }{
		{2, 150, 7}, {4, 260, 29}, {7, 50, 43}, // of the last one most pages were never used
	} {
		t.Run(fmt.Sprintf("%d pages", c.pages), func(t *testing.T) {
			t.Parallel()
			f, m := filled(t, c.pages, c.steps)
			if len(m) < 5 {
				t.Fatalf("only %d assets", len(m))
			}
			switch {
			case exhaustive():
				c.stride = 1
			case raceEnabled:
				c.stride *= 10
			}
			image, hits := f.Image(), 0
			for bit := 0; bit < 8*len(image); bit += c.stride {
				f := flashtest.FromImage(slices.Clone(image), flashtest.PageSize)
				s := open(t, f)
				// While the store is open, and found when it is opened.
				f.Flip(bit)
				if n, err := corrupt(s, m, false); err != nil || n > 1 {
					t.Fatalf("bit %d while open: %d assets corrupt, %v", bit, n, err)
				}
				s = open(t, f)
				n, err := corrupt(s, m, false)
				if err != nil || n > 1 {
					t.Fatalf("bit %d: %d assets corrupt, %v", bit, n, err)
				}
				hits += n
				if bit%(8*c.stride) > c.stride {
					continue
				}
				if err := churn(s, c.pages); err != nil && !errors.Is(err, veneer.ErrInsufficientStorage) {
					t.Fatalf("bit %d, churn: %v", bit, err)
				}
				for range 2 {
					if after, err := corrupt(s, m, false); err != nil || after != n {
						t.Fatalf("bit %d after collection: %d assets corrupt, before %d, %v", bit, after, n, err)
					}
					s = open(t, f)
				}
			}
			if hits == 0 {
				t.Error("no flip hit an asset")
			}
			t.Logf("%d flips, %d hit an asset", (8*len(image)+c.stride-1)/c.stride, hits)
		})
	}
}

// TestDamage overwrites places at random: the store opens or refuses, and what
// it returns is right.
func TestDamage(t *testing.T) {
	rng, rounds := rand.New(rand.NewPCG(1, 2)), 3000
	if raceEnabled {
		rounds = 200
	}
	for _, pages := range []int{2, 4} {
		f, m := filled(t, pages, 220)
		image := f.Image()
		for round := range rounds {
			f := flashtest.FromImage(slices.Clone(image), flashtest.PageSize)
			s := open(t, f)
			damaged := s
			at := rng.IntN(8 * len(image))
			for range 2 + rng.IntN(60) {
				f.Flip(min(at+rng.IntN(300), 8*len(image)-1))
			}
			if round%2 == 0 {
				var err error
				if damaged, err = flashlog.Open(f); err != nil {
					if !errors.Is(err, veneer.ErrDataCorrupt) {
						t.Fatalf("round %d: %v", round, err)
					}
					continue
				}
			}
			if _, err := corrupt(damaged, m, true); err != nil {
				t.Fatalf("%d pages, round %d, at bit %d: %v", pages, round, at, err)
			}
			// Damage to unused space while the store is open is met when a word
			// there cannot be programmed; the next operation goes elsewhere.
			err := churn(damaged, pages)
			if round%2 == 1 && errors.Is(err, veneer.ErrStorageFailure) {
				err = churn(damaged, pages)
			}
			if err != nil && !errors.Is(err, veneer.ErrInsufficientStorage) && !errors.Is(err, veneer.ErrDataCorrupt) {
				t.Fatalf("%d pages, round %d: %v", pages, round, err)
			}
			if errors.Is(err, veneer.ErrDataCorrupt) {
				continue // opening the store again refused it
			}
			n, err := corrupt(damaged, m, true)
			if err != nil {
				t.Fatalf("%d pages, round %d, after collection: %v", pages, round, err)
			}
			again, err := flashlog.Open(f)
			open := round%2 == 1 // there may be damage that nobody has come upon yet
			if open && errors.Is(err, veneer.ErrDataCorrupt) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if after, err := corrupt(again, m, true); err != nil || after != n && !open {
				t.Fatalf("%d pages, round %d, after opening again: %d corrupt, before %d, %v", pages, round, after, n, err)
			}
		}
	}
}

// FuzzOpen opens arbitrary images of small pages: a store is refused, or works.
func FuzzOpen(f *testing.F) {
	const pageSize = 512
	for _, pages := range []int{2, 3} {
		fl := flashtest.FromImage(bytes.Repeat([]byte{0xff}, pages*pageSize), pageSize)
		s := open(f, fl)
		for i := range 20 {
			if err := s.Set(flashlog.Key{Owner: 1, UID: uint64(1 + i%2)}, workloadBytes(i), 0); err != nil {
				f.Fatal(err)
			}
			if i%6 == 0 {
				f.Add(fl.Image())
			}
		}
		fl.CutAt(40, 1)
		_ = s.Set(flashlog.Key{Owner: 1, UID: 1}, workloadBytes(150), 0)
		f.Add(fl.Image())
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, image []byte) {
		if len(image) > 6*pageSize {
			return
		}
		whole := slices.Repeat([]byte{0xff}, max(2, (len(image)+pageSize-1)/pageSize)*pageSize)
		copy(whole, image)
		fl := flashtest.FromImage(whole, pageSize)
		s, err := flashlog.Open(fl)
		if err != nil {
			if !errors.Is(err, veneer.ErrDataCorrupt) {
				t.Fatal(err)
			}
			return
		}
		k, data := flashlog.Key{Owner: -77, UID: 42}, workloadBytes(90)
		for range 12 {
			if err := s.Set(k, data, 0); err != nil {
				if !errors.Is(err, veneer.ErrInsufficientStorage) && !errors.Is(err, veneer.ErrNotPermitted) {
					t.Fatal(err)
				}
				return
			}
			if got, err := get(s, k); err != nil || !bytes.Equal(got.data, data) {
				t.Fatalf("read back: %v", err)
			}
			if s, err = flashlog.Open(fl); err != nil {
				t.Fatalf("open again: %v", err)
			}
		}
		if err := s.Remove(k); err != nil {
			t.Fatal(err)
		}
	})
}
