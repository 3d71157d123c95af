package cells

import (
	"bytes"
	"sync"
	"testing"

	"github.com/postern-spe/postern/platform/power"
)

// TestCutWord cuts the power at each of the words of a program, with many
// seeds: words before hold the new value, the torn one something between old
// and new, words after the old value, and nothing works until power is back.
func TestCutWord(t *testing.T) {
	old, value := uint32(0xFFFF00FF), uint32(0x1234005A)
	torn := map[uint32]bool{}
	for cut := 1; cut <= 4; cut++ {
		for seed := range uint64(50) {
			var s power.Supply
			f := newFlash(t, &s)
			for i := range 4 {
				if err := f.Program(4*i, le(old)); err != nil {
					t.Fatal(err)
				}
			}
			s.CutAt(uint64(cut), seed)
			if err := f.Program(0, bytes.Repeat(le(value), 4)); err != power.ErrLost {
				t.Fatalf("cut %d: %v", cut, err)
			}
			for name, err := range map[string]error{
				"read": f.Read(0, make([]byte, 4)), "program": f.Program(0, le(0)), "erase": f.Erase(0), "erase all": f.EraseAll(),
			} {
				if err != power.ErrLost {
					t.Fatalf("%s without power: %v", name, err)
				}
			}
			s.On()
			for i := range 4 {
				got, err := f.Word(4 * i)
				if err != nil {
					t.Fatal(err)
				}
				writes := f.Wear().Writes(4 * i)
				switch {
				case i < cut-1 && got != value, i >= cut && got != old:
					t.Fatalf("cut %d seed %d: word %d is 0x%08x", cut, seed, i, got)
				case i == cut-1 && (got&^old != 0 || got&value != value):
					t.Fatalf("cut %d seed %d: torn word 0x%08x is not between 0x%08x and 0x%08x", cut, seed, got, old, value)
				case (got == old) != (writes == 1) || (got != old) != (writes == 2):
					t.Fatalf("cut %d seed %d: word 0x%08x has %d writes", cut, seed, got, writes)
				case i == cut-1:
					torn[got] = true
				}
			}
		}
	}
	if len(torn) < 20 {
		t.Errorf("only %d different torn words", len(torn))
	}
}

// TestCutErase: a torn erase moves cells towards 1 only, stays as it is in the
// file, and a word that it left erased can be written as often as any.
func TestCutErase(t *testing.T) {
	page := make([]byte, testPage)
	for i := range page {
		page[i] = byte(i * 7)
	}
	erased := bytes.Repeat([]byte{Erased}, testPage)
	for name, erase := range map[string]func(f *Flash) error{
		"erase":        func(f *Flash) error { return f.Erase(0) },
		"erase all":    func(f *Flash) error { return f.EraseAll() },
		"erase partly": func(f *Flash) error { return f.ErasePartly(0, 99, 100) },
	} {
		t.Run(name, func(t *testing.T) {
			partly := 0
			for seed := range uint64(40) {
				path, counts := file(t, "flash.bin", testSize, Erased), file(t, "wear.bin", WearSize(testSize, testPage), 0)
				var s power.Supply
				f := NewFlash(mapped(t, path), Options{Page: testPage, Supply: &s, Wear: newWear(t, mapped(t, counts)), MaxWrites: 1})
				if err := f.Program(0, page); err != nil {
					t.Fatal(err)
				}
				s.CutAt(1, seed)
				if err := erase(f); err != power.ErrLost {
					t.Fatal(err)
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
				f = NewFlash(mapped(t, path), Options{Page: testPage, Wear: newWear(t, mapped(t, counts)), MaxWrites: 1})
				got := make([]byte, testPage)
				if err := f.Read(0, got); err != nil {
					t.Fatal(err)
				}
				for i := range got {
					if page[i]&^got[i] != 0 {
						t.Fatalf("seed %d: byte %d lost a 1 in an erase", seed, i)
					}
				}
				if !bytes.Equal(got, page) && !bytes.Equal(got, erased) {
					partly++
				}
				for off := 0; off < testPage && name != "erase partly"; off += WordSize {
					if blank := bytes.Equal(got[off:off+4], erased[:4]); blank != (f.Wear().Writes(off) == 0) {
						t.Fatalf("seed %d: the word at %d has %d writes and reads %x", seed, off, f.Wear().Writes(off), got[off:off+4])
					}
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if partly < 30 {
				t.Errorf("only %d of 40 pages were partly erased", partly)
			}
		})
	}
}

// TestCutEverywhere walks every point of a small workload over two memories that
// share a supply: what was acknowledged before is there, what comes after is
// not.
func TestCutEverywhere(t *testing.T) {
	type step struct {
		off int
		v   []byte // nil: erase, or in RRAM, erase all
	}
	steps := []step{{0, le(1)}, {testPage, append(le(2), le(3)...)}, {0, nil}, {0, le(4)}, {4, le(5)}}
	run := func(s *power.Supply) (f *Flash, r *RRAM, done int) {
		f, r = newFlash(t, s), newRRAM(t, s)
		for _, st := range steps {
			op := func() error { return f.Program(st.off, st.v) }
			if st.v == nil {
				op = func() error { return f.Erase(st.off) }
			}
			if op() != nil {
				return f, r, done
			}
			done++
			if r.Write(st.off, st.v) != nil {
				return f, r, done
			}
			done++
		}
		return f, r, done
	}
	var whole power.Supply
	if _, _, done := run(&whole); done != 2*len(steps) || whole.Points() != 10 {
		t.Fatalf("%d steps, %d points", done, whole.Points())
	}
	for n := uint64(1); n <= whole.Points(); n++ {
		for seed := range uint64(8) {
			var s power.Supply
			s.CutAt(n, seed)
			f, r, done := run(&s)
			if done == 2*len(steps) {
				t.Fatalf("point %d was not reached", n)
			}
			if s.Points() != n {
				t.Fatalf("%d points after the cut at %d", s.Points(), n)
			}
			s.On()
			// The last words that were acknowledged, by memory.
			if done >= 4 && done%2 == 1 || done > 5 {
				if v, err := f.Word(testPage + 4); err != nil || v != 3 {
					t.Errorf("cut %d: flash word 0x%x, %v", n, v, err)
				}
			}
			if done >= 4 {
				if v, err := r.Word(testPage + 4); err != nil || v != 3 {
					t.Errorf("cut %d: RRAM word 0x%x, %v", n, v, err)
				}
			}
			if v, err := f.Word(8); err != nil || v != 0xFFFFFFFF && done != 4 {
				t.Errorf("cut %d: a word that was never written is 0x%x, %v", n, v, err)
			}
		}
	}
}

// TestSyncMeanwhile: a Sync and a Close at any time, for the race detector.
func TestSyncMeanwhile(t *testing.T) {
	f := NewFlash(mapped(t, file(t, "flash.bin", testSize, Erased)), Options{Page: testPage})
	var all sync.WaitGroup
	all.Go(func() {
		for range 20 {
			if err := f.Sync(); err != nil {
				t.Error(err)
			}
		}
	})
	all.Go(func() {
		for i := range 1000 {
			if err := f.Program(4*i, le(0)); err != nil && err != ErrClosed {
				t.Error(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	all.Wait()
}
