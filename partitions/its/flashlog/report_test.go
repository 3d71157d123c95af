package flashlog_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/partitions/its/internal/flashtest"
	"github.com/postern-spe/postern/veneer"
)

func report(t *testing.T, f *flashtest.Flash) flashlog.Report {
	t.Helper()
	before := f.Image()
	c, err := flashlog.Check(f)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Report()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(f.Image(), before) {
		t.Error("the report has changed the area")
	}
	if r.Live+r.Dead+r.Free != (r.Pages-1)*(r.PageSize-68) || r.Dead < 0 {
		t.Errorf("%+v", r)
	}
	return r
}

// unreadable returns how many assets answer DATA_CORRUPT.
func unreadable(t *testing.T, f *flashtest.Flash) (n int) {
	t.Helper()
	s := open(t, f)
	var keys []flashlog.Key
	if err := s.Walk(func(k flashlog.Key, _ flashlog.Info) { keys = append(keys, k) }); err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if _, err := get(s, k); errors.Is(err, veneer.ErrDataCorrupt) {
			n++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// TestReportCountsWhatDoesNotRead flips bits anywhere in full stores: the report
// knows how many assets that has cost.
func TestReportCountsWhatDoesNotRead(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	corrupt := 0
	for round := range 60 {
		f := flashtest.New(4)
		s := open(t, f)
		for i := range 40 + 4*round {
			err := s.Set(flashlog.Key{Owner: 1, UID: uint64(1 + rng.IntN(9))}, workloadBytes(rng.IntN(1500)), 0)
			if err != nil && !errors.Is(err, veneer.ErrInsufficientStorage) {
				t.Fatal(i, err)
			}
		}
		for range 1 + round%4 {
			f.Flip(rng.IntN(8 * f.Size()))
		}
		c, err := flashlog.Check(f)
		if errors.Is(err, veneer.ErrDataCorrupt) {
			continue // a page header
		}
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Report()
		if err != nil {
			t.Fatal(err)
		}
		if n := unreadable(t, f); n != r.Corrupt {
			t.Errorf("round %d: %d assets are corrupt by the report, %d do not read: %+v", round, r.Corrupt, n, r.Damage)
		}
		if !slices.IsSortedFunc(r.Damage, func(a, b flashlog.Damage) int { return a.Offset - b.Offset }) {
			t.Errorf("round %d: %+v", round, r.Damage)
		}
		corrupt += r.Corrupt
	}
	if corrupt == 0 {
		t.Error("no flipped bit ever hit an asset: the test looked at nothing")
	}
}

// TestReportLargest: an asset of the size that the report names can be set, one
// byte more only where something has been removed.
func TestReportLargest(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	set := func(f *flashtest.Flash, size int) error {
		return open(t, f.Clone()).Set(flashlog.Key{Owner: 2, UID: 1}, workloadBytes(size), 0)
	}
	full := 0
	for _, pages := range []int{2, 3, 5} {
		f := flashtest.New(pages)
		s := open(t, f)
		for i := range 150 {
			k := flashlog.Key{Owner: 1, UID: uint64(1 + rng.IntN(6*pages))}
			var err error
			if rng.IntN(5) == 0 {
				err = s.Remove(k)
			} else {
				err = s.Set(k, workloadBytes(rng.IntN(900)), 0)
			}
			if err != nil && !errors.Is(err, veneer.ErrInsufficientStorage) && !errors.Is(err, veneer.ErrDoesNotExist) {
				t.Fatal(err)
			}
			r := report(t, f)
			if r.Largest >= 0 {
				if err := set(f, r.Largest); err != nil {
					t.Fatalf("%d pages, step %d: an asset of %d bytes: %v", pages, i, r.Largest, err)
				}
			}
			if err := set(f, r.Largest+1); !errors.Is(err, veneer.ErrInsufficientStorage) && r.Removals == 0 {
				t.Fatalf("%d pages, step %d: an asset of %d bytes, where %d is the most: %v", pages, i, r.Largest+1, r.Largest, err)
			}
			if r.Largest < 100 {
				full++
			}
		}
	}
	if full == 0 {
		t.Error("no store was ever nearly full")
	}
}

func TestReport(t *testing.T) {
	f := flashtest.New(4)
	if r := report(t, f); r.InUse != 0 || r.Live != 0 || r.Dead != 0 || r.Pages != 4 || len(r.Repairs) != 0 {
		t.Errorf("blank: %+v", r)
	}
	s := open(t, f)
	k := flashlog.Key{Owner: 1, UID: 1}
	for range 3 {
		if err := s.Set(k, workloadBytes(32), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Set(flashlog.Key{Owner: 1, UID: 2}, workloadBytes(2000), 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(k); err != nil {
		t.Fatal(err)
	}
	r := report(t, f)
	if r.Assets != 1 || r.Bytes != 2000 || r.Records != 7 || r.Removals != 1 || r.Corrupt != 0 || len(r.Damage)+len(r.Repairs) != 0 {
		t.Errorf("%+v", r)
	}
	if r.Dead != 3*68 || r.Live != 36+2*1004+36+64 {
		t.Errorf("%d bytes dead, %d live", r.Dead, r.Live)
	}

	for _, c := range []struct {
		name                     string
		harm                     func(f *flashtest.Flash)
		corrupt, damage, repairs int
		effect                   flashlog.Effect
	}{
		{"a flipped bit of a dead record", func(f *flashtest.Flash) { f.Flip(8 * (68 + 30)) }, 0, 1, 0, flashlog.Harmless},
		{"a flipped bit of a part", func(f *flashtest.Flash) { f.Flip(8 * (68 + 3*68 + 40)) }, 1, 1, 0, flashlog.Corrupting},
		{"a flipped bit of a header", func(f *flashtest.Flash) { f.Flip(8 * (68 + 4)) }, 0, 1, 0, flashlog.Corrected},
		{"a header beyond repair", func(f *flashtest.Flash) { f.Flip(8 * (68 + 68)); f.Flip(8 * (68 + 69)); f.Flip(8 * (68 + 75)) }, 1, 1, 1, flashlog.Hiding},
		{"a torn record", func(f *flashtest.Flash) {
			f.CutAt(3, 1)
			if open(t, f).Set(k, nil, 0) == nil {
				t.Error("set")
			}
			f.PowerOn()
		}, 0, 0, 0, 0},
		{"a record without seal", func(f *flashtest.Flash) {
			f.CutAt(8, 1) // header, CRC, seal
			s := open(t, f)
			for seed := uint64(0); ; seed++ {
				f.CutAt(8, seed)
				if s.Set(k, nil, 0) == nil {
					t.Error("set")
				}
				f.PowerOn()
				c, err := flashlog.Check(f)
				if err != nil {
					t.Fatal(err)
				}
				if r, err := c.Report(); err != nil || len(r.Repairs) > 0 || seed > 50 {
					break
				}
				s = open(t, f)
			}
		}, 0, 0, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := f.Clone()
			c.harm(f)
			r := report(t, f)
			if torn := c.name == "a torn record"; torn != (r.Torn == 1) {
				t.Errorf("%d torn records", r.Torn)
			}
			if healed := c.name == "a flipped bit of a header"; healed != (r.Healed == 1) {
				t.Errorf("%d healed records", r.Healed)
			}
			if r.Corrupt != c.corrupt || len(r.Damage) != c.damage || len(r.Repairs) != c.repairs {
				t.Errorf("%+v", r)
			}
			if c.damage > 0 && r.Damage[0].Effect != c.effect {
				t.Errorf("%+v, want the effect %d", r.Damage, c.effect)
			}
			if n := unreadable(t, f.Clone()); n != r.Corrupt {
				t.Errorf("%d assets are corrupt by the report, %d do not read", r.Corrupt, n)
			}
			open(t, f)
			if r := report(t, f); len(r.Repairs) != 0 {
				t.Errorf("after mounting: %+v", r.Repairs)
			}
		})
	}
}

// FuzzReport checks arbitrary images of small pages and reports on them: that
// ends, does not change them, and takes no more memory than the image is worth.
func FuzzReport(f *testing.F) {
	const pageSize = 512
	for _, pages := range []int{2, 4} {
		fl := flashtest.FromImage(bytes.Repeat([]byte{0xff}, pages*pageSize), pageSize)
		s := open(f, fl)
		for i := range 30 {
			if err := s.Set(flashlog.Key{Owner: 1, UID: uint64(1 + i%3)}, workloadBytes(2*i), 0); err != nil {
				f.Fatal(err)
			}
			if i%7 == 0 {
				f.Add(fl.Image(), uint32(8*(68+30)))
			}
		}
		fl.CutAt(7, 3)
		_ = s.Remove(flashlog.Key{Owner: 1, UID: 1})
		f.Add(fl.Image(), ^uint32(0))
	}
	f.Add([]byte{}, uint32(0))
	f.Fuzz(func(t *testing.T, image []byte, flip uint32) {
		if len(image) > 8*pageSize {
			return
		}
		whole := slices.Repeat([]byte{0xff}, max(2, (len(image)+pageSize-1)/pageSize)*pageSize)
		copy(whole, image)
		if bit := int(flip); bit < 8*len(whole) {
			whole[bit/8] ^= 1 << (bit % 8)
		}
		fl := flashtest.FromImage(whole, pageSize)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c, err := flashlog.Check(fl)
		var r flashlog.Report
		if err == nil {
			r, err = c.Report()
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Fatalf("%d bytes allocated for an image of %d", n, len(whole))
		}
		if err != nil {
			if !errors.Is(err, veneer.ErrDataCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(fl.Image(), whole) {
			t.Fatal("the image has changed")
		}
		if r.Corrupt > r.Assets || r.Largest >= len(whole) || r.Live < 0 || r.Free < 0 || r.Dead < 0 ||
			r.Live+r.Dead+r.Free != (r.Pages-1)*(pageSize-68) {
			t.Fatalf("%+v", r)
		}
		for _, d := range r.Damage {
			if d.Offset < 0 || d.Offset >= len(whole) {
				t.Fatalf("%+v", d)
			}
		}
	})
}
