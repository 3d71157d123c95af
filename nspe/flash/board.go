package flash

import "fmt"

// WordSize is the unit of programming in bytes, on all boards.
const WordSize = 4

// Board is what non-secure code has to know of a board to use its flash. The
// figures are those of the Product Specifications, chapters Memory and NVMC, and
// for virt the project's own.
type Board struct {
	Name string
	// Memory is where flash is, internal first, then the window of external
	// flash that code executes from, where there is one.
	Memory []Range
	// PageSize is the unit of erasing in bytes. RRAM needs no erasing: there it
	// is the unit that drivers pretend to erase.
	PageSize uint32
	// ConfigNS is the address of the NVMC's CONFIGNS, in the non-secure alias.
	// It is 0 where there is no NVMC: RRAM is written in place, while the secure
	// world has CONFIG.WEN of the RRAMC set. That register is the secure world's
	// alone, so all that non-secure code can do is to store, and to take a
	// BusFault while writing is not enabled.
	ConfigNS uint32
}

// Range is a part of the address space.
type Range struct{ Base, Size uint32 }

// nvmcConfigNS is NVMC.CONFIGNS, at offset 0x584 of the NVMC's non-secure alias,
// on all chips that have one.
const nvmcConfigNS uint32 = 0x40039584

// Boards are the boards that this package knows.
func Boards() []Board {
	return []Board{
		{
			Name:     "nrf5340",
			Memory:   []Range{{0, 1 << 20}, {0x10000000, 128 << 20}},
			PageSize: 4096, ConfigNS: nvmcConfigNS,
		},
		{
			Name:     "nrf9160",
			Memory:   []Range{{0, 1 << 20}},
			PageSize: 4096, ConfigNS: nvmcConfigNS,
		},
		{
			Name:     "nrf54l15",
			Memory:   []Range{{0, 0x17D000}},
			PageSize: 4096,
		},
		{
			Name:     "virt",
			Memory:   []Range{{0, 64 << 20}, {0x10000000, 64 << 20}},
			PageSize: 4096, ConfigNS: nvmcConfigNS,
		},
	}
}

func boardOf(name string) *Board {
	for _, b := range Boards() {
		if b.Name == name {
			return &b
		}
	}
	return nil
}

// UnknownBoardError is a device whose board this package does not know.
type UnknownBoardError struct{ Name string }

func (e *UnknownBoardError) Error() string {
	return fmt.Sprintf("flash: nothing is known of the board %q", e.Name)
}
