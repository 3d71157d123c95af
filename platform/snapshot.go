package platform

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sys/unix"
)

// Snapshot is a copy in memory of what a device keeps in some of its areas. What
// is done to the copy does not reach the device. It holds what the device's
// secure world has stored, some of it in the clear: Close gives it back.
type Snapshot struct {
	// Report is what Inspect says, as far as nothing has to boot for it: no
	// rights, no key slots, no counters, and nothing of the debug port.
	Report *Report
	// Torn: the device is in use, and did not stop writing. The copy is of no one
	// moment, and what looks damaged in it need not be.
	Torn bool

	soc   *SoC
	areas []string
}

// SnapshotOptions is what to copy, and when.
type SnapshotOptions struct {
	// Areas are the names of areas: board.ITS, board.PS ...
	Areas []string
	// Offline refuses a device that is in use, with an *InUseError, and keeps it
	// from being opened until the copy is made.
	Offline bool
}

// TakeSnapshot copies areas of the device in dir, of which it changes no file. A
// directory that is not a sound device gives a *DeviceError, as Open does; what
// the areas hold is not looked at.
//
// A device that is in use, if Offline does not refuse it, is copied until nobody
// has written meanwhile, but not for ever: see Torn. The copy is of one moment,
// which may be one in the middle of a write.
func TakeSnapshot(dir string, o SnapshotOptions) (*Snapshot, error) {
	d, err := openDirectory(dir)
	if err != nil {
		return nil, err
	}
	defer d.close()
	user := 0
	if o.Offline {
		lock, err := d.lockToLook()
		if err != nil {
			return nil, err
		}
		if lock != nil {
			defer unlock(lock)
		}
	} else if user, err = d.user(); err != nil {
		return nil, err
	}
	const attempts = 8
	for n := 1; ; n++ {
		s, err := d.snapshot(o.Areas)
		if err == nil && !o.Offline {
			s.Report.UsedBy = user
			if s.Torn, err = d.moved(s); err != nil {
				err = errors.Join(err, s.Close())
			}
		}
		switch {
		case err != nil && (user == 0 || n == attempts):
			return nil, err
		case err == nil && (!s.Torn || n == attempts):
			return s, nil
		case err == nil:
			if err := s.Close(); err != nil {
				return nil, err
			}
		}
	}
}

func (d *directory) snapshot(areas []string) (*Snapshot, error) {
	soc, report, err := d.look(areas...)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{Report: report, soc: soc, areas: areas}
	for _, name := range areas {
		if _, err := soc.Area(name); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// moved reports whether the device's files hold by now something else than the
// copy. If not, then the copy is what they all held when it was complete.
func (d *directory) moved(s *Snapshot) (bool, error) {
	for _, name := range s.areas {
		area, err := s.Area(name)
		if err != nil {
			return false, err
		}
		same, err := d.holds(s.soc, name, area)
		if err != nil || !same {
			return true, err
		}
	}
	return false, nil
}

// holds reports whether the device's own cells of an area are those of the copy.
func (d *directory) holds(soc *SoC, name string, area FlashArea) (bool, error) {
	file, run := areaCells(soc.Board, name)
	f, err := d.open(file, unix.O_RDONLY)
	if err != nil {
		return false, d.explain(file, err)
	}
	defer f.Close()
	cells := io.NewSectionReader(f, run.off, run.size)
	now, then := make([]byte, area.PageSize()), make([]byte, area.PageSize())
	defer func() { clear(now); clear(then) }()
	for off := 0; off < area.Size(); off += len(then) {
		if _, err := cells.ReadAt(now, int64(off)); err != nil {
			return false, fmt.Errorf("platform: %s: %w", d.path(file), err)
		}
		if err := area.Read(off, then); err != nil {
			return false, err
		}
		if !bytes.Equal(now, then) {
			return false, nil
		}
	}
	return true, nil
}

// Area returns the flash driver of the copy of one of the areas.
func (s *Snapshot) Area(name string) (FlashArea, error) {
	if !slices.Contains(s.areas, name) {
		return nil, fmt.Errorf("platform: area %q is not in the snapshot", name)
	}
	return s.soc.Area(name)
}

// Close gives the copy back.
func (s *Snapshot) Close() error { return s.soc.Close() }
