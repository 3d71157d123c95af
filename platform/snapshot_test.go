package platform

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/postern-spe/postern/platform/board"
)

// offline takes a snapshot of a device's storage, which must not change anything.
func offline(t *testing.T, dir string) *Snapshot {
	t.Helper()
	before := snapshot(t, dir)
	s, err := TakeSnapshot(dir, SnapshotOptions{Areas: []string{board.ITS, board.PS}, Offline: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if after := snapshot(t, dir); after != before {
		t.Errorf("changed:\n%s\nto\n%s", before, after)
	}
	return s
}

func readArea(t *testing.T, a FlashArea) []byte {
	t.Helper()
	p := make([]byte, a.Size())
	if err := a.Read(0, p); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSnapshotHoldsTheAreas: a snapshot has what the device had, in the areas that
// were asked for and in no other, and what is done to it stays in it.
func TestSnapshotHoldsTheAreas(t *testing.T) {
	devices := layouts()
	for _, name := range []string{"nrf5340", "nrf9160", "nrf54l15"} {
		devices[name] = ProvisionOptions{Board: name}
	}
	for name, o := range devices {
		t.Run(name, func(t *testing.T) {
			dir := provision(t, o).Dir
			soc := open(t, dir)
			want := map[string][]byte{}
			for _, name := range []string{board.ITS, board.PS} {
				a, err := soc.Area(name)
				if err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(a.Erase(a.PageSize()), a.Program(a.PageSize()+16, []byte("marks of " + name + "  ")[:12])); err != nil {
					t.Fatal(err)
				}
				want[name] = readArea(t, a)
			}
			if err := soc.Close(); err != nil {
				t.Fatal(err)
			}
			s := offline(t, dir)
			if s.Torn || s.Report.UsedBy != 0 || s.Report.Board != o.Board || s.Report.Lifecycle != "secured" {
				t.Errorf("%+v", s)
			}
			for name, want := range want {
				a, err := s.Area(name)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(readArea(t, a), want) {
					t.Errorf("%s: not what the device holds", name)
				}
				m, area := s.Report.Area(name)
				if m == nil || int(area.Size) != a.Size() || len(m.WearOf(area)) != a.Size()/a.PageSize() {
					t.Fatalf("%s: %+v in %+v", name, area, m)
				}
				outside := slices.ContainsFunc(o.Layout, func(p board.Placement) bool { return p.Area == name && p.Region == external })
				if outside != (m.Name == MemoryExternal) || !outside && area.Base != a.Addr() {
					t.Errorf("%s is at 0x%x in %s", name, area.Base, m.Name)
				}
				if wear := m.WearOf(area); wear[1] == 0 {
					t.Errorf("%s: wear %v after an erase of its second page", name, wear)
				}
			}
			a, _ := s.Area(board.ITS)
			before := snapshot(t, dir)
			if err := errors.Join(a.Erase(0), a.Program(0, []byte("of the copy."))); err != nil {
				t.Fatal(err)
			}
			if snapshot(t, dir) != before {
				t.Error("a write to the snapshot has reached the device")
			}
			if _, err := s.Area(board.NVCounters); err == nil {
				t.Error("an area that was not asked for")
			}
			if m, _ := s.Report.Area("nowhere"); m != nil {
				t.Errorf("an area that there is not: %+v", m)
			}
		})
	}
}

// TestSnapshotInUse: offline it is refused, and says who uses it; else it is
// copied, at once if nobody writes.
func TestSnapshotInUse(t *testing.T) {
	dir := provision(t, ProvisionOptions{}).Dir
	soc := open(t, dir)
	var used *InUseError
	if _, err := TakeSnapshot(dir, SnapshotOptions{Areas: []string{board.ITS}, Offline: true}); !errors.As(err, &used) || used.PID != os.Getpid() {
		t.Errorf("offline: %v", err)
	}
	s, err := TakeSnapshot(dir, SnapshotOptions{Areas: []string{board.ITS}})
	if err != nil {
		t.Fatal(err)
	}
	if s.Torn || s.Report.UsedBy != os.Getpid() {
		t.Errorf("torn: %t, used by %d", s.Torn, s.Report.UsedBy)
	}
	if err := errors.Join(s.Close(), soc.Close()); err != nil {
		t.Fatal(err)
	}
	offline(t, dir) // which lets go of the lock
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
}

// TestSnapshotOfAMovingDevice: what was written after the copy shows.
func TestSnapshotOfAMovingDevice(t *testing.T) {
	dir := provision(t, ProvisionOptions{}).Dir
	soc := open(t, dir)
	d, err := openDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	s, err := d.snapshot([]string{board.ITS, board.PS})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if moved, err := d.moved(s); moved || err != nil {
		t.Errorf("nobody has written: %t, %v", moved, err)
	}
	a, err := soc.Area(board.PS)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Program(a.Size()-4, []byte{1, 2, 3, 4}); err != nil {
		t.Fatal(err)
	}
	if moved, err := d.moved(s); !moved || err != nil {
		t.Errorf("a word was written: %t, %v", moved, err)
	}
}

// TestSnapshotRefusals: what Open refuses is refused in the same words, and
// storage that is not sound is not.
func TestSnapshotRefusals(t *testing.T) {
	sound := provision(t, ProvisionOptions{}).Dir
	for name, damage := range map[string]func(dir string) error{
		"flash short":  func(dir string) error { return os.Truncate(filepath.Join(dir, flashFile), 4096) },
		"no keys":      func(dir string) error { return os.Remove(filepath.Join(dir, keysFile)) },
		"not a device": func(dir string) error { return os.Remove(filepath.Join(dir, deviceFile)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := clone(t, sound)
			if err := damage(dir); err != nil {
				t.Fatal(err)
			}
			_, err := TakeSnapshot(dir, SnapshotOptions{Offline: true})
			_, opened := Open(dir, OpenOptions{})
			if err == nil || opened == nil || err.Error() != opened.Error() {
				t.Errorf("%v; Open: %v", err, opened)
			}
		})
	}
	dir := clone(t, sound)
	if err := os.Remove(filepath.Join(dir, lockFile)); err != nil {
		t.Fatal(err)
	}
	s := offline(t, dir) // a copy that came without: none is made
	if _, err := s.Area(board.ITS); err != nil {
		t.Error(err)
	}
	if _, err := TakeSnapshot(dir, SnapshotOptions{Areas: []string{"nowhere"}}); err == nil {
		t.Error("an area that there is not")
	}
}
