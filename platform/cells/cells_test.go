package cells

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-spe/postern/platform/power"
)

const (
	testSize = 64 << 10
	testPage = 4096
)

func le(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }

// file makes a file of n bytes of value b.
func file(t testing.TB, name string, n int, b byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, bytes.Repeat([]byte{b}, n), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// mapped maps a whole file.
func mapped(t testing.TB, path string) *Image {
	t.Helper()
	img, err := mapWhole(path)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func mapWhole(path string) (*Image, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return Map([]Piece{{f, 0, int(st.Size())}})
}

func newWear(t testing.TB, img *Image) *Wear {
	t.Helper()
	w, err := NewWear(img, testSize, testPage)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// newFlash returns flash with a limit of two writes, in memory.
func newFlash(t testing.TB, s *power.Supply) *Flash {
	return NewFlash(Memory(testSize), Options{Page: testPage, Supply: s, Wear: newWear(t, Zeros(WearSize(testSize, testPage))), MaxWrites: 2})
}

// flashes runs a test over cells in memory, in one mapped file, and in three
// pieces of two files, and over cells that count nothing.
func flashes(t *testing.T, test func(t *testing.T, f *Flash)) {
	t.Run("memory", func(t *testing.T) { test(t, newFlash(t, nil)) })
	t.Run("uncounted", func(t *testing.T) { test(t, NewFlash(Memory(testSize), Options{Page: testPage})) })
	t.Run("file", func(t *testing.T) {
		w := newWear(t, mapped(t, file(t, "wear.bin", WearSize(testSize, testPage), 0)))
		f := NewFlash(mapped(t, file(t, "flash.bin", testSize, Erased)), Options{Page: testPage, Wear: w, MaxWrites: 2})
		t.Cleanup(func() { f.Close() })
		test(t, f)
	})
	t.Run("pieces", func(t *testing.T) {
		var files []*os.File
		for _, name := range []string{"one.bin", "two.bin"} {
			f, err := os.OpenFile(file(t, name, testSize, Erased), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			files = append(files, f)
		}
		img, err := Map([]Piece{{files[0], testPage, testPage}, {files[1], 0, testSize - 3*testPage}, {files[0], 2 * testPage, 2 * testPage}})
		if err != nil {
			t.Fatal(err)
		}
		f := NewFlash(img, Options{Page: testPage})
		t.Cleanup(func() { f.Close() })
		test(t, f)
	})
}

func TestFlash(t *testing.T) {
	flashes(t, func(t *testing.T, f *Flash) {
		if err := f.Program(8, le(0xF0F0FFFF)); err != nil {
			t.Fatal(err)
		}
		// A second write clears more bits, and cannot set one.
		var pe *ProgramError
		if err := f.Program(4, append(le(0x12345678), le(0x0FFFFFFF)...)); !errors.As(err, &pe) || pe.Off != 8 {
			t.Fatalf("0 to 1: %v", err)
		}
		for off, want := range map[int]uint32{0: 0xFFFFFFFF, 4: 0x12345678, 8: 0x00F0FFFF, 12: 0xFFFFFFFF} {
			if got, err := f.Word(off); err != nil || got != want {
				t.Errorf("word at %d: 0x%08x, %v; want 0x%08x", off, got, err, want)
			}
		}
		if err := f.Program(testPage, le(1)); err != nil {
			t.Fatal(err)
		}
		if err := f.Erase(0); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, testPage+4)
		if err := f.Read(0, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, append(bytes.Repeat([]byte{0xFF}, testPage), le(1)...)) {
			t.Error("erase touched the wrong cells")
		}
		if err := f.Program(testSize-4, le(0)); err != nil {
			t.Fatal(err)
		}
		if err := f.EraseAll(); err != nil {
			t.Fatal(err)
		}
		got = make([]byte, testSize)
		if err := f.Read(0, got); err != nil || len(bytes.Trim(got, "\xFF")) != 0 {
			t.Errorf("after EraseAll: %v, or not erased", err)
		}
		if err := f.Sync(); err != nil {
			t.Error(err)
		}
	})
}

func TestBounds(t *testing.T) {
	var s power.Supply
	f := newFlash(t, &s)
	r := NewRRAM(Memory(testSize), Options{Page: testPage, Supply: &s})
	word := func(_ uint32, err error) error { return err }
	ops := []struct {
		name  string
		err   error
		align bool
	}{
		{"program off a word", f.Program(2, le(0)), true},
		{"program half a word", f.Program(0, []byte{0, 0}), true},
		{"program past the end", f.Program(testSize, le(0)), false},
		{"program before the start", f.Program(-4, le(0)), false},
		{"program more than there is", f.Program(4, make([]byte, testSize)), false},
		{"read past the end", f.Read(testSize-1, make([]byte, 2)), false},
		{"word off a word", word(f.Word(1)), true},
		{"word past the end", word(f.Word(testSize)), false},
		{"erase off a page", f.Erase(4), true},
		{"erase past the end", f.Erase(testSize), false},
		{"erase partly off a page", f.ErasePartly(4, 1, 2), true},
		{"RRAM: write past the end", r.Write(testSize-1, []byte{0, 0}), false},
		{"RRAM: write before the start", r.Write(-1, []byte{0}), false},
		{"RRAM: read past the end", r.Read(testSize, []byte{0}), false},
		{"RRAM: word off a word", word(r.Word(2)), true},
	}
	for _, op := range ops {
		var re *RangeError
		var ae *AlignError
		if op.align && !errors.As(op.err, &ae) || !op.align && !errors.As(op.err, &re) {
			t.Errorf("%s: %v", op.name, op.err)
		}
	}
	if n := s.Points(); n != 0 {
		t.Errorf("%d points after refused operations", n)
	}
}

func TestErasePartly(t *testing.T) {
	f := newFlash(t, nil)
	for range 2 {
		if err := f.Program(testPage+4, le(0)); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		done   uint
		want   uint32
		erases uint32
	}{{0, 0, 0}, {10, 0x7, 0}, {50, 0xFFFF, 0}, {99, 0x7FFFFFFF, 0}, {100, 0xFFFFFFFF, 1}, {150, 0xFFFFFFFF, 2}} {
		if err := f.ErasePartly(testPage, step.done, 100); err != nil {
			t.Fatal(err)
		}
		if got, _ := f.Word(testPage + 4); got != step.want {
			t.Errorf("after %d of 100: 0x%08x, want 0x%08x", step.done, got, step.want)
		}
		if got := f.Wear().Erases(1); got != step.erases {
			t.Errorf("after %d of 100: %d erases", step.done, got)
		}
	}
	if n := f.Wear().Writes(testPage + 4); n != 0 {
		t.Errorf("%d writes after the erase", n)
	}
}

func TestMapRefuses(t *testing.T) {
	f, err := os.OpenFile(file(t, "flash.bin", testSize, Erased), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	readOnly, err := os.Open(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	for name, pieces := range map[string][]Piece{
		"nothing":             nil,
		"an empty piece":      {{f, 0, 0}},
		"a negative offset":   {{f, -testPage, testPage}},
		"an offset in a page": {{f, 512, testPage}},
		"a part of a page":    {{f, 0, 512}},
		"past the end":        {{f, 0, testPage}, {f, testPage, testSize}},
		"far past the end":    {{f, 1<<63 - testPage, testPage}},
		"a read-only file":    {{f, 0, testPage}, {readOnly, 0, testPage}},
	} {
		if img, err := Map(pieces); err == nil {
			t.Errorf("%s: mapped", name)
			img.Close()
		}
	}
}

func TestClosed(t *testing.T) {
	flashes(t, func(t *testing.T, f *Flash) {
		for range 2 {
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
		_, err := f.Word(0)
		for name, err := range map[string]error{
			"read": f.Read(0, make([]byte, 1)), "word": err, "program": f.Program(0, le(0)), "erase": f.Erase(0), "erase all": f.EraseAll(),
		} {
			if err != ErrClosed {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := f.Sync(); err != nil {
			t.Errorf("sync: %v", err)
		}
		if f.Size() != testSize {
			t.Error("size")
		}
		if w := f.Wear(); w != nil && (w.Erases(0) != 0 || w.Writes(0) != 0) {
			t.Error("wear")
		}
	})
}

func TestImpossible(t *testing.T) {
	for name, make := range map[string]func(){
		"page of 0":        func() { NewFlash(Memory(64), Options{}) },
		"page of 20":       func() { NewFlash(Memory(60), Options{Page: 20}) },
		"half a page":      func() { NewFlash(Memory(48), Options{Page: 32}) },
		"limit, no counts": func() { NewFlash(Memory(64), Options{Page: 32, MaxWrites: 2}) },
		"limit of 4": func() {
			NewFlash(Memory(testSize), Options{Page: testPage, Wear: newWear(t, Zeros(8192)), MaxWrites: 4})
		},
		"another flash's":     func() { NewFlash(Memory(testPage), Options{Page: testPage, Wear: newWear(t, Zeros(8192))}) },
		"RRAM of half a line": func() { NewRRAM(Memory(8), Options{Page: 8}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: made", name)
				}
			}()
			make()
		}()
	}
}

// TestFormat: cells may hold keys, and are not printed.
func TestFormat(t *testing.T) {
	img := Memory(testSize)
	copy(img.mem, "secret!")
	f, r := NewFlash(img, Options{Page: testPage}), NewRRAM(img, Options{Page: testPage})
	for _, v := range []any{img, f, r} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			if got := fmt.Sprintf(verb, v); !strings.Contains(got, "65536 bytes") || len(got) > 40 {
				t.Errorf("%s of %T: %.60q", verb, v, got)
			}
		}
	}
}
