package platform

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrEraseProtected is an ERASEALL that UICR.ERASEPROTECT forbids.
var ErrEraseProtected = errors.New("platform: the device is protected from being erased")

// eraseFile says that an ERASEALL has begun and not ended. The controller of the
// chip goes on until it is done; one that loses its power is taken here to go on
// when it is back, so that a device is never left half wiped.
const eraseFile = "erasing"

// EraseAll wipes the device: the values of all keys first, then flash, RAM and
// UICR. The external flash, which the chip's ERASEALL does not reach, stays.
// Then the chip is reset, since the program that runs has none of its memory
// left. What a power failure interrupts is completed by the next Open.
func (s *SoC) EraseAll() error {
	// The protections fall with the UICR, last of all: the keys never lie behind
	// an open port, and the next boot knows what to do from the first step on.
	f, err := os.OpenFile(s.images.path(eraseFile), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("platform: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("platform: %w", err)
	}
	// A host that loses its power may have written any of what follows: the file
	// is on its disk before, and goes after.
	if err := syncDirectory(s.images.dir); err != nil {
		return err
	}
	// Calls under way would write to what has been wiped already.
	s.Power.Halt()
	if err := s.wipe(); err != nil {
		return err
	}
	s.reset(EraseAll)
	return nil
}

// wipe does what eraseFile announces, and removes it.
func (s *SoC) wipe() error {
	if err := s.wipeMemories(); err != nil {
		return err
	}
	if err := s.images.sync(); err != nil {
		return fmt.Errorf("platform: %w", err)
	}
	if err := os.Remove(s.images.path(eraseFile)); err != nil {
		return fmt.Errorf("platform: %w", err)
	}
	return syncDirectory(s.images.dir)
}

func (s *SoC) wipeMemories() error {
	if err := s.blocks.keySlots.eraseAll(); err != nil {
		return err
	}
	if err := s.blocks.flash.eraseAll(); err != nil {
		return err
	}
	s.blocks.ram.Clear()
	return s.uicr.EraseAll()
}

// controllerErase is ERASEALL of the flash controller's registers, which asks the
// UICR itself.
func (s *SoC) controllerErase() error {
	if protected, err := s.uicr.EraseProtected(); err != nil || protected {
		return errors.Join(ErrEraseProtected, err)
	}
	return s.EraseAll()
}

// erasing reports whether an ERASEALL has begun and not ended.
func (d *directory) erasing() bool {
	return unix.Faccessat(int(d.f.Fd()), eraseFile, unix.F_OK, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// finishErase completes an ERASEALL that was interrupted, and reports whether
// there was one.
func (d *directory) finishErase(o OpenOptions) (bool, error) {
	if !d.erasing() {
		return false, nil
	}
	desc, b, err := d.description()
	if err != nil {
		return true, err
	}
	s, err := d.power(desc, b, OpenOptions{})
	if err != nil {
		return true, err
	}
	s.Power.CutAt(o.PowerFailAt, o.PowerFailSeed) // it can be interrupted again
	return true, errors.Join(s.wipe(), s.Close())
}
