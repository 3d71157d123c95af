package platform

import (
	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/spu"
)

// oneSPU is the protection of nRF53 and nRF91.
type oneSPU struct {
	*spu.SPU
	board *board.Board
}

func (u oneSPU) divide(b *board.Board) error {
	for _, a := range b.Areas {
		if a.Name == board.Bootloader {
			continue // it has protected itself
		}
		if a.Rights != 0 {
			if err := u.SetFlash(a.Base, a.Size, a.Attr == bus.Secure, a.Rights, true); err != nil {
				return err
			}
		}
		if a.Name == board.SecureImage {
			if err := u.SetCallable(a.End(), b.Callable); err != nil {
				return err
			}
		}
	}
	const all = bus.Read | bus.Write | bus.Execute
	if err := u.SetRAM(b.RAM.Base, b.SecureRAM, true, all, true); err != nil {
		return err
	}
	if err := u.SetRAM(b.RAM.Base+b.SecureRAM, b.RAM.Size-b.SecureRAM, false, all, true); err != nil {
		return err
	}
	for _, p := range b.Peripherals {
		if _, id, ok := b.ID(p); ok && p.NonSecure {
			if err := u.SetPeripheral(uint8(id), false, false, true); err != nil {
				return err
			}
		}
	}
	for _, d := range b.DPPI {
		if err := u.SetDPPI(d.Secure, true); err != nil {
			return err
		}
	}
	for port, g := range b.GPIO {
		if err := u.SetGPIO(port, g.Secure, true); err != nil {
			return err
		}
	}
	if b.Domain != nil {
		if err := u.SetExternal(false, true); err != nil {
			return err
		}
	}
	u.EnableInterrupts()
	return nil
}

func (u oneSPU) securePins(instance string) func() uint32 {
	for port, g := range u.board.GPIO {
		if g.Instance == instance {
			return func() uint32 { return u.SecurePins(port) }
		}
	}
	return nil
}

func (u oneSPU) secureChannels(string) func() uint32 { return u.SecureChannels }

// secureGroups: a group is as secure as its channels here.
func (u oneSPU) secureGroups(string) func() uint32 { return nil }

func (u oneSPU) dma(p board.Peripheral) bus.Attribute {
	if _, id, ok := u.board.ID(p); ok {
		return u.DMAAttr(uint8(id))
	}
	return bus.Secure
}

func (u oneSPU) cpuLock() func() uint32 {
	return func() uint32 {
		v, _ := u.ReadRegister(spu.RegCPULock, bus.Secure)
		return v
	}
}
