package board

import "github.com/postern-spe/postern/platform/bus"

// FlashKind is the technology of the internal non-volatile memory, and with it
// the controller.
type FlashKind string

const (
	// NVMC: flash, programmed by the word from 1 to 0 and erased by the page.
	NVMC FlashKind = "NVMC"
	// RRAM, behind the RRAMC: written in place.
	RRAM FlashKind = "RRAM"
)

// Flash is the internal non-volatile memory. Sizes are in bytes.
type Flash struct {
	Base, Size uint32
	// Page is the unit of erasing. RRAM needs none: there it is the unit that
	// drivers pretend to erase, 4096 bytes in TF-M and Zephyr.
	Page uint32
	// Region is what protection is given by: the size of a FLASHREGION of the
	// SPU, or the granularity of the MPC's windows.
	Region uint32
	Kind   FlashKind
}

// End returns the first address after the flash.
func (f Flash) End() uint32 { return f.Base + f.Size }

// RAM is the internal RAM. Sizes are in bytes, Region as in Flash.
type RAM struct{ Base, Size, Region uint32 }

// End returns the first address after the RAM.
func (r RAM) End() uint32 { return r.Base + r.Size }

// External is the external flash. Sizes are in bytes.
type External struct {
	Part       string
	Size, Page uint32
	// XIPBase is where the window is that maps it into the address space, of
	// XIPSize bytes; both are 0 where it can be reached only through its
	// controller. Where the part does not fill the window nothing answers.
	XIPBase, XIPSize uint32
	// Controller is the instance of the peripheral that it hangs on.
	Controller string
	// Areas are those that a layout has put here, secure, their bases offsets from
	// its start; what is beside them is the controller's owner's.
	Areas []Area
}

// Area returns the area of a name that is here; none of no external flash.
func (e *External) Area(name string) (Area, bool) {
	if e == nil {
		return Area{}, false
	}
	return find(e.Areas, name)
}

// XIPEnd returns the first address after what the window shows of the part.
func (e *External) XIPEnd() uint32 { return e.XIPBase + min(e.Size, e.XIPSize) }

// InfoSize is the size in bytes of each information page: UICR, FICR, SICR.
const InfoSize = 0x1000

// FICR is the factory information page: read-only, and all ones where neither
// Words nor the device says otherwise.
type FICR struct {
	Base uint32
	// Attr is the attribute of the page: secure only, but on nRF54L.
	Attr bus.Attribute
	// DeviceID is the offset of INFO.DEVICEID[0] and [1], which differ from
	// device to device.
	DeviceID uint32
	Words    []Word
}

// Word is one word of the FICR that is the same on all devices of a board.
type Word struct {
	Name  string
	Off   uint32
	Value uint32
}
