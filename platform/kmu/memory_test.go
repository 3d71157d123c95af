package kmu

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/secretmem"
	"github.com/postern-spe/postern/platform/secretmem/memscan"
	"github.com/postern-spe/postern/platform/uicr"
)

// quiet is a Destination that keeps nothing.
type quiet struct{ pushes int }

func (q *quiet) Push(uint32, *keycells.Value) error { q.pushes++; return nil }

// TestKeyIsNowhereElse writes a key and pushes it, over files, and searches the
// memory of the process and the page's file for it. Its control is the file of
// the values mapped as the page's is: there the search finds it.
func TestKeyIsNowhereElse(t *testing.T) {
	key, err := secretmem.Alloc(keycells.ValueSize)
	if err != nil {
		t.Fatal(err)
	}
	defer key.Destroy()
	binary.LittleEndian.PutUint64(key.Bytes(), 0xA0761D6478BD642F)
	binary.LittleEndian.PutUint64(key.Bytes()[8:], 0xE7037ED1A0B428DB)
	search := func() []memscan.Hit {
		t.Helper()
		hits, err := memscan.Search(key)
		if err != nil {
			t.Fatal(err)
		}
		return hits
	}
	dir := t.TempDir()
	file := func(name string, size int) *os.File {
		t.Helper()
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(bytes.Repeat([]byte{0xFF}, size)); err != nil {
			t.Fatal(err)
		}
		return f
	}
	pageFile := file("uicr", uicr.Size)
	defer pageFile.Close()
	img, err := cells.Map([]cells.Piece{{File: pageFile, Size: uicr.Size}})
	if err != nil {
		t.Fatal(err)
	}
	page := cells.NewFlash(img, cells.Options{Page: uicr.Size})
	defer page.Close()
	u, err := uicr.New(uicr.NRF9160(), page, nil)
	if err != nil {
		t.Fatal(err)
	}
	values, err := keycells.Open(file("keys", ValuesSize), ValuesSize, nil)
	if err != nil {
		t.Fatal(err)
	}
	dest := new(quiet)
	k, err := New(u, values, dest, nil)
	if err != nil {
		t.Fatal(err)
	}

	v := keycells.NewValue(key.Bytes())
	err = k.Write(8, 0x50841400, PermKey, v)
	v.Destroy()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Push(8); err != nil || dest.pushes != 1 {
		t.Fatalf("%d pushes, %v", dest.pushes, err)
	}
	if hits := search(); len(hits) != 0 && values.Kind() == secretmem.Secret {
		t.Errorf("in ordinary memory while the device is on: %v", hits)
	}
	if err := values.Close(); err != nil {
		t.Fatal(err)
	}
	if hits := search(); len(hits) != 0 {
		t.Errorf("in memory after Close: %v", hits)
	}
	if p, err := os.ReadFile(filepath.Join(dir, "uicr")); err != nil || bytes.Contains(p, key.Bytes()[:4]) {
		t.Errorf("in the page's file (%v)", err)
	}

	f, err := os.Open(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mem, err := unix.Mmap(int(f.Fd()), 0, ValuesSize, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(mem[8*16:9*16], key.Bytes()) {
		t.Error("not in its own file")
	}
	if hits := search(); len(hits) != 1 {
		t.Errorf("%d hits in the mapped file: the search shows nothing", len(hits))
	}
	if err := unix.Munmap(mem); err != nil {
		t.Fatal(err)
	}
}
