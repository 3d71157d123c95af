package qspi

import (
	"time"

	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/power"
)

// Units of the flash in bytes.
const (
	programPage = 256      // the unit of its page program
	sector      = 4 << 10  // ERASE.LEN 4KB, and a page of the cells
	block       = 64 << 10 // ERASE.LEN 64KB
)

// WindowSize is the size of the window for execute in place in bytes.
const WindowSize = 128 << 20

// Variant is what differs between the flashes.
type Variant struct {
	XIP  uint32 // bus address of the window, of WindowSize bytes
	Size int    // bytes

	Read        time.Duration // of 256 bytes
	Program     time.Duration // of a page of 256 bytes
	EraseSector time.Duration // 4 KiB
	EraseBlock  time.Duration // 64 KiB
	EraseAll    time.Duration

	JEDEC     [3]byte // manufacturer, type and density: the answer to RDID
	Endurance int     // erases of a sector
}

// NRF5340 returns the nRF5340 with the DK's MX25R6435F: 8 MiB. The times are
// round figures of the size that the flash's data sheet gives as typical, at 32 MHz
// with four lines: the part has two power modes, and nobody measures with them.
func NRF5340() Variant {
	return Variant{
		XIP: 0x10000000, Size: 8 << 20,
		Read: 16 * time.Microsecond, Program: 850 * time.Microsecond,
		EraseSector: 40 * time.Millisecond, EraseBlock: 480 * time.Millisecond, EraseAll: 60 * time.Second,
		JEDEC: [3]byte{0xC2, 0x28, 0x17}, Endurance: 100000,
	}
}

// Virt returns the external flash of no real board: 64 MiB, otherwise the DK's.
func Virt() Variant {
	v := NRF5340()
	v.Size = 64 << 20
	v.JEDEC[2] = 0x1A // log2 of the bytes
	return v
}

// Options returns what the variant's cells have, with counts w, of
// cells.WearSize bytes, or nil. There is no limit to the writes of a word.
func (v Variant) Options(s *power.Supply, w *cells.Wear) cells.Options {
	return cells.Options{Page: sector, Supply: s, Wear: w}
}
