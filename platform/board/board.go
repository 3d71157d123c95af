// Package board describes the boards that can be emulated, as data: which SoC,
// how its memories are cut, what lies where, and which peripherals answer on
// the bus, with the security that each is born with and that TF-M gives it at
// boot. Boards differ here and in no code path.
//
// It holds tables and look-ups in them; it emulates nothing. Package platform
// assembles a SoC from a Board, and spe and the commands ask one for its areas.
// Nothing here comes from a non-secure program; the name given to Lookup may
// come from a device's description.
//
// Addresses of peripherals are kept without their alias: 0x0004_B000 stands for
// 0x5004_B000 (secure view) and 0x4004_B000 (non-secure view).
//
// # Sources
//
//   - SVD: the MDK's nrf5340_application.svd, nrf9160.svd and
//     nrf54l15_application.svd, and the *_peripherals.h beside them: bases,
//     interrupt numbers, FICR, number of pins and channels.
//   - Product Specification (datasheet on nRF54L): the table "Instantiation"
//     and each chapter's table "Instances", columns Map, Att, DMA and Split
//     access: secure mapping, attribute at reset, DMA capability. Which rows
//     were read is said at each table of peripherals.
//   - TF-M: flash_layout.h and region_defs.h of each platform (areas, secure
//     RAM, veneers), target_cfg_53_91.c and target_cfg_54l.c (what becomes
//     non-secure at boot).
//
// # Decided here
//
//   - Where no row of Instances was at hand: a peripheral that the SVD gives in
//     both views is user-selectable and secure at reset, one that it gives in
//     one view is fixed to it; with EasyDMA its DMA has an attribute of its own,
//     without it has no DMA.
//   - Every board's table has the same eight areas; a device can have four of them
//     elsewhere (Place). TF-M has neither a bootloader nor a
//     secondary slot on nRF54L; ours are described in nrf54l15.go.
//   - TF-M builds with a secure UART keep one serial box secure. Nothing prints
//     from the secure world here, so all serial boxes are non-secure at boot.
//   - A peripheral whose DMA has an attribute of its own starts with DMASEC
//     equal to its SECATTR. The SVDs give one reset word for all peripherals
//     (0x12 on nRF53 and nRF91, 0x8000002A on nRF54L), which cannot be right
//     for each; the Att column can, and is used. See PeripheralPerm.
//   - The second page of the CryptoCell, with the engines' registers, has a
//     permission word of its own, fixed secure as that of the first.
//   - Private peripherals of the core (0xE000_0000 and up), the cache's data and
//     tag memories, and nRF54L's SWI0n, which are behind no SPU, are left out.
package board

// Board is one board. A Board from Lookup belongs to the caller.
type Board struct {
	Name string

	Flash Flash
	RAM   RAM
	// SecureRAM is how many bytes of the RAM, from its base on, are the secure
	// world's; a multiple of RAM.Region.
	SecureRAM uint32
	// Callable is how many bytes at the end of the secure image hold the
	// entry veneers, 32 to 4096 and a power of two.
	Callable uint32
	// Areas covers the whole flash, in ascending order.
	Areas []Area
	// External is the board's external flash; nil where it has none.
	External *External

	// UICR is the address of the UICR page, of InfoSize bytes, secure only.
	UICR uint32
	FICR FICR
	// SICR is the address of the page that only the KMU reaches, of InfoSize
	// bytes; 0 where the keys are in the UICR.
	SICR uint32

	KeyHardware KeyHardware

	// Peripherals in ascending order of their bases.
	Peripherals []Peripheral
	// SPUMask selects the bits of a peripheral's address that choose its SPU:
	// the one whose own address has the same bits there.
	SPUMask uint32
	// IDs is how many permission words an SPU has: PERIPHID[n] or PERIPH[n].
	IDs int

	// DPPI and GPIO are the resources whose security is per channel and per
	// pin, and what of them is secure after boot.
	DPPI, GPIO []Lines
	// Domain is the other domain that the SPU attributes (EXTDOMAIN[0]); nil
	// where there is no such register.
	Domain *Domain
}

// KeyHardware is the crypto engine that keys are pushed to.
type KeyHardware string

const (
	CC310  KeyHardware = "CC310"
	CC312  KeyHardware = "CC312"
	CRACEN KeyHardware = "CRACEN"
)

// Lines is a set of channels or pins, each with a security attribute.
type Lines struct {
	Instance string // the peripheral's
	N        int    // how many there are, from bit 0 on; 1 to 32
	// Secure are those that are secure after boot. TF-M's default is none
	// (TFM_PERIPHERAL_DPPI_CHANNEL_MASK_SECURE and the GPIO masks are 0).
	Secure uint32
}

// Mask returns the bits that stand for an existing line.
func (l Lines) Mask() uint32 { return ^uint32(0) >> (32 - l.N) }

// Domain is a bus master outside the SPU's own domain.
type Domain struct {
	Name string
	// Perm is EXTDOMAIN[0].PERM after reset (SVD).
	Perm uint32
}

// Default is the board that a device is when nobody says otherwise.
const Default = "nrf5340"

func constructors() []func() *Board { return []func() *Board{nrf5340, nrf9160, nrf54l15, virt} }

// Lookup returns the board of a name.
func Lookup(name string) (*Board, bool) {
	for _, construct := range constructors() {
		if b := construct(); b.Name == name {
			return b, true
		}
	}
	return nil, false
}

// Names returns the names of all boards, Default first.
func Names() []string {
	var names []string
	for _, construct := range constructors() {
		names = append(names, construct().Name)
	}
	return names
}

// Area returns the area of a name in the internal flash.
func (b *Board) Area(name string) (Area, bool) { return find(b.Areas, name) }

func find(areas []Area, name string) (Area, bool) {
	for _, a := range areas {
		if a.Name == name {
			return a, true
		}
	}
	return Area{}, false
}
