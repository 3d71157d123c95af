package keycells

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/platform/power"
	"github.com/postern-spe/postern/platform/secretmem"
	"github.com/postern-spe/postern/platform/secretmem/memscan"
)

// onDisk returns cells in a new file of size bytes, and its path.
func onDisk(t *testing.T, size int, s *power.Supply) (*Cells, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cells")
	if err := os.WriteFile(path, bytes.Repeat([]byte{0xFF}, size), 0o600); err != nil {
		t.Fatal(err)
	}
	return reopen(t, path, size, s), path
}

func reopen(t *testing.T, path string, size int, s *power.Supply) *Cells {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(f, size, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func cells(t *testing.T, c *Cells) []byte {
	t.Helper()
	p := make([]byte, c.Size())
	if err := c.Read(0, p); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestOperations runs the same steps over a file and over memory, and compares
// the file with the cells after each.
func TestOperations(t *testing.T) {
	const size = 64
	steps := []struct {
		name string
		do   func(*Cells) error
		off  int
		want string
	}{
		{"program", func(c *Cells) error { return c.Program(4, []byte{1, 2, 3, 4, 5, 6, 7, 8}) }, 4, "\x01\x02\x03\x04\x05\x06\x07\x08"},
		{"program sets no bit", func(c *Cells) error { return c.Program(4, []byte{0xFF, 0xF0, 0, 4}) }, 4, "\x01\x00\x00\x04"},
		{"write sets bits", func(c *Cells) error { return c.Write(3, []byte{0xAA, 0xBB, 0xCC}) }, 3, "\xAA\xBB\xCC\x00\x04"},
		{"write of nothing", func(c *Cells) error { return c.Write(3, nil) }, 3, "\xAA"},
		{"to the last byte", func(c *Cells) error { return c.Write(63, []byte{0}) }, 63, "\x00"},
		{"erase", func(c *Cells) error { return c.EraseAll() }, 0, strings.Repeat("\xFF", size)},
	}
	file, path := onDisk(t, size, nil)
	memory, err := Memory(size)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		for _, c := range []*Cells{file, memory} {
			if err := step.do(c); err != nil {
				t.Errorf("%s: %v", step.name, err)
			}
			if !bytes.Equal(c.next, make([]byte, len(c.next))) {
				t.Errorf("%s: left something in the scratch", step.name)
			}
			if got := cells(t, c)[step.off:][:len(step.want)]; string(got) != step.want {
				t.Errorf("%s: %x, want %x", step.name, got, step.want)
			}
		}
		if onFile, err := os.ReadFile(path); err != nil || !bytes.Equal(onFile, cells(t, file)) {
			t.Errorf("%s: the file differs from the cells (%v)", step.name, err)
		}
	}
	if !memory.Erased(0, size) || memory.Erased(0, size+1) {
		t.Error("Erased")
	}
	if err := memory.Program(8, []byte{0xFF, 0xFF, 0xFF, 0xFE}); err != nil || memory.Erased(0, 12) || !memory.Erased(0, 11) || !memory.Erased(12, 4) {
		t.Errorf("Erased after one bit (%v)", err)
	}
	for _, c := range []*Cells{file, memory} {
		if err := errors.Join(c.Sync(), c.Close(), c.Close()); err != nil {
			t.Error(err)
		}
		for name, err := range map[string]error{
			"read": c.Read(0, make([]byte, 1)), "program": c.Program(0, make([]byte, 4)), "write": c.Write(0, []byte{0}),
			"erase": c.EraseAll(), "sync": c.Sync(), "lend": c.Lend(0, func(*Value) error { return nil }),
		} {
			if err != ErrClosed {
				t.Errorf("%s of closed cells: %v", name, err)
			}
		}
		if c.region.Bytes() != nil {
			t.Error("the memory is there after Close")
		}
		if c.Erased(0, 4) || c.Zero(0, 4) {
			t.Error("closed cells pass for erased")
		}
	}
}

func TestBadArguments(t *testing.T) {
	c, err := Memory(8192)
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"read past the end":      c.Read(8190, make([]byte, 3)),
		"read before the start":  c.Read(-1, make([]byte, 3)),
		"program between words":  c.Program(2, make([]byte, 4)),
		"program half a word":    c.Program(0, make([]byte, 2)),
		"program past the end":   c.Program(8192, make([]byte, 4)),
		"write past the end":     c.Write(8191, make([]byte, 2)),
		"write over a page":      c.Write(4095, make([]byte, 2)),
		"lend past the end":      c.Lend(8192-15, func(*Value) error { return nil }),
		"write larger than cell": c.Write(0, make([]byte, 8193)),
	} {
		if err == nil {
			t.Errorf("%s passed", name)
		}
	}
	if !c.Erased(0, 8192) {
		t.Error("a refused call changed cells")
	}
	for _, size := range []int{0, -4, 6} {
		if _, err := Memory(size); err == nil {
			t.Errorf("%d cells", size)
		}
	}
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := Open(f, 16, nil); err == nil {
		t.Error("opened a file that is too short")
	}
	if _, err := f.Write(make([]byte, 1)); err != nil {
		t.Errorf("the caller's file after a refused Open: %v", err)
	}
}

// TestFullDisk: what the file does not take, the memory does not have.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cells")
	if err := os.WriteFile(path, bytes.Repeat([]byte{0xFF}, 16), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path) // not for writing
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(f, 16, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for name, err := range map[string]error{
		"program": c.Program(0, make([]byte, 4)), "write": c.Write(0, make([]byte, 4)), "erase": c.EraseAll(),
	} {
		if err == nil {
			t.Errorf("%s passed", name)
		}
	}
	if !c.Erased(0, 16) {
		t.Error("the memory has what the file has not")
	}
}

func TestLend(t *testing.T) {
	c, err := Memory(32)
	if err != nil {
		t.Fatal(err)
	}
	want := []byte("0123456789abcdef")
	if err := c.Program(16, want); err != nil {
		t.Fatal(err)
	}
	var kept *Value
	refused := errors.New("refused")
	err = c.Lend(16, func(v *Value) error {
		var p [ValueSize]byte
		if n := v.CopyTo(p[:]); n != 16 || !bytes.Equal(p[:], want) {
			t.Errorf("lent %x", p)
		}
		kept = v
		return refused
	})
	if err != refused {
		t.Errorf("%v", err)
	}
	var p [ValueSize]byte
	if kept.CopyTo(p[:]); p != [ValueSize]byte{} {
		t.Error("not wiped")
	}
	// What a borrower destroys is its copy, not the cells.
	if err := c.Lend(16, func(v *Value) error { v.Destroy(); return nil }); err != nil {
		t.Fatal(err)
	}
	if got := cells(t, c)[16:]; !bytes.Equal(got, want) {
		t.Errorf("the cells are %x after a loan", got)
	}
}

// TestKeyIsInTheFileAlone writes a key and searches the process for it: while
// the cells are open, after they are closed, and, as the control, while the file
// is mapped as ordinary memory is.
func TestKeyIsInTheFileAlone(t *testing.T) {
	key, err := secretmem.Alloc(ValueSize)
	if err != nil {
		t.Fatal(err)
	}
	defer key.Destroy()
	binary.LittleEndian.PutUint64(key.Bytes(), 0x6C62272E07BB0142)
	binary.LittleEndian.PutUint64(key.Bytes()[8:], 0x62B821756295C58D)
	search := func() []memscan.Hit {
		t.Helper()
		hits, err := memscan.Search(key)
		if err != nil {
			t.Fatal(err)
		}
		return hits
	}

	c, path := onDisk(t, page, nil)
	v := NewValue(key.Bytes())
	if n := len(search()); n != 1 {
		t.Errorf("%d hits for a Value on the heap: the search shows nothing", n)
	}
	v.Destroy()
	if err := c.Program(160, key.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := c.Lend(160, func(*Value) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if hits := search(); len(hits) != 0 && c.Kind() == secretmem.Secret {
		t.Errorf("open: %v", hits)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if hits := search(); len(hits) != 0 {
		t.Errorf("closed: %v", hits)
	}

	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mem, err := unix.Mmap(int(f.Fd()), 0, page, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(mem[160:176], key.Bytes()) {
		t.Error("the key is not in the file")
	}
	if hits := search(); len(hits) != 1 {
		t.Errorf("%d hits for the mapped file: the search shows nothing", len(hits))
	}
	if err := unix.Munmap(mem); err != nil {
		t.Fatal(err)
	}
}

func TestNothingPrints(t *testing.T) {
	const text = "0123456789abcdef"
	c, err := Memory(16)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Program(0, []byte(text)); err != nil {
		t.Fatal(err)
	}
	v := NewValue([]byte(text))
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("slot", "value", v, "copy", *v, "cells", c)
	for _, s := range []string{
		fmt.Sprint(v, c), fmt.Sprintf("%v %+v %#v %x %s %q", *v, v, *v, v, *v, v), fmt.Sprintf("%v %+v %#v %x %s", c, c, c, c, c),
		fmt.Sprintf("%v", struct {
			V *Value
			C *Cells
		}{v, c}), log.String(),
	} {
		if strings.Contains(s, "0123") || strings.Contains(s, "3031") || strings.Contains(s, "48 49") || strings.Contains(s, "0x30, 0x31") {
			t.Errorf("prints the key: %s", s)
		}
	}
	v.Destroy()
	var p [16]byte
	if v.CopyTo(p[:]); p != [16]byte{} {
		t.Error("not wiped")
	}
}
