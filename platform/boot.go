package platform

import (
	"errors"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/spu"
)

// Boot programs and locks the SPU as TF-M does on the nRF53 (spu_init_cfg):
// secure code may be read and executed but not written, the non-secure image,
// the secondary slot and the non-secure storage are given to the non-secure
// world, the end of the secure image becomes non-secure callable, RAM is
// divided, the access-error interrupts are enabled. PS, ITS and the counters
// stay as a reset leaves them: secure. The locks last until the next Open; a
// second Boot is an error.
func (s *SoC) Boot() error {
	if s.SPU.ReadRegister(spu.RegFlashNSC)&spu.PermLock != 0 {
		return errors.New("platform: the device has booted already")
	}
	for _, a := range s.Board.Areas {
		if a.Rights == 0 {
			continue
		}
		if err := s.SPU.SetFlash(a.Base, a.Size, a.Attr == spu.Secure, a.Rights, true); err != nil {
			return err
		}
		if a.Name == board.SecureImage {
			if err := s.SPU.SetCallable(a.End(), s.Board.Callable); err != nil {
				return err
			}
		}
	}
	const all = spu.Read | spu.Write | spu.Execute
	m := s.Board.Memory
	if err := s.SPU.SetRAM(m.RAMBase, s.Board.SecureRAM, true, all, true); err != nil {
		return err
	}
	if err := s.SPU.SetRAM(m.RAMBase+s.Board.SecureRAM, m.RAMSize-s.Board.SecureRAM, false, all, true); err != nil {
		return err
	}
	const ramFlashPeriph = 0x7
	s.SPU.WriteRegister(spu.RegIntEnSet, ramFlashPeriph)
	return nil
}
