// Package bus emulates the bus of the nRF5340 application core as its masters
// see it: loads, stores, instruction fetches and block reads at an address,
// with a security attribute, each decided by the SPU before anything happens.
//
// Decoded: flash, RAM (backed when first touched), the UICR, and of the
// peripherals the SPU, NVMC with KMU, CTRL-AP (no registers) and CryptoCell (no
// registers). Everything else is a BusFault. Accesses must be naturally
// aligned: the core splits unaligned ones, which is not emulated, so they fault.
//
// Trust: addresses, widths and values come from non-secure programs. The
// attribute comes from the door that the access came through.
package bus

import (
	"sync"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/kmu"
	"github.com/postern-spe/postern/platform/nvmc"
	"github.com/postern-spe/postern/platform/spu"
	"github.com/postern-spe/postern/platform/uicr"
)

// sg is the SG instruction: the only one through which a non-secure fetch
// enters secure memory, and only in its non-secure callable part.
const sg uint32 = 0xE97FE97F

// Bus is the bus with its slaves. All methods are safe for concurrent use.
type Bus struct {
	board *board.Board
	spu   *spu.SPU
	nvmc  *nvmc.Controller
	uicr  *uicr.UICR
	kmu   *kmu.KMU

	ramMu sync.Mutex
	ram   []byte // nil until touched
}

// New returns the bus of a board with these blocks on it.
func New(b *board.Board, s *spu.SPU, n *nvmc.Controller, u *uicr.UICR, k *kmu.KMU) *Bus {
	return &Bus{board: b, spu: s, nvmc: n, uicr: u, kmu: k}
}

// Load reads width bytes (1, 2 or 4) at addr, little-endian. A refused load
// reads 0.
func (b *Bus) Load(addr uint32, width int, attr spu.Attribute) (uint32, spu.Fault) {
	if !aligned(addr, width) {
		return 0, spu.BusFault
	}
	if isPeripheral(addr) {
		return b.loadRegister(addr, width, attr)
	}
	return b.read(addr, width, spu.Read, attr)
}

// Fetch reads an instruction of width bytes (2 or 4) at addr. In the non-secure
// callable part of a secure region a non-secure fetch passes where it finds an
// SG instruction.
func (b *Bus) Fetch(addr uint32, width int, attr spu.Attribute) (uint32, spu.Fault) {
	if !aligned(addr, width) || width == 1 || isPeripheral(addr) {
		return 0, spu.BusFault
	}
	if attr == spu.NonSecure && width == 4 && b.spu.Callable(addr) {
		if v, f := b.read(addr, width, spu.Execute, spu.Secure); f == spu.NoFault && v == sg {
			return v, spu.NoFault
		}
	}
	return b.read(addr, width, spu.Execute, attr)
}

// ReadBlock fills p from addr on, byte by byte of memory as a DMA would: all of
// it, or, on a fault, nothing but zeros, and at is the first address refused.
// Only memory can be read in blocks. An empty p reads nothing.
func (b *Bus) ReadBlock(addr uint32, p []byte, attr spu.Attribute) (at uint32, f spu.Fault) {
	if at, f = b.readBlock(addr, p, attr); f != spu.NoFault {
		clear(p)
	}
	return at, f
}

func (b *Bus) readBlock(addr uint32, p []byte, attr spu.Attribute) (uint32, spu.Fault) {
	if len(p) == 0 {
		return 0, spu.NoFault
	}
	if b.isUICR(addr) {
		return b.readUICRBlock(addr, p, attr)
	}
	if err := b.spu.CheckRange(addr, uint32(len(p)), spu.Read, attr); err != nil {
		refused := err.(*spu.AccessError) // CheckRange has no other
		return refused.Addr, refused.Fault
	}
	return addr, b.copyOut(addr, p)
}

// Store writes the low width bytes (1, 2 or 4) of v at addr. Flash takes words
// only, and only while the NVMC enables it.
func (b *Bus) Store(addr uint32, width int, v uint32, attr spu.Attribute) spu.Fault {
	switch {
	case !aligned(addr, width):
		return spu.BusFault
	case isPeripheral(addr):
		return b.storeRegister(addr, width, v, attr)
	case b.isUICR(addr):
		return b.storeUICR(addr, width, v, attr)
	}
	if f := b.spu.Check(addr, spu.Write, attr); f != spu.NoFault {
		return f
	}
	if b.isRAM(addr) {
		b.ramMu.Lock()
		defer b.ramMu.Unlock()
		put(b.cells()[addr-b.board.Memory.RAMBase:], width, v)
		return spu.NoFault
	}
	if width != nvmc.WordSize {
		return spu.BusFault
	}
	return programmed(b.nvmc.Store(addr, v))
}

// read is a load or fetch from memory.
func (b *Bus) read(addr uint32, width int, access spu.Access, attr spu.Attribute) (uint32, spu.Fault) {
	if b.isUICR(addr) {
		return b.loadUICR(addr, width, access, attr)
	}
	if f := b.spu.Check(addr, access, attr); f != spu.NoFault {
		return 0, f
	}
	var p [4]byte
	if f := b.copyOut(addr, p[:width]); f != spu.NoFault {
		return 0, f
	}
	return get(p[:], width), spu.NoFault
}

// copyOut reads flash or RAM that the SPU has let pass. A flash without power
// answers nothing.
func (b *Bus) copyOut(addr uint32, p []byte) spu.Fault {
	if b.isRAM(addr) {
		b.ramMu.Lock()
		defer b.ramMu.Unlock()
		copy(p, b.cells()[addr-b.board.Memory.RAMBase:])
		return spu.NoFault
	}
	if b.nvmc.Load(addr, p) != nil {
		return spu.BusFault
	}
	return spu.NoFault
}

// cells returns the RAM, which reads 0 after power-on. The caller holds ramMu.
func (b *Bus) cells() []byte {
	if b.ram == nil {
		b.ram = make([]byte, b.board.Memory.RAMSize)
	}
	return b.ram
}

func (b *Bus) isRAM(addr uint32) bool {
	return addr-b.board.Memory.RAMBase < b.board.Memory.RAMSize
}

func (b *Bus) isUICR(addr uint32) bool { return addr-b.board.UICR < uicr.Size }

func aligned(addr uint32, width int) bool {
	return (width == 1 || width == 2 || width == 4) && addr%uint32(width) == 0
}

func get(p []byte, width int) (v uint32) {
	for i := range width {
		v |= uint32(p[i]) << (8 * i)
	}
	return v
}

func put(p []byte, width int, v uint32) {
	for i := range width {
		p[i] = byte(v >> (8 * i))
	}
}
