package platform

import "errors"

// ErrEraseProtected is an ERASEALL that UICR.ERASEPROTECT forbids.
var ErrEraseProtected = errors.New("platform: the device is protected from being erased")

// EraseAll wipes the device: the values of all keys first, then flash, RAM and
// UICR. The external flash, which the chip's ERASEALL does not reach, stays.
// Then the chip is reset, since the program that runs has none of its memory
// left. Power that fails on the way leaves a device without keys, or a whole one.
func (s *SoC) EraseAll() error {
	if err := s.blocks.keySlots.eraseAll(); err != nil {
		return err
	}
	if err := s.blocks.flash.eraseAll(); err != nil {
		return err
	}
	s.blocks.ram.Clear()
	if err := s.uicr.EraseAll(); err != nil {
		return err
	}
	s.reset(EraseAll)
	return nil
}

// controllerErase is ERASEALL of the flash controller's registers, which asks the
// UICR itself.
func (s *SoC) controllerErase() error {
	if protected, err := s.uicr.EraseProtected(); err != nil || protected {
		return errors.Join(ErrEraseProtected, err)
	}
	return s.EraseAll()
}
