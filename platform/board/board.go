// Package board describes the boards that can be emulated, as data: which SoC,
// how its memories are cut, and what lies where. Boards differ here and in no
// code path.
//
// The numbers of the nrf5340 are those of the device's SVD and of TF-M's
// default flash map for the nRF5340 application core (bootloader, one primary
// and one secondary slot, PS, ITS, OTP and NV counters, non-secure storage).
package board

import "github.com/postern-spe/postern/platform/spu"

// The names of the flash areas.
const (
	Bootloader       = "bl2"
	SecureImage      = "secure-image"
	NonSecureImage   = "non-secure-image"
	Secondary        = "secondary"
	PS               = "ps"
	ITS              = "its"
	NVCounters       = "nv-counters"
	NonSecureStorage = "non-secure-storage"
)

// Area is one part of the flash.
type Area struct {
	Name       string
	Base, Size uint32
	Attr       spu.Attribute
	// Rights is what TF-M grants and locks in the SPU at boot; 0 leaves the
	// area as a reset does, secure and unlocked.
	Rights spu.Access
}

// End returns the first address after the area.
func (a Area) End() uint32 { return a.Base + a.Size }

// Board is one board.
type Board struct {
	Name string
	// PageSize is the flash's unit of erasing in bytes.
	PageSize int
	// Memory is the geometry of flash, RAM and SPU.
	Memory spu.Geometry
	// SecureRAM is how much of the RAM, from its base on, is the secure
	// world's; a multiple of the RAM region size.
	SecureRAM uint32
	// Callable is how many bytes at the end of the secure image hold the
	// entry veneers.
	Callable uint32

	// UICR is the bus address of the UICR page.
	UICR uint32
	// Peripherals' bus addresses without the bit that tells the secure alias
	// (0x5xxx_xxxx) from the non-secure one (0x4xxx_xxxx).
	SPU, NVMC, CtrlAP, CryptoCell uint32

	// Areas covers the whole flash, in ascending order.
	Areas []Area
}

// Area returns the flash area of a name.
func (b *Board) Area(name string) (Area, bool) {
	for _, a := range b.Areas {
		if a.Name == name {
			return a, true
		}
	}
	return Area{}, false
}

// Default is the board that a device is when nobody says otherwise.
const Default = "nrf5340"

// Lookup returns the board of a name.
func Lookup(name string) (*Board, bool) {
	if name == "nrf5340" {
		return nrf5340(), true
	}
	return nil, false
}

// Names returns the names of all boards.
func Names() []string { return []string{"nrf5340"} }
