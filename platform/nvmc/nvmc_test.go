package nvmc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/postern-spe/postern/platform/spu"
)

const (
	testSize = 64 << 10
	testPage = 4096
)

func testSPU() *spu.SPU {
	return spu.New(spu.Geometry{FlashSize: testSize, FlashRegion: 16 << 10, RAMBase: 0x20000000, RAMSize: 8 << 10, RAMRegion: 8 << 10})
}

func le(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }

// arrays runs a test over the cells in memory and over the mapped file.
func arrays(t *testing.T, test func(t *testing.T, a *Array)) {
	t.Run("memory", func(t *testing.T) { test(t, NewArray(testSize, testPage)) })
	t.Run("file", func(t *testing.T) {
		a := mapFile(t, erasedFile(t))
		test(t, a)
	})
}

func erasedFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flash.bin")
	if err := os.WriteFile(path, bytes.Repeat([]byte{Erased}, testSize), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mapFile(t *testing.T, path string) *Array {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a, err := MapArray(f, testSize, testPage)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func TestCells(t *testing.T) {
	arrays(t, func(t *testing.T, a *Array) {
		if err := a.Program(8, le(0xF0F0FFFF)); err != nil {
			t.Fatal(err)
		}
		// A second write clears more bits, and cannot set one.
		if err := a.Program(8, le(0xF000FFFF)); err != nil {
			t.Fatal(err)
		}
		var pe *ProgramError
		if err := a.Program(4, append(le(0x12345678), le(0x0FFFFFFF)...)); !errors.As(err, &pe) || pe.Off != 8 {
			t.Fatalf("0 to 1: %v", err)
		}
		for off, want := range map[int]uint32{0: 0xFFFFFFFF, 4: 0x12345678, 8: 0x0000FFFF, 12: 0xFFFFFFFF} {
			if got, err := a.Word(off); err != nil || got != want {
				t.Errorf("word at %d: 0x%08x, %v; want 0x%08x", off, got, err, want)
			}
		}
		if err := a.Program(testPage, le(1)); err != nil {
			t.Fatal(err)
		}
		if err := a.Erase(0); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, testPage+4)
		if err := a.Read(0, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, append(bytes.Repeat([]byte{0xFF}, testPage), le(1)...)) {
			t.Error("erase touched the wrong cells")
		}
	})
}

func TestBounds(t *testing.T) {
	arrays(t, func(t *testing.T, a *Array) {
		area := New(a, 0, testSPU()).Area(testPage, testPage)
		ops := []struct {
			name  string
			err   error
			align bool
		}{
			{"program off a word", a.Program(2, le(0)), true},
			{"program half a word", a.Program(0, []byte{0, 0}), true},
			{"program past the end", a.Program(testSize, le(0)), false},
			{"program before the start", a.Program(-4, le(0)), false},
			{"read past the end", a.Read(testSize-1, make([]byte, 2)), false},
			{"erase off a page", a.Erase(4), true},
			{"erase past the end", a.Erase(testSize), false},
			{"area: read past the end", area.Read(testPage-1, make([]byte, 2)), false},
			{"area: program before the start", area.Program(-4, le(0)), false},
			{"area: program past the end", area.Program(testPage, le(0)), false},
			{"area: erase past the end", area.Erase(testPage), false},
			{"area: erase off a page", area.Erase(-testPage), false},
		}
		for _, op := range ops {
			var re *RangeError
			var ae *AlignError
			if op.align && !errors.As(op.err, &ae) || !op.align && !errors.As(op.err, &re) {
				t.Errorf("%s: %v", op.name, op.err)
			}
		}
		if n := a.Points(); n != 0 {
			t.Errorf("%d points after refused operations", n)
		}
	})
}

// TestCutWord cuts the power at each of the words of a program, with many
// seeds: words before hold the new value, the torn one something between old
// and new, words after the old value, and nothing works until power is back.
func TestCutWord(t *testing.T) {
	old, value := uint32(0xFFFF00FF), uint32(0x1234005A)
	torn := map[uint32]bool{}
	for cut := 1; cut <= 4; cut++ {
		for seed := range uint64(50) {
			a := NewArray(testSize, testPage)
			for i := range 4 {
				if err := a.Program(4*i, le(old)); err != nil {
					t.Fatal(err)
				}
			}
			a.CutAt(uint64(cut), seed)
			if err := a.Program(0, bytes.Repeat(le(value), 4)); err != ErrPowerLost {
				t.Fatalf("cut %d: %v", cut, err)
			}
			for name, err := range map[string]error{
				"read": a.Read(0, make([]byte, 4)), "program": a.Program(0, le(0)), "erase": a.Erase(0),
			} {
				if err != ErrPowerLost {
					t.Fatalf("%s without power: %v", name, err)
				}
			}
			a.PowerOn()
			for i := range 4 {
				got, err := a.Word(4 * i)
				if err != nil {
					t.Fatal(err)
				}
				switch {
				case i < cut-1 && got != value, i >= cut && got != old:
					t.Fatalf("cut %d seed %d: word %d is 0x%08x", cut, seed, i, got)
				case i == cut-1 && (got&^old != 0 || got&value != value):
					t.Fatalf("cut %d seed %d: torn word 0x%08x is not between 0x%08x and 0x%08x", cut, seed, got, old, value)
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

func TestCutErase(t *testing.T) {
	page := make([]byte, testPage)
	for i := range page {
		page[i] = byte(i * 7)
	}
	partly := 0
	for seed := range uint64(40) {
		path := erasedFile(t)
		a := mapFile(t, path)
		if err := a.Program(0, page); err != nil {
			t.Fatal(err)
		}
		a.CutAt(1, seed)
		if err := a.Erase(0); err != ErrPowerLost {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		// A new mapping has power again.
		got := make([]byte, testPage)
		if err := mapFile(t, path).Read(0, got); err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if page[i]&^got[i] != 0 {
				t.Fatalf("seed %d: byte %d lost a 1 in an erase", seed, i)
			}
		}
		if !bytes.Equal(got, page) && !bytes.Equal(got, bytes.Repeat([]byte{0xFF}, testPage)) {
			partly++
		}
	}
	if partly < 30 {
		t.Errorf("only %d of 40 pages were partly erased", partly)
	}
}

func TestControllerModes(t *testing.T) {
	const nsAddr = 0x4000 // the second SPU region is non-secure
	s := testSPU()
	if err := s.SetFlash(nsAddr, 0x4000, false, spu.Read|spu.Write, true); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name         string
		config, ns   uint32
		addr, v      uint32
		ok           bool
		want, before uint32
	}{
		{"secure region, no mode", Ren, Wen, 0, 5, false, 0xFFFFFFFF, 0xFFFFFFFF},
		{"secure region, Wen", Wen, Ren, 0, 5, true, 5, 0xFFFFFFFF},
		{"secure region, Een", Een, Ren, 0, 0xFFFFFFFF, true, 0xFFFFFFFF, 9},
		{"non-secure region, CONFIG only", Wen, Ren, nsAddr, 5, false, 0xFFFFFFFF, 0xFFFFFFFF},
		{"non-secure region, CONFIGNS", Ren, Wen, nsAddr, 5, true, 5, 0xFFFFFFFF},
		{"non-secure region, Een", Ren, Een, nsAddr, 0xFFFFFFFF, true, 0xFFFFFFFF, 9},
		{"Een, other value", Ren, Een, nsAddr, 0, false, 9, 9},
		{"Een, not the first word", Ren, Een, nsAddr + 4, 0xFFFFFFFF, false, 9, 9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := New(NewArray(testSize, testPage), 0, s)
			if err := c.Array().Program(int(tt.addr), le(tt.before)); err != nil {
				t.Fatal(err)
			}
			c.WriteRegister(RegConfig, tt.config, spu.Secure)
			c.WriteRegister(RegConfigNS, tt.ns, spu.NonSecure)
			err := c.Store(tt.addr, tt.v)
			var me *ModeError
			if tt.ok && err != nil || !tt.ok && !errors.As(err, &me) {
				t.Errorf("store: %v", err)
			}
			if got, _ := c.Array().Word(int(tt.addr)); got != tt.want {
				t.Errorf("0x%08x, want 0x%08x", got, tt.want)
			}
		})
	}
	t.Run("CONFIG is not in the non-secure view", func(t *testing.T) {
		c := New(NewArray(testSize, testPage), 0, s)
		c.WriteRegister(RegConfig, Wen, spu.NonSecure)
		if c.WriteEnabled() {
			t.Error("written")
		}
		c.WriteRegister(RegConfig, Wen, spu.Secure)
		if got := c.ReadRegister(RegConfig, spu.NonSecure); got != 0 {
			t.Errorf("reads 0x%x", got)
		}
	})
}

func TestAreaAsksTheSPU(t *testing.T) {
	s := testSPU()
	c := New(NewArray(testSize, testPage), 0, s)
	a := c.Area(0, 2*testPage)
	if err := a.Program(0, le(7)); err != nil {
		t.Fatal(err)
	}
	if err := s.SetFlash(0, 0x4000, true, spu.Read, true); err != nil {
		t.Fatal(err)
	}
	var ae *spu.AccessError
	if err := a.Program(4, le(7)); !errors.As(err, &ae) || ae.Fault != spu.BusFault || ae.Addr != 4 {
		t.Errorf("program: %v", err)
	}
	if err := a.Erase(testPage); !errors.As(err, &ae) || ae.Fault != spu.BusFault {
		t.Errorf("erase: %v", err)
	}
	p := make([]byte, 4)
	if err := a.Read(0, p); err != nil || !bytes.Equal(p, le(7)) {
		t.Errorf("read: %x, %v", p, err)
	}
}

func TestMapArrayRefusesOtherSizes(t *testing.T) {
	path := erasedFile(t)
	if err := os.Truncate(path, testSize-1); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := MapArray(f, testSize, testPage); err == nil {
		t.Error("mapped")
	}
}

func TestClosed(t *testing.T) {
	arrays(t, func(t *testing.T, a *Array) {
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if err := a.Read(0, make([]byte, 1)); err != ErrClosed {
			t.Errorf("read: %v", err)
		}
		if err := a.Sync(); err != nil {
			t.Errorf("sync: %v", err)
		}
		if a.Size() != testSize {
			t.Error("size")
		}
	})
}

func BenchmarkProgramWord(b *testing.B) {
	benchmarkProgram(b, 4)
}

func BenchmarkProgramPage(b *testing.B) {
	benchmarkProgram(b, testPage)
}

func benchmarkProgram(b *testing.B, n int) {
	path := filepath.Join(b.TempDir(), "flash.bin")
	if err := os.WriteFile(path, bytes.Repeat([]byte{Erased}, testSize), 0o600); err != nil {
		b.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	a, err := MapArray(f, testSize, testPage)
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close()
	area := New(a, 0, testSPU()).Area(0, testSize)
	p := make([]byte, n)
	b.SetBytes(int64(n))
	b.ReportAllocs()
	for b.Loop() {
		if err := area.Program(0, p); err != nil {
			b.Fatal(err)
		}
		// Put the cells back without the cost of a page erase in each turn.
		for i := range n {
			a.mem[i] = Erased
		}
	}
}
