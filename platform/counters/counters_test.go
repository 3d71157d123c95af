package counters

import (
	"errors"
	"math"
	"sync"
	"testing"

	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/power"
)

// testPage makes banks of 16 records, so that a few increments fill one.
const testPage = 256

// flash is two pages of flash that take each word's write once, or, where the
// power may fail at one, twice.
func flash(s *power.Supply, maxWrites int) Area {
	const size = 2 * testPage
	wear, err := cells.NewWear(cells.Zeros(cells.WearSize(size, testPage)), size, testPage)
	if err != nil {
		panic(err)
	}
	return cells.NewFlash(cells.Memory(size), cells.Options{Page: testPage, Supply: s, Wear: wear, MaxWrites: maxWrites})
}

// rram is an area of RRAM: Program overwrites, and Erase writes 0xFF.
type rram struct{ *cells.RRAM }

func newRRAM(s *power.Supply, fail cells.PowerFail) Area {
	r := cells.NewRRAM(cells.Memory(2*testPage), cells.Options{Page: testPage, Supply: s})
	r.SetPowerFail(fail)
	return rram{r}
}

func (r rram) Program(off int, p []byte) error { return r.Write(off, p) }

func (r rram) Erase(off int) error {
	p := make([]byte, testPage)
	for i := range p {
		p[i] = 0xFF
	}
	return r.Write(off, p)
}

// memories are what the counters may lie in.
var memories = map[string]func(*power.Supply) Area{
	"flash":       func(s *power.Supply) Area { return flash(s, 2) },
	"RRAM, wait":  func(s *power.Supply) Area { return newRRAM(s, cells.Wait) },
	"RRAM, abort": func(s *power.Supply) Area { return newRRAM(s, cells.Abort) },
}

func formatted(t testing.TB, a Area) *Counters {
	t.Helper()
	if err := Format(a); err != nil {
		t.Fatal(err)
	}
	return open(t, a)
}

func open(t testing.TB, a Area) *Counters {
	t.Helper()
	c, err := Open(a)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func values(t testing.TB, c *Counters) (v [Count]uint32) {
	t.Helper()
	for id := range v {
		var err error
		if v[id], err = c.Read(ID(id)); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// TestNumbers: the identifiers are TF-M's.
func TestNumbers(t *testing.T) {
	for id, want := range map[ID]string{0: "PS_0", 3: "BL2_0", 6: "BL2_3", 7: "BL1_0", 8: "NS_0", 10: "NS_2", 11: "counter 11"} {
		if id.String() != want {
			t.Errorf("%d is %v, want %v", uint32(id), id, want)
		}
	}
	if PS0 != 0 || BL2Image0 != 3 || BL1Image0 != 7 || NS2 != 10 || Count != 11 {
		t.Error("identifiers have moved")
	}
}

// TestHistory counts through many banks and compares with a model, after each
// step and after a reboot. No word is programmed twice.
func TestHistory(t *testing.T) {
	a := flash(nil, 1)
	c := formatted(t, a)
	var want [Count]uint32
	for i := range 500 {
		id := ID(i*7%Count + i%3*i%2)
		if id >= Count {
			id = NS2
		}
		if i%11 == 0 {
			want[id] += 1000
			if err := c.Set(id, want[id]); err != nil {
				t.Fatal(i, err)
			}
		} else {
			want[id]++
			if err := c.Increment(id); err != nil {
				t.Fatal(i, err)
			}
		}
		checkAlone(t, a)
		if i%5 == 0 {
			c = open(t, a)
		}
		if got := values(t, c); got != want {
			t.Fatalf("step %d: %v, want %v", i, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	a := flash(nil, 1)
	c := formatted(t, a)
	if err := c.Set(BL2Image1, 7); err != nil {
		t.Fatal(err)
	}
	if err := c.Set(NS0, math.MaxUint32); err != nil {
		t.Fatal(err)
	}
	before := values(t, c)
	_, unknown := c.Read(Count)
	for name, tt := range map[string]struct{ err, want error }{
		"read an unknown one":      {unknown, ErrUnknown},
		"increment an unknown one": {c.Increment(Count), ErrUnknown},
		"set an unknown one":       {c.Set(math.MaxUint32, 1), ErrUnknown},
		"set to less":              {c.Set(BL2Image1, 6), ErrDecrease},
		"set to the same":          {c.Set(BL2Image1, 7), nil},
		"beyond the end":           {c.Increment(NS0), ErrMax},
	} {
		if tt.err != tt.want {
			t.Errorf("%s: %v, want %v", name, tt.err, tt.want)
		}
	}
	if values(t, c) != before || values(t, open(t, a)) != before {
		t.Error("something that was refused changed a counter")
	}
}

func TestAreas(t *testing.T) {
	for name, tt := range map[string]struct {
		size, page int
		want       error
	}{
		"a page alone":       {4096, 4096, ErrArea},
		"too small":          {2 * 192, 192, ErrArea},
		"just large enough":  {2 * 208, 208, nil},
		"an odd page":        {3 * 256, 256, nil},
		"banks of two pages": {4 * 256, 256, nil},
	} {
		t.Run(name, func(t *testing.T) {
			a := cells.NewFlash(cells.Memory(tt.size), cells.Options{Page: tt.page})
			err := Format(a)
			if !errors.Is(err, tt.want) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if _, openErr := Open(a); !errors.Is(openErr, tt.want) {
				t.Fatalf("Open: %v, want %v", openErr, tt.want)
			}
			if err != nil {
				return
			}
			c := open(t, a)
			for range 200 {
				if err := c.Increment(PS1); err != nil {
					t.Fatal(err)
				}
			}
			if v := values(t, open(t, a)); v[PS1] != 200 {
				t.Errorf("counted to %d", v[PS1])
			}
		})
	}
}

// TestFailed: after a write that failed, the counters are as they were and count
// no further.
func TestFailed(t *testing.T) {
	var s power.Supply
	a := flash(&s, 2)
	c := formatted(t, a)
	s.CutAt(2, 1)
	if err := c.Increment(PS0); !errors.Is(err, power.ErrLost) {
		t.Fatal(err)
	}
	s.On()
	if err := c.Increment(PS0); !errors.Is(err, power.ErrLost) {
		t.Errorf("counted on a log of unknown state: %v", err)
	}
	if v, err := c.Read(PS0); v != 0 || err != nil {
		t.Errorf("reads %d, %v", v, err)
	}
	if err := open(t, a).Increment(PS0); err != nil {
		t.Error(err)
	}
}

func TestConcurrent(t *testing.T) {
	a := flash(nil, 1)
	c := formatted(t, a)
	var wg sync.WaitGroup
	for id := range ID(4) {
		wg.Go(func() {
			for i := range uint32(100) {
				if err := c.Increment(id); err != nil {
					t.Error(err)
				}
				if v, _ := c.Read(id); v != i+1 {
					t.Errorf("%v is %d, want %d", id, v, i+1)
				}
			}
		})
	}
	wg.Wait()
	if v := values(t, open(t, a)); v[0] != 100 || v[3] != 100 {
		t.Errorf("counted to %v", v)
	}
}
