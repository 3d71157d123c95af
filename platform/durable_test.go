package platform

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/counters"
	"github.com/postern-spe/postern/platform/disk"
	"github.com/postern-spe/postern/platform/disk/disktest"
)

type syncer interface{ Sync(from, to int) error }

// onDisk provisions a device on a disk, whatever the directory for temporary
// files is.
func onDisk(t testing.TB, opts ProvisionOptions) (dir string) {
	t.Helper()
	p, err := Provision(filepath.Join(disktest.Dir(t), "device"), opts)
	if err != nil {
		t.Fatal(err)
	}
	return p.Dir
}

func openDurable(t testing.TB, dir string) *SoC {
	t.Helper()
	s, err := Open(dir, OpenOptions{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// unwritten returns how many bytes of the mappings of a device's file the kernel
// has yet to write to the disk.
func unwritten(t *testing.T, dir, name string) (sum int) {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	path, ours, seen := filepath.Join(dir, name), false, false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if strings.Contains(fields[0], "-") {
			ours = fields[len(fields)-1] == path
			seen = seen || ours
		}
		if ours && (fields[0] == "Shared_Dirty:" || fields[0] == "Private_Dirty:") {
			kib, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			sum += kib << 10
		}
	}
	if !seen {
		t.Fatalf("%s is not mapped", path)
	}
	return sum
}

// Areas of a durable device sync what they say: the pages that an operation has
// changed, in whichever file they are, and in the external flash. Those of others
// have no such method, so that their users do not wait for anything.
func TestAreasSync(t *testing.T) {
	// One area is outside, so that both memories have some.
	outside := []board.Placement{{Area: board.PS, Region: board.ExternalFlash, Address: 0x4000, Size: 0x4000}}
	for _, name := range board.Names() {
		t.Run(name, func(t *testing.T) {
			dir := onDisk(t, ProvisionOptions{Board: name, Layout: outside})
			s := open(t, dir)
			for name := range areaFiles(s.Board) {
				area, err := s.Area(name)
				if err != nil {
					t.Fatal(err)
				}
				if _, ok := area.(syncer); ok {
					t.Errorf("%s of a device that is not durable has a Sync", name)
				}
			}
			s.Close()
			s = openDurable(t, dir)
			for name, file := range areaFiles(s.Board) {
				area, err := s.Area(name)
				if err != nil {
					t.Fatal(err)
				}
				testSync(t, dir, file, area)
			}
		})
	}
}

// areaFiles returns in which file each area of a device is, by the area's name.
func areaFiles(b *board.Board) map[string]string {
	files := make(map[string]string)
	for _, a := range b.Areas {
		files[a.Name] = flashFile
		if a.Attr == bus.NonSecure {
			files[a.Name] = flashNSFile
		}
	}
	for _, a := range b.External.Areas {
		files[a.Name] = externalFile
	}
	return files
}

func testSync(t *testing.T, dir, file string, area FlashArea) {
	t.Helper()
	sync := area.(syncer)
	for _, page := range []int{0, area.Size()/area.PageSize() - 1} {
		off := page * area.PageSize()
		if err := area.Erase(off); err != nil {
			t.Fatalf("%s, %#x: %v", file, area.Addr(), err)
		}
		if err := area.Program(off+8, []byte{1, 2, 3, 4}); err != nil {
			t.Fatal(err)
		}
		if err := sync.Sync(off, off+area.PageSize()); err != nil {
			t.Fatal(err)
		}
		if n := unwritten(t, dir, file); n > 0 {
			t.Errorf("%s, area at %#x, page %d: %d bytes are not on the disk", file, area.Addr(), page, n)
		}
	}
	for _, r := range [][2]int{{-1, 0}, {1, 0}, {0, area.Size() + 1}} {
		if err := sync.Sync(r[0], r[1]); !errors.As(err, new(*cells.RangeError)) {
			t.Errorf("sync of %d to %d: %v", r[0], r[1], err)
		}
	}
}

// Counters and UICR of a durable device are on the disk when they have answered.
func TestDurableWithoutASync(t *testing.T) {
	for _, name := range []string{"nrf5340", "nrf54l15"} {
		t.Run(name, func(t *testing.T) {
			dir := onDisk(t, ProvisionOptions{Board: name})
			s := openDurable(t, dir)
			for range 3 {
				if err := s.Counters.Increment(counters.PS0); err != nil {
					t.Fatal(err)
				}
				if n := unwritten(t, dir, flashFile); n > 0 {
					t.Errorf("counters: %d bytes are not on the disk", n)
				}
			}
			if err := s.uicr.ProtectErase(); err != nil {
				t.Fatal(err)
			}
			if n := unwritten(t, dir, uicrFile); n > 0 {
				t.Errorf("UICR: %d bytes are not on the disk", n)
			}
		})
	}
}

// What a boot that was not durable has left to the host is on its disk before a
// durable one uses it.
func TestDurableBootSyncsWhatItFinds(t *testing.T) {
	dir := onDisk(t, ProvisionOptions{})
	f, err := os.OpenFile(filepath.Join(dir, flashFile), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, _ := board.Lookup(board.Default)
	its, _ := b.Area(board.ITS)
	if _, err := f.WriteAt([]byte("left"), int64(its.Base-b.Flash.Base)); err != nil {
		t.Fatal(err)
	}
	s := openDurable(t, dir)
	area, err := s.Area(board.ITS)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if err := area.Read(0, got); err != nil || string(got) != "left" {
		t.Fatalf("%q, %v", got, err)
	}
	if n := unwritten(t, dir, flashFile); n > 0 {
		t.Errorf("%d bytes are not on the disk", n)
	}
}

// refuseSync puts /dev/null in the place of keys.bin, wherever this process has it
// open for writing: it can be written, and the kernel refuses to sync it.
func refuseSync(t *testing.T, path string) {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range fds {
		if target, _ := os.Readlink("/proc/self/fd/" + e.Name()); target == path {
			fd, err := strconv.Atoi(e.Name())
			if err == nil {
				err = unix.Dup3(int(null.Fd()), fd, unix.O_CLOEXEC)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Key slots of a durable device sync each change, and a failure of that is final.
// An ERASEALL that the host could not write is not over, on any device: the next
// boot completes it.
func TestUnsyncedKeySlots(t *testing.T) {
	for _, name := range []string{"nrf5340", "nrf54l15"} {
		for _, durable := range []bool{false, true} {
			dir := onDisk(t, ProvisionOptions{Board: name})
			s, err := Open(dir, OpenOptions{Durable: durable})
			if err != nil {
				t.Fatal(err)
			}
			refuseSync(t, filepath.Join(dir, keysFile))
			if err := s.blocks.keySlots.eraseAll(); errors.As(err, new(*disk.SyncError)) != durable {
				t.Errorf("%s, durable %v: erase of the slots: %v", name, durable, err)
			}
			if err := s.EraseAll(); !errors.As(err, new(*disk.SyncError)) {
				t.Errorf("%s, durable %v: ERASEALL: %v", name, durable, err)
			}
			if err := s.Close(); !errors.As(err, new(*disk.SyncError)) {
				t.Errorf("%s, durable %v: close: %v", name, durable, err)
			}
			if s := open(t, dir); !s.Blank {
				t.Errorf("%s, durable %v: not blank", name, durable)
			}
			if _, err := os.Stat(filepath.Join(dir, eraseFile)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s, durable %v: still erasing (%v)", name, durable, err)
			}
		}
	}
}

func TestDurableNeedsADisk(t *testing.T) {
	p, err := Provision(filepath.Join(disktest.Memory(t), "device"), ProvisionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, p.Dir)
	var e *DeviceError
	if _, err := Open(p.Dir, OpenOptions{Durable: true}); !errors.As(err, &e) || !strings.Contains(e.What, "tmpfs") {
		t.Errorf("on a tmpfs: %v", err)
	}
	if snapshot(t, p.Dir) != before {
		t.Error("something has changed")
	}
	open(t, p.Dir)
}

// Counts of writes that are later than the cells, as a host that lost its power
// may leave them, do not keep erased words from being written.
func TestWearAheadOfTheCells(t *testing.T) {
	for _, durable := range []bool{false, true} {
		dir := provision(t, ProvisionOptions{}).Dir
		if durable {
			dir = onDisk(t, ProvisionOptions{})
		}
		b, _ := board.Lookup(board.Default)
		wear, err := os.ReadFile(filepath.Join(dir, flashWearFile))
		if err != nil {
			t.Fatal(err)
		}
		counts := wear[4*(b.Flash.Size/b.Flash.Page):]
		copy(counts, bytes.Repeat([]byte{0xFF}, len(counts)))
		// The holder's number is in the lock of a device that nobody has closed.
		err = errors.Join(os.WriteFile(filepath.Join(dir, flashWearFile), wear, 0o600),
			os.WriteFile(filepath.Join(dir, lockFile), []byte("4711\n"), 0o600))
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, OpenOptions{Durable: durable})
		if err != nil {
			t.Fatal(err)
		}
		area, err := s.Area(board.ITS)
		if err == nil {
			err = area.Program(0, []byte{1, 2, 3, 4})
		}
		if err := errors.Join(err, s.Counters.Increment(counters.NS0), s.Close()); err != nil {
			t.Errorf("durable %v: %v", durable, err)
		}
	}
}
