package cells

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/platform/disk"
	"github.com/postern-spe/postern/platform/disk/disktest"
	"github.com/postern-spe/postern/platform/power"
)

// unsyncable takes the mapping of a page away, so that the kernel refuses to sync
// it, and returns what puts other memory in its place, which the kernel syncs.
func unsyncable(t *testing.T, img *Image, off int) (mend func()) {
	t.Helper()
	at := unsafe.Pointer(&img.mem[off])
	if err := unix.MunmapPtr(at, uintptr(os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if _, err := unix.MmapPtr(-1, 0, at, uintptr(os.Getpagesize()), unix.PROT_READ|unix.PROT_WRITE,
			unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED); err != nil {
			t.Fatal(err)
		}
	}
}

// A host that could not write the cells once is not asked again, and no cell is
// read or changed any more.
func TestFailedSyncIsForGood(t *testing.T) {
	size := 4 * os.Getpagesize()
	last := size - os.Getpagesize()
	flash := NewFlash(mapped(t, file(t, "flash.bin", size, Erased)), Options{Page: testPage})
	rram := NewRRAM(mapped(t, file(t, "rram.bin", size, Erased)), Options{Page: testPage})
	for name, m := range map[string]struct {
		img  *Image
		sync func(from, to int) error
		ops  map[string]func() error
	}{
		"flash": {flash.img, flash.SyncRange, map[string]func() error{
			"read":    func() error { return flash.Read(0, make([]byte, 4)) },
			"word":    func() error { _, err := flash.Word(0); return err },
			"program": func() error { return flash.Program(0, le(0)) },
			"erase":   func() error { return flash.Erase(0) },
			"sync":    func() error { return flash.SyncRange(0, 4) },
			"all":     flash.Sync,
		}},
		"RRAM": {rram.img, rram.SyncRange, map[string]func() error{
			"read":  func() error { return rram.Read(0, make([]byte, 4)) },
			"word":  func() error { _, err := rram.Word(0); return err },
			"write": func() error { return rram.Write(0, le(0)) },
			"erase": func() error { return rram.Erase(0) },
			"sync":  func() error { return rram.SyncRange(0, 4) },
			"all":   rram.Sync,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for op, do := range m.ops {
				if err := do(); err != nil {
					t.Fatalf("%s: %v", op, err)
				}
			}
			mend := unsyncable(t, m.img, last)
			if err := m.sync(0, 4); err != nil {
				t.Fatalf("the first page, which is mapped: %v", err)
			}
			// What lies anywhere in the page counts.
			err := m.sync(last+8, last+12)
			if e := (*disk.SyncError)(nil); !errors.As(err, &e) || !errors.Is(err, unix.ENOMEM) {
				t.Fatalf("a sync that the kernel refuses: %v", err)
			}
			mend()
			for op, do := range m.ops {
				if err := do(); !errors.Is(err, unix.ENOMEM) {
					t.Errorf("%s after a failed sync: %v", op, err)
				}
			}
		})
	}
}

func TestSyncRange(t *testing.T) {
	var s power.Supply
	page := os.Getpagesize()
	// Two files, as the flash of a device is, and a range across both.
	var pieces []Piece
	for _, name := range []string{"secure", "non-secure"} {
		f, err := os.OpenFile(file(t, name, page, Erased), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		pieces = append(pieces, Piece{f, 0, page})
	}
	img, err := Map(pieces)
	if err != nil {
		t.Fatal(err)
	}
	f := NewFlash(img, Options{Page: testPage, Supply: &s})
	for _, r := range [][2]int{{0, 0}, {1, 2}, {page - 1, page + 1}, {0, 2 * page}, {2 * page, 2 * page}} {
		if err := f.SyncRange(r[0], r[1]); err != nil {
			t.Errorf("%d to %d: %v", r[0], r[1], err)
		}
	}
	for _, r := range [][2]int{{-1, 1}, {4, 0}, {0, 2*page + 1}} {
		var e *RangeError
		if err := f.SyncRange(r[0], r[1]); !errors.As(err, &e) {
			t.Errorf("%d to %d: %v", r[0], r[1], err)
		}
	}
	s.CutAt(1, 0)
	if err := f.Erase(0); err != power.ErrLost {
		t.Fatal(err)
	}
	if err := f.SyncRange(0, 1); err != power.ErrLost {
		t.Errorf("without power: %v", err)
	}
	s.On()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.SyncRange(0, 1); err != ErrClosed {
		t.Errorf("closed: %v", err)
	}
	if err := f.img.syncRange(0, 1); err != ErrClosed {
		t.Errorf("closed meanwhile: %v", err)
	}
}

// A durable memory has synced what an operation has changed when it returns: the
// kernel has nothing left to write.
func TestDurableSyncsEachOperation(t *testing.T) {
	dir := disktest.Dir(t) // in memory, what is mapped is dirty for ever
	for name, do := range map[string]func(f *Flash) error{
		"program":      func(f *Flash) error { return f.Program(2*testPage-4, append(le(1), le(2)...)) },
		"over a zero":  func(f *Flash) error { return f.Program(0, append(le(0xFFFFFFFF), le(0)...)) },
		"erase":        func(f *Flash) error { return f.Erase(0) },
		"part of one":  func(f *Flash) error { return f.ErasePartly(0, 1, 2) },
		"rest of it":   func(f *Flash) error { return f.ErasePartly(0, 2, 2) },
		"erase of all": (*Flash).EraseAll,
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		if err := os.WriteFile(path, bytes.Repeat([]byte{Erased}, testSize), 0o600); err != nil {
			t.Fatal(err)
		}
		f := NewFlash(mapped(t, path), Options{Page: testPage, Durable: true})
		defer f.Close()
		if err := errors.Join(f.Program(0, le(0)), f.Sync()); err != nil {
			t.Fatal(err)
		}
		if err := do(f); err != nil && !errors.As(err, new(*ProgramError)) {
			t.Fatalf("%s: %v", name, err)
		}
		if n := inMappings(t, "_Dirty:", path); n > 0 {
			t.Errorf("%s: %d bytes are not on the disk", name, n)
		}
	}
}

func TestReconcile(t *testing.T) {
	img, w := Memory(testSize), newWear(t, Zeros(WearSize(testSize, testPage)))
	f := NewFlash(img, Options{Page: testPage, Wear: w, MaxWrites: 2})
	if err := f.Erase(testPage); err != nil {
		t.Fatal(err)
	}
	for _, off := range []int{0, 4, testPage + 8, testSize - 4} {
		for range 2 {
			if err := f.Program(off, le(uint32(off))); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The host has written the counts of these, and not the cells.
	for _, off := range []int{4, testPage + 8, testSize - 4} {
		fill(img.mem[off:off+WordSize], Erased)
		if err := f.Program(off, le(0)); !errors.As(err, new(*WearError)) {
			t.Fatalf("0x%x: %v", off, err)
		}
	}
	if err := f.Reconcile(); err != nil {
		t.Fatal(err)
	}
	for off, want := range map[int]int{0: 2, 4: 0, testPage + 8: 0, testSize - 4: 0} {
		if got := w.Writes(off); got != want {
			t.Errorf("0x%x: %d writes, want %d", off, got, want)
		}
	}
	if w.Erases(1) != 1 {
		t.Error("erases have been forgotten")
	}
	if err := f.Program(testSize-4, le(0)); err != nil {
		t.Error(err)
	}
	if err := NewFlash(Memory(testSize), Options{Page: testPage}).Reconcile(); err != nil {
		t.Errorf("nothing counted: %v", err)
	}
}
