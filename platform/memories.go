package platform

import (
	"encoding/binary"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/nvmc"
	"github.com/postern-spe/postern/platform/rramc"
)

// norFlash is the flash of nRF53 and nRF91 behind its NVMC.
type norFlash struct {
	*nvmc.Controller
	variant nvmc.Variant
}

func (f norFlash) area(addr, size uint32) FlashArea { return f.Area(addr, size) }

func (f norFlash) memory() memory { return f.Flash() }

// permits: the NVMC has no rule of its own about who may access what.
func (f norFlash) permits(uint32, int, bus.Access, bus.Origin) bool { return true }

func (f norFlash) eraseAll() error { return f.EraseAll() }

// writable: CONFIG governs the UICR as well, and a word of it takes as long.
func (f norFlash) writable() bus.Fault {
	if !f.WriteEnabled() {
		return bus.BusFault
	}
	f.Spend(f.variant.Write)
	return bus.NoFault
}

// rramFlash is the RRAM of nRF54L behind its RRAMC.
type rramFlash struct{ *rramc.Controller }

func (f rramFlash) area(addr, size uint32) FlashArea { return f.Area(addr, size) }

func (f rramFlash) memory() memory { return f.RRAM() }

func (f rramFlash) permits(addr uint32, n int, access bus.Access, from bus.Origin) bool {
	return f.Permits(addr, n, access, from)
}

func (f rramFlash) eraseAll() error { return f.EraseAll() }

func (f rramFlash) writable() bus.Fault {
	if !f.WriteEnabled() {
		return bus.BusFault
	}
	f.Spend(rramc.NRF54L15().Write)
	return bus.NoFault
}

// enableWrites puts the RRAMC into unbuffered write mode for the KMU, and returns
// what puts CONFIG back.
func (f rramFlash) enableWrites() (restore func()) {
	const wen = 1
	before, _ := f.ReadRegister(rramc.RegConfig, bus.Secure)
	f.WriteRegister(rramc.RegConfig, wen, bus.Secure)
	return func() { f.WriteRegister(rramc.RegConfig, before, bus.Secure) }
}

// ficr is the page of factory information: words that only read. What is not
// known of it reads as erased.
type ficr struct {
	base  uint32
	words map[uint32]uint32
}

func newFICR(f board.FICR, id []byte) *ficr {
	words := make(map[uint32]uint32)
	for _, w := range f.Words {
		words[w.Off] = w.Value
	}
	for i := range uint32(2) {
		words[f.DeviceID+4*i] = binary.LittleEndian.Uint32(id[4*i:])
	}
	return &ficr{f.Base, words}
}

// Load is a load from the page: see bus.Memory.
func (f *ficr) Load(addr uint32, p []byte, _ bus.Access, _ bus.Origin) bus.Fault {
	for i := range p {
		off := addr - f.base + uint32(i)
		w, ok := f.words[off&^3]
		if !ok {
			w = erasedWord
		}
		p[i] = byte(w >> (8 * (off & 3)))
	}
	return bus.NoFault
}

// Store: nothing writes to it.
func (f *ficr) Store(uint32, int, uint32, bus.Origin) bus.Fault { return bus.BusFault }

// xip is the window on the external flash. It is outside the SPU's attribution as
// memory; taken here to be as secure as the peripheral behind it.
type xip struct {
	bus.Memory
	soc *SoC
}

func (x xip) Load(addr uint32, p []byte, access bus.Access, from bus.Origin) bus.Fault {
	if from.Attr == bus.NonSecure && (qspiDMA{x.soc}).origin().Attr == bus.Secure {
		x.soc.guard.Refuse(addr, access, from)
		return bus.SecureFault
	}
	return x.Memory.Load(addr, p, access, from)
}
