package nvmc

import (
	"time"

	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/power"
)

// Variant is what differs between the chips with an NVMC.
type Variant struct {
	Base     uint32 // bus address of the flash
	Size     int    // bytes
	PageSize int    // bytes: the unit of erasing

	Write     time.Duration // tWRITE, of one word
	ErasePage time.Duration // tERASEPAGE
	EraseAll  time.Duration // tERASEALL

	MaxWrites int // nWRITE: writes of a word between two erases
	Endurance int // nENDURANCE: erases of a page

	ICache bool // ICACHECNF, IHIT and IMISS are here, not in a CACHE block
}

// NRF5340 returns the application core's NVMC: 1 MiB of flash. The times are the
// maxima of the electrical specification, with HFXO running.
func NRF5340() Variant {
	return Variant{
		Size: 1 << 20, PageSize: 4096,
		Write: 43 * time.Microsecond, ErasePage: 87500 * time.Microsecond, EraseAll: 173 * time.Millisecond,
		MaxWrites: 2, Endurance: 10000,
	}
}

// NRF9160 returns the nRF9160's NVMC: 1 MiB of flash. Its times are taken to be
// those of the nRF5340, tERASEALL included.
func NRF9160() Variant {
	v := NRF5340()
	v.ICache = true
	return v
}

// Virt returns the NVMC of no real chip: the nRF5340's with 64 MiB, and with the
// same times.
func Virt() Variant {
	v := NRF5340()
	v.Size = 64 << 20
	return v
}

// Options returns what the variant's cells have, with counts w, of
// cells.WearSize bytes.
func (v Variant) Options(s *power.Supply, w *cells.Wear) cells.Options {
	return cells.Options{Page: v.PageSize, Supply: s, Wear: w, MaxWrites: v.MaxWrites}
}
