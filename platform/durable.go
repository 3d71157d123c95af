package platform

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/disk"
)

// memory is cells that the host can be asked to write to its disk.
type memory interface {
	// SyncRange returns when the cells from..to are there.
	SyncRange(from, to int) error
}

// durableArea is an area of a device that is durable. Having Sync is how its user
// is told that an operation which has returned is not on the host's disk yet.
type durableArea struct {
	FlashArea
	memory memory
	off    int // of the area in the memory
}

// Sync returns when the bytes from..to of the area are on the host's disk. An
// error of the host is a *disk.SyncError, and the end of the whole memory: every
// operation on any area of it answers that from then on.
func (a durableArea) Sync(from, to int) error {
	if from < 0 || to < from || to > a.Size() {
		return &cells.RangeError{Op: "sync", Off: from, Len: to - from, Size: a.Size()}
	}
	return a.memory.SyncRange(a.off+from, a.off+to)
}

// durably returns the area a, at off in m, as its user gets it.
func (s *SoC) durably(a FlashArea, m memory, off int) FlashArea {
	if !s.durable {
		return a
	}
	return durableArea{a, m, off}
}

// deviceFiles are the files of a device that are there between two boots.
var deviceFiles = [...]string{
	deviceFile, IAKFile, lockFile, flashFile, flashNSFile, flashWearFile,
	uicrFile, uicrWearFile, keysFile, externalFile, externalWearFile,
}

// settle brings a device to the host's disk, as whoever had it before has left
// it, and lets the kernel forget what it has of it in memory. So nothing is taken
// from it that could be lost yet: neither what was programmed before a kill, or a
// boot that was not durable, nor what the kernel could not write once and keeps
// as if it had. What comes back for a mapping comes in small pages, besides: a file
// that was written in one go is in large ones, each of which is written whole for
// a word that changes.
func (d *directory) settle() error {
	if name, err := disk.InMemory(d.f); err != nil {
		return fmt.Errorf("platform: %s: %w", d.name, err)
	} else if name != "" {
		return &DeviceError{d.name, "is on a " + name + ", which ends with the host's power: a durable device needs a disk"}
	}
	for _, name := range deviceFiles {
		if err := d.settleFile(name); err != nil {
			return fmt.Errorf("platform: %s: %w", d.path(name), err)
		}
	}
	if err := d.f.Sync(); err != nil {
		return fmt.Errorf("platform: %w", err)
	}
	return nil
}

func (d *directory) settleFile(name string) error {
	f, err := d.open(name, unix.O_RDONLY)
	if err != nil {
		return nil // whoever needs it says what is wrong with it
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return err
	}
	if err := f.Sync(); err != nil {
		return errors.Unwrap(err)
	}
	// Pages that are mapped elsewhere stay: advice is all there is.
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	return nil
}

// reconcile takes back counts of wear that may be of another moment than the
// cells: see cells.Flash.Reconcile.
func (b *blocks) reconcile() error {
	var errs []error
	for _, c := range b.closers {
		if f, ok := c.(*cells.Flash); ok {
			errs = append(errs, f.Reconcile())
		}
	}
	return errors.Join(errs...)
}
