package cells

import (
	"errors"
	"testing"

	"github.com/postern-spe/postern/platform/power"
)

func TestMaxWrites(t *testing.T) {
	var s power.Supply
	f := newFlash(t, &s)
	for _, v := range []uint32{0xFFFFFFFF, 0xFFFF0000} { // all ones is a write too
		if err := f.Program(8, le(v)); err != nil {
			t.Fatal(err)
		}
	}
	points := s.Points()
	var we *WearError
	if err := f.Program(4, append(le(5), le(0)...)); !errors.As(err, &we) || we.Off != 8 || we.Writes != 2 {
		t.Fatalf("third write: %v", err)
	}
	for off, want := range map[int]uint32{4: 0xFFFFFFFF, 8: 0xFFFF0000} {
		if got, _ := f.Word(off); got != want {
			t.Errorf("the refused write changed the word at %d to 0x%08x", off, got)
		}
	}
	if s.Points() != points {
		t.Error("the refused write had a point")
	}
	if err := f.Erase(0); err != nil {
		t.Fatal(err)
	}
	if err := f.Program(8, le(0)); err != nil {
		t.Errorf("after the erase: %v", err)
	}
	if f.Wear().Erases(0) != 1 || f.Wear().Erases(1) != 0 || f.Wear().Writes(8) != 1 || f.Wear().Writes(4) != 0 {
		t.Error("the counts are wrong")
	}
}

// TestWear counts what each of all words and pages has had, against a model.
func TestWear(t *testing.T) {
	w := newWear(t, Zeros(WearSize(testSize, testPage)))
	f := NewFlash(Memory(testSize), Options{Page: testPage, Wear: w})
	for off := 0; off < testSize; off += WordSize {
		for range (off / WordSize * 7 >> 3) % 5 {
			if err := f.Program(off, le(0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for page := range 5 {
		for range page {
			if err := f.Erase(page * testPage); err != nil {
				t.Fatal(err)
			}
		}
	}
	for off := 0; off < testSize; off++ {
		want := min(off/WordSize*7>>3%5, 3)
		if page := off / testPage; page > 0 && page < 5 {
			want = 0
		}
		if got := w.Writes(off); got != want {
			t.Fatalf("%d writes at 0x%x, want %d", got, off, want)
		}
	}
	for page := range testSize / testPage {
		want := uint32(page)
		if page >= 5 {
			want = 0
		}
		if got := w.Erases(page); got != want {
			t.Errorf("%d erases of page %d, want %d", got, page, want)
		}
	}
	if w.Erases(-1) != 0 || w.Erases(testSize/testPage) != 0 || w.Writes(-1) != 0 || w.Writes(testSize) != 0 {
		t.Error("counts of cells that do not exist")
	}
	if err := f.EraseAll(); err != nil {
		t.Fatal(err)
	}
	if w.Erases(4) != 5 || w.Writes(0) != 0 {
		t.Error("EraseAll was not counted")
	}
}

// TestWearPersists: the counts are in their file.
func TestWearPersists(t *testing.T) {
	cells, counts := file(t, "flash.bin", testSize, Erased), file(t, "wear.bin", WearSize(testSize, testPage), 0)
	for n := range 3 {
		f := NewFlash(mapped(t, cells), Options{Page: testPage, Wear: newWear(t, mapped(t, counts)), MaxWrites: 2})
		err := f.Program(testPage, le(0xFFFFFF00))
		var we *WearError
		if errors.As(err, &we) != (n == 2) {
			t.Errorf("write %d: %v", n+1, err)
		}
		if err := f.Erase(0); err != nil {
			t.Fatal(err)
		}
		if got := f.Wear().Erases(0); got != uint32(n+1) {
			t.Errorf("%d erases, want %d", got, n+1)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWearSize: a flash with its counts is at most 10 % larger than its cells.
func TestWearSize(t *testing.T) {
	for _, size := range []int{256 << 10, 1 << 20, 64 << 20} {
		for _, page := range []int{2048, 4096} {
			if n := WearSize(size, page); n*10 > size || n < 4*(size/page)+size/16 {
				t.Errorf("%d bytes of flash with pages of %d: %d bytes of counts", size, page, n)
			}
		}
	}
	if _, err := NewWear(Zeros(4096), testSize, testPage); err == nil {
		t.Error("an image of the wrong size is taken")
	}
}

func TestWearSaturates(t *testing.T) {
	f := newFlash(t, nil)
	for i := range 4 {
		f.wear.img.mem[i] = 0xFF
	}
	if err := f.Erase(0); err != nil {
		t.Fatal(err)
	}
	if got := f.Wear().Erases(0); got != 0xFFFFFFFF {
		t.Errorf("%d erases", got)
	}
}

func TestLineWear(t *testing.T) {
	r := newRRAM(t, nil)
	l := r.Lines()
	for range 3 {
		if err := r.Write(LineSize-1, []byte{1, 1}); err != nil { // two lines, changed once
			t.Fatal(err)
		}
	}
	if err := r.Write(LineSize, le(7)); err != nil {
		t.Fatal(err)
	}
	for off, want := range map[int]int{0: 1, 15: 1, 16: 2, 31: 2, 32: 0, -1: 0, testSize: 0} {
		if got := l.Writes(off); got != want {
			t.Errorf("%d writes of the line at %d, want %d", got, off, want)
		}
	}
	for _, tt := range []struct{ off, n, want int }{{0, testSize, 2}, {0, 16, 1}, {15, 2, 2}, {32, 64, 0}, {0, testSize + 1, 0}, {0, 0, 0}} {
		if got := l.Worst(tt.off, tt.n); got != tt.want {
			t.Errorf("worst of %d at %d: %d, want %d", tt.n, tt.off, got, tt.want)
		}
	}
	l.img.mem[0], l.img.mem[1] = 0xFF, 0xFF
	if err := r.Write(0, le(8)); err != nil {
		t.Fatal(err)
	}
	if got := l.Writes(0); got != 0xFFFF {
		t.Errorf("%d writes", got)
	}
	if _, err := NewLineWear(Zeros(4096), testSize); err == nil {
		t.Error("an image of the wrong size is taken")
	}
}
