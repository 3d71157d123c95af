package cells

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/postern-spe/postern/platform/power"
)

func newRRAM(t testing.TB, s *power.Supply) *RRAM {
	t.Helper()
	l, err := NewLineWear(Zeros(LineWearSize(testSize)), testSize)
	if err != nil {
		t.Fatal(err)
	}
	return NewRRAM(Memory(testSize), Options{Page: testPage, Supply: s, Lines: l})
}

func TestRRAM(t *testing.T) {
	var s power.Supply
	r := newRRAM(t, &s)
	model := bytes.Repeat([]byte{Erased}, testSize)
	write := func(off int, p []byte) {
		t.Helper()
		if err := r.Write(off, p); err != nil {
			t.Fatal(err)
		}
		copy(model[off:], p)
		got := make([]byte, testSize)
		if err := r.Read(0, got); err != nil || !bytes.Equal(got, model) {
			t.Fatalf("after a write of %d at %d: %v, or not as the model", len(p), off, err)
		}
	}
	write(0, le(0))
	write(0, le(0xA5A5A5A5)) // in place, both ways
	write(15, []byte{1, 2})  // across a line
	write(13, bytes.Repeat([]byte{7}, 100))
	write(testSize-3, []byte{1, 2, 3})
	write(5, nil)
	write(testPage-1, []byte{1, 2})
	write(2*testPage-1, []byte{1, 2})
	if got, err := r.Word(0); err != nil || got != 0xA5A5A5A5 {
		t.Errorf("word: 0x%08x, %v", got, err)
	}
	if got := s.Points(); got != 1+1+2+8+1+2+2 {
		t.Errorf("%d points", got)
	}
	if err := r.Erase(testPage); err != nil {
		t.Fatal(err)
	}
	copy(model[testPage:], bytes.Repeat([]byte{Erased}, testPage))
	write(testPage*2, []byte{9})
	var ae *AlignError
	if err := r.Erase(LineSize); !errors.As(err, &ae) {
		t.Errorf("erase off a page: %v", err)
	}
	if got := s.Points(); got != 17+testPage/LineSize+1 {
		t.Errorf("%d points after an erase", got)
	}
	points := s.Points()
	if err := r.EraseAll(); err != nil {
		t.Fatal(err)
	}
	if got := s.Points() - points; got != testSize/testPage {
		t.Errorf("%d points of EraseAll", got)
	}
	got := make([]byte, testSize)
	if err := r.Read(0, got); err != nil || len(bytes.Trim(got, "\xFF")) != 0 {
		t.Errorf("after EraseAll: %v, or not erased", err)
	}
	if err := r.Sync(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Write(0, le(0)); err != ErrClosed {
		t.Error(err)
	}
	if r.Lines().Writes(0) != 0 || r.Size() != testSize || r.PageSize() != testPage {
		t.Error("after Close")
	}
}

// TestRRAMCut: with Wait the line at the cut is wholly old or new; with Abort
// each of its words is between both, in either direction.
func TestRRAMCut(t *testing.T) {
	oldLine, newLine := bytes.Repeat(le(0x0FF000FF), 4), bytes.Repeat(le(0xF0F000F1), 4)
	for _, fail := range []PowerFail{Wait, Abort} {
		olds, news, mixed := 0, 0, 0
		for seed := range uint64(60) {
			var s power.Supply
			r := newRRAM(t, &s)
			if err := r.Write(0, bytes.Repeat(oldLine, 3)); err != nil {
				t.Fatal(err)
			}
			r.SetPowerFail(fail)
			s.CutAt(2, seed)
			if err := r.Write(0, bytes.Repeat(newLine, 3)); err != power.ErrLost {
				t.Fatal(err)
			}
			if err := r.Read(0, make([]byte, 1)); err != power.ErrLost {
				t.Fatal(err)
			}
			s.On()
			got := make([]byte, 48)
			if err := r.Read(0, got); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got[:16], newLine) || !bytes.Equal(got[32:], oldLine) {
				t.Fatalf("seed %d: the lines beside the cut: %x", seed, got)
			}
			switch torn := got[16:32]; {
			case bytes.Equal(torn, oldLine):
				olds++
			case bytes.Equal(torn, newLine):
				news++
			default:
				mixed++
				for i := 0; i < 16; i += 4 {
					v, o, n := binary.LittleEndian.Uint32(torn[i:]), binary.LittleEndian.Uint32(oldLine), binary.LittleEndian.Uint32(newLine)
					if v&(o&n) != o&n || v&^(o|n) != 0 {
						t.Fatalf("seed %d: 0x%08x is not between 0x%08x and 0x%08x", seed, v, o, n)
					}
				}
			}
			if changed := !bytes.Equal(got[16:32], oldLine); changed != (r.Lines().Writes(16) == 2) {
				t.Fatalf("seed %d: %d writes", seed, r.Lines().Writes(16))
			}
		}
		if fail == Wait && (mixed != 0 || olds < 10 || news < 10) || fail == Abort && mixed < 40 {
			t.Errorf("POF %d: %d old, %d new, %d mixed", fail, olds, news, mixed)
		}
	}
}

// TestRRAMCutEraseAll: pages before the cut are erased, that at the cut up to
// some line, those behind it not.
func TestRRAMCutEraseAll(t *testing.T) {
	partly := 0
	for seed := range uint64(20) {
		var s power.Supply
		r := newRRAM(t, &s)
		if err := r.Write(0, make([]byte, testSize)); err != nil {
			t.Fatal(err)
		}
		s.CutAt(3, seed)
		if err := r.EraseAll(); err != power.ErrLost {
			t.Fatal(err)
		}
		s.On()
		got := make([]byte, testSize)
		if err := r.Read(0, got); err != nil {
			t.Fatal(err)
		}
		n := bytes.IndexByte(got, 0)
		if n < 2*testPage || n >= 3*testPage || n%LineSize != 0 || bytes.IndexByte(got[n:], 0xFF) >= 0 {
			t.Fatalf("seed %d: erased up to %d", seed, n)
		}
		if n > 2*testPage {
			partly++
		}
	}
	if partly < 15 {
		t.Errorf("only %d of 20 pages were partly erased", partly)
	}
}
