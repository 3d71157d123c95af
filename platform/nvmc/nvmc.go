// Package nvmc emulates the flash of the nRF5340 application core and the
// Non-Volatile Memory Controller before it (nRF5340 Product Specification,
// chapter NVMC): cells that are programmed from 1 to 0 by aligned 32-bit words
// and erased by pages of 4096 bytes.
//
// Array is the cells, in a mapped file or in memory. Controller puts them at an
// address behind the SPU and has the registers READY, READYNEXT, CONFIG and
// CONFIGNS. Area is the secure driver of one part of the flash: what the
// storage partitions hold.
//
// Not emulated: the time that operations take (READY always reads 1), wear, the
// limit of two writes per word, partial erase, ERASEALL, WRITEUICRNS and the
// cache. Nothing here is reached by bytes of the non-secure world except
// through the bus, which passes stores to Controller.Store after the SPU's
// decision.
package nvmc

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/postern-spe/postern/platform/spu"
)

// Register offsets from the NVMC's base.
const (
	RegReady     = 0x400
	RegReadyNext = 0x408
	RegConfig    = 0x504
	RegConfigNS  = 0x584
)

// The values of CONFIG.WEN and CONFIGNS.WEN that are emulated.
const (
	Ren uint32 = 0 // read only
	Wen uint32 = 1 // a store programs a word
	Een uint32 = 2 // a store of 0xFFFFFFFF to the first word of a page erases it

	wenMask   = 0x7
	wenMaskNS = 0x3
)

// Controller is an NVMC: an array at an address, and the registers. All methods
// are safe for concurrent use.
type Controller struct {
	array            *Array
	spu              *spu.SPU
	base             uint32
	config, configNS atomic.Uint32
}

// New returns the controller of an array at base, guarded by s, in read mode.
func New(a *Array, base uint32, s *spu.SPU) *Controller {
	return &Controller{array: a, spu: s, base: base}
}

// Array returns the cells themselves, past SPU and registers: for power cuts
// and for tools that look at a device that is not running.
func (c *Controller) Array() *Array { return c.array }

// Load copies memory from addr on into p. The bus has asked the SPU before.
func (c *Controller) Load(addr uint32, p []byte) error {
	return c.array.Read(int(addr-c.base), p)
}

// Store is a 32-bit store by the processor. The bus has asked the SPU before.
// What it does is the choice of CONFIG where the region is secure and of
// CONFIGNS where it is not, whoever stores: with Wen it programs the word; with
// Een, and only at the start of a page and with all ones, it erases the page.
// Anything else is a *ModeError and changes nothing.
func (c *Controller) Store(addr, v uint32) error {
	off := int(addr - c.base)
	mode := c.configNS.Load()
	if c.spu.SecureFlash(addr) {
		mode = c.config.Load()
	}
	switch {
	case mode == Wen:
		var word [WordSize]byte
		binary.LittleEndian.PutUint32(word[:], v)
		return c.array.Program(off, word[:])
	case mode == Een && v == 0xFFFFFFFF && off%c.array.PageSize() == 0:
		return c.array.Erase(off)
	}
	return &ModeError{Addr: addr}
}

// WriteEnabled reports whether CONFIG enables programming: it governs the UICR
// as well.
func (c *Controller) WriteEnabled() bool { return c.config.Load() == Wen }

// Reset puts both CONFIG registers back to read mode.
func (c *Controller) Reset() {
	c.config.Store(Ren)
	c.configNS.Store(Ren)
}

// ReadRegister is a load of the register at off through the view of attr. The
// non-secure view has no CONFIG: it reads 0.
func (c *Controller) ReadRegister(off uint32, attr spu.Attribute) uint32 {
	switch {
	case off == RegReady || off == RegReadyNext:
		return 1
	case off == RegConfigNS:
		return c.configNS.Load()
	case off == RegConfig && attr == spu.Secure:
		return c.config.Load()
	}
	return 0
}

// WriteRegister is a store to the register at off through the view of attr. The
// non-secure view has no CONFIG: the store is ignored.
func (c *Controller) WriteRegister(off, v uint32, attr spu.Attribute) {
	switch {
	case off == RegConfigNS:
		c.configNS.Store(v & wenMaskNS)
	case off == RegConfig && attr == spu.Secure:
		c.config.Store(v & wenMask)
	}
}
