package platform

import (
	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/mpc"
	"github.com/postern-spe/postern/platform/sau"
	"github.com/postern-spe/postern/platform/spu"
)

// mpcAndSPUs is the protection of nRF54L: the core's SAU, the MPC for memory, and
// an SPU for each peripheral bus.
type mpcAndSPUs struct {
	*mpc.Guard
	mpc   *mpc.MPC
	sau   *sau.SAU
	spus  map[uint32]*spu.APB // by base, without alias
	board *board.Board
}

// divide opens windows for the non-secure world in what is secure else, with an
// override of the MPC and a region of the SAU each, and locks what is not used.
func (u mpcAndSPUs) divide(b *board.Board) error {
	windows := append(flashWindows(b), window{b.RAM.Base + b.SecureRAM, b.RAM.End()})
	for i, w := range windows {
		if err := u.mpc.SetOverride(i, mpc.NonSecure(w.start, w.end), true, true); err != nil {
			return err
		}
		if err := u.sau.SetRegion(i, w.start, w.end-1, false); err != nil {
			return err
		}
	}
	for i := len(windows); i < mpc.Overrides-1; i++ {
		if err := u.mpc.SetOverride(i, mpc.Override{}, false, true); err != nil {
			return err
		}
	}
	image, _ := b.Area(board.SecureImage)
	if err := u.sau.SetRegion(len(windows), image.End()-b.Callable, image.End()-1, true); err != nil {
		return err
	}
	if err := u.sau.SetRegion(len(windows)+1, board.NonSecureAlias, board.NonSecureAlias|^aliasNibble, false); err != nil {
		return err
	}
	if err := u.sau.Enable(); err != nil {
		return err
	}
	u.sau.Lock()
	for _, p := range b.Peripherals {
		if base, id, ok := b.ID(p); ok && p.NonSecure {
			if err := u.spus[base].SetPeripheral(uint8(id), false, false, true); err != nil {
				return err
			}
		}
	}
	if err := u.divideLines(b); err != nil {
		return err
	}
	u.mpc.EnableInterrupts()
	for _, a := range u.spus {
		a.EnableInterrupts()
	}
	return nil
}

const aliasNibble uint32 = 0xF0000000

// window is a run of addresses that are the non-secure world's, end excluded.
type window struct{ start, end uint32 }

// flashWindows returns the runs of the flash that are non-secure, and the FICR
// behind the flash, which one window has together with a run that ends there, as
// TF-M has them.
func flashWindows(b *board.Board) []window {
	var windows []window
	for _, e := range flashExtents(b, bus.NonSecure) {
		start := b.Flash.Base + uint32(e.off)
		windows = append(windows, window{start, start + uint32(e.size)})
	}
	if last := len(windows) - 1; last >= 0 && windows[last].end == b.Flash.End() {
		windows[last].end = b.UICR
		return windows
	}
	return append(windows, window{b.FICR.Base, b.UICR})
}

// divideLines divides channels and pins.
func (u mpcAndSPUs) divideLines(b *board.Board) error {
	for _, d := range b.DPPI {
		a := u.of(d.Instance)
		if err := a.SetDPPI(d.Secure, true); err != nil {
			return err
		}
		if err := a.SetDPPIGroups(0, true); err != nil {
			return err
		}
	}
	for port, g := range b.GPIO {
		if err := u.of(g.Instance).SetGPIO(port, g.Secure, true); err != nil {
			return err
		}
	}
	return nil
}

// of returns the SPU that guards an instance.
func (u mpcAndSPUs) of(instance string) *spu.APB {
	p, _ := u.board.Peripheral(instance)
	base, _, _ := u.board.ID(p)
	return u.spus[base]
}

// securePins: a port's number is its index in FEATURE.GPIO, whichever SPU has it.
func (u mpcAndSPUs) securePins(instance string) func() uint32 {
	for port, g := range u.board.GPIO {
		if g.Instance == instance {
			return func() uint32 { return u.of(instance).SecurePins(port) }
		}
	}
	return nil
}

func (u mpcAndSPUs) secureChannels(instance string) func() uint32 {
	return u.of(instance).SecureChannels
}

func (u mpcAndSPUs) secureGroups(instance string) func() uint32 { return u.of(instance).SecureGroups }

func (u mpcAndSPUs) dma(p board.Peripheral) bus.Attribute {
	if base, id, ok := u.board.ID(p); ok {
		return u.spus[base].DMAAttr(uint8(id))
	}
	return bus.Secure
}

func (u mpcAndSPUs) cpuLock() func() uint32 { return nil }
