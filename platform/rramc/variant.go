package rramc

import (
	"time"

	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/power"
)

// Variant is what differs between the chips with an RRAMC.
type Variant struct {
	Base     uint32 // bus address of the RRAM
	Size     int    // bytes
	PageSize int    // bytes: the unit in which drivers erase

	Write         time.Duration // tWRITE, of one store without the buffer
	WriteBuffered time.Duration // of one 32-bit unit out of the buffer
	EraseAll      time.Duration
	AXIClock      int // Hz: what READYNEXTTIMEOUT counts

	MaxBuffer int // of WRITEBUFSIZE, in lines
	Endurance int // nENDURANCE: writes of a line
}

// NRF54L15 returns the nRF54L15's RRAMC: 1524 KiB. The time of a unit out of the
// buffer is that of WRITEBUFSIZE 1, also where the buffer is larger, and the
// time of ERASEALL is that of the nRF5340: both are not published.
func NRF54L15() Variant {
	return Variant{
		Size: 1524 << 10, PageSize: 4096,
		Write: 65 * time.Microsecond, WriteBuffered: 22 * time.Microsecond, EraseAll: 173 * time.Millisecond,
		AXIClock: 128e6, MaxBuffer: 32, Endurance: 10000,
	}
}

// Options returns what the variant's cells have, with counts l, of
// cells.LineWearSize bytes.
func (v Variant) Options(s *power.Supply, l *cells.LineWear) cells.Options {
	return cells.Options{Page: v.PageSize, Supply: s, Lines: l}
}
