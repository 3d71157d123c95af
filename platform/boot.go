package platform

import (
	"errors"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/fprotect"
	"github.com/postern-spe/postern/platform/scb"
)

// Boot does what TF-M's first instructions do on these boards: it divides memory,
// peripherals, channels and pins between the worlds as the board's table says,
// locks that until the next reset, lets blocked accesses interrupt, keeps the
// reset of the system for secure software, and sets the debug port as the device
// was provisioned. There is one Boot between two resets.
func (s *SoC) Boot() error {
	switch {
	case s.Blank:
		return errors.New("platform: the device is blank, there is nothing to boot")
	case s.booted:
		return errors.New("platform: the device has booted already")
	}
	s.booted = true
	if err := s.protectBootloader(); err != nil {
		return err
	}
	if err := s.blocks.protection.divide(s.Board); err != nil {
		return err
	}
	if rramc, ok := s.blocks.flash.(rramFlash); ok {
		// The RRAMC is the secure world's, and non-secure code writes its own RRAM
		// by plain stores: so writing stays enabled, and the MPC says where.
		rramc.enableWrites()
	}
	// Only secure software resets the system from here on.
	s.blocks.scb.WriteRegister(scb.RegAIRCR, scb.VectKey|scb.SysResetReqS, bus.Secure)
	return s.bootDebug()
}

// protectBootloader is the bootloader's own last act: nobody changes it until the
// next reset. The two regions of the RRAMC hold 62 KiB, so the last 2 KiB of
// nRF54L's, which are spare, stay open to the secure world.
func (s *SoC) protectBootloader() error {
	bl2, _ := s.Board.Area(board.Bootloader)
	if rramc, ok := s.blocks.flash.(rramFlash); ok {
		const most, first, second = 62 << 10, 3, 4
		regions := fprotect.OnRRAMC(rramc, s.Board.Flash.Size, first, second)
		return regions.Protect(bl2.Base, min(int(bl2.Size), most))
	}
	blocks := fprotect.OnSPU(s.blocks.protection.(oneSPU).SPU, s.Board.Flash.Base, s.Board.Flash.Size, s.Board.Flash.Region)
	return blocks.Protect(bl2.Base, int(bl2.Size))
}

// protection is the units that divide the chip between the worlds.
type protection interface {
	bus.Guard
	// divide gives each world what the board's table gives it, and locks it.
	divide(b *board.Board) error
	// securePins and secureChannels are the lines of an instance that the
	// non-secure view must not have.
	securePins(instance string) func() uint32
	secureChannels(instance string) func() uint32
	secureGroups(instance string) func() uint32
	// dma is the attribute of the transactions of a peripheral's EasyDMA.
	dma(p board.Peripheral) bus.Attribute
	// cpuLock returns the CPULOCK register; nil where there is none.
	cpuLock() func() uint32
}
