package bus

import (
	"errors"

	"github.com/postern-spe/postern/platform/kmu"
	"github.com/postern-spe/postern/platform/nvmc"
	"github.com/postern-spe/postern/platform/spu"
	"github.com/postern-spe/postern/platform/uicr"
)

// Peripherals lie at 0x4xxx_xxxx for non-secure transactions and at
// 0x5xxx_xxxx for secure ones; the rest of the address names the register.
const (
	aliasMask       = 0xF0000000
	nonSecureAlias  = 0x40000000
	secureAlias     = 0x50000000
	peripheralSize  = 0x1000
	cryptoCellSize  = 0x2000 // wrapper page and register page
	peripheralShift = 12
)

func isPeripheral(addr uint32) bool {
	return addr&aliasMask == nonSecureAlias || addr&aliasMask == secureAlias
}

// block is a peripheral that is decoded.
type block uint8

const (
	noBlock block = iota
	spuBlock
	nvmcBlock // and KMU
	silentBlock
)

// decode finds the peripheral of an address: what answers, its ID, and the
// offset in it.
func (b *Bus) decode(addr uint32) (what block, id uint8, off uint32) {
	a := addr &^ aliasMask
	for _, p := range []struct {
		base, size uint32
		what       block
	}{
		{b.board.SPU, peripheralSize, spuBlock},
		{b.board.NVMC, peripheralSize, nvmcBlock},
		{b.board.CtrlAP, peripheralSize, silentBlock},
		{b.board.CryptoCell, cryptoCellSize, silentBlock},
	} {
		if a-p.base < p.size {
			return p.what, uint8(p.base >> peripheralShift), a - p.base
		}
	}
	return noBlock, 0, 0
}

// register decides an access to a peripheral's register. Registers are words.
// view is the attribute that the transaction has on the far side of the alias
// it went through.
func (b *Bus) register(addr uint32, width int, attr spu.Attribute) (what block, off uint32, view spu.Attribute, f spu.Fault) {
	what, id, off := b.decode(addr)
	secure := addr&aliasMask == secureAlias
	view = spu.NonSecure
	if secure {
		view = spu.Secure
	}
	if what == noBlock {
		// No such peripheral; still, the secure alias tells nothing to the
		// non-secure world.
		if secure && attr == spu.NonSecure {
			b.spu.RaisePeripheral()
			return what, off, view, spu.SecureFault
		}
		return what, off, view, spu.BusFault
	}
	if f := b.spu.CheckPeripheral(id, secure, attr); f != spu.NoFault {
		return what, off, view, f
	}
	if width != 4 {
		return what, off, view, spu.BusFault
	}
	// The KMU shares the NVMC's page, and the SPU knows pages only. That its
	// registers fault rather than read zero in the non-secure view is inferred
	// from "secure only".
	if what == nvmcBlock && view == spu.NonSecure && kmu.HasRegister(off) {
		b.spu.RaisePeripheral()
		return what, off, view, spu.SecureFault
	}
	return what, off, view, spu.NoFault
}

func (b *Bus) loadRegister(addr uint32, width int, attr spu.Attribute) (uint32, spu.Fault) {
	what, off, view, f := b.register(addr, width, attr)
	if f != spu.NoFault {
		return 0, f
	}
	switch {
	case what == spuBlock:
		return b.spu.ReadRegister(off), spu.NoFault
	case what == nvmcBlock && kmu.HasRegister(off):
		return b.kmu.ReadRegister(off), spu.NoFault
	case what == nvmcBlock:
		return b.nvmc.ReadRegister(off, view), spu.NoFault
	}
	return 0, spu.NoFault
}

func (b *Bus) storeRegister(addr uint32, width int, v uint32, attr spu.Attribute) spu.Fault {
	what, off, view, f := b.register(addr, width, attr)
	if f != spu.NoFault {
		return f
	}
	switch {
	case what == spuBlock:
		b.spu.WriteRegister(off, v)
	case what == nvmcBlock && kmu.HasRegister(off):
		b.kmu.WriteRegister(off, v)
	case what == nvmcBlock:
		b.nvmc.WriteRegister(off, v, view)
	}
	return spu.NoFault
}

// uicrAllowed: no FLASHREGION covers the UICR; it is the secure world's, and
// holds no code.
func (b *Bus) uicrAllowed(access spu.Access, attr spu.Attribute) spu.Fault {
	switch {
	case attr == spu.NonSecure:
		b.spu.RaiseFlash()
		return spu.SecureFault
	case access == spu.Execute:
		return spu.BusFault
	}
	return spu.NoFault
}

func (b *Bus) loadUICR(addr uint32, width int, access spu.Access, attr spu.Attribute) (uint32, spu.Fault) {
	if f := b.uicrAllowed(access, attr); f != spu.NoFault {
		return 0, f
	}
	off := addr - b.board.UICR
	word := off &^ 3
	var v uint32
	if word >= uicr.RegKeySlotConfig {
		v = b.kmu.Load(word)
	} else {
		var err error
		if v, err = b.uicr.Word(int(word)); err != nil {
			return 0, spu.BusFault
		}
	}
	shift := 8 * (off & 3)
	return v >> shift & (1<<(8*width) - 1), spu.NoFault
}

// readUICRBlock reads byte by byte, so that key slots go through the KMU.
func (b *Bus) readUICRBlock(addr uint32, p []byte, attr spu.Attribute) (uint32, spu.Fault) {
	for i := range p {
		at := addr + uint32(i)
		if !b.isUICR(at) {
			return at, spu.BusFault
		}
		v, f := b.loadUICR(at, 1, spu.Read, attr)
		if f != spu.NoFault {
			return at, f
		}
		p[i] = byte(v)
	}
	return 0, spu.NoFault
}

// storeUICR programs a word of the UICR. Key slots are written by the KMU's
// driver only. A halfword that has been written before ignores the store.
func (b *Bus) storeUICR(addr uint32, width int, v uint32, attr spu.Attribute) spu.Fault {
	if f := b.uicrAllowed(spu.Write, attr); f != spu.NoFault {
		return f
	}
	if width != 4 || !b.nvmc.WriteEnabled() {
		return spu.BusFault
	}
	return programmed(b.uicr.ProgramWord(int(addr-b.board.UICR), v))
}

// programmed turns the outcome of a store to flash cells into what the
// processor sees: the chip says nothing about bits that stay 0 and halfwords
// that are written once.
func programmed(err error) spu.Fault {
	var kept *nvmc.ProgramError
	if err == nil || errors.As(err, &kept) || errors.Is(err, uicr.ErrWriteOnce) {
		return spu.NoFault
	}
	return spu.BusFault
}
