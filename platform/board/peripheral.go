package board

import (
	"sort"
	"strings"

	"github.com/postern-spe/postern/platform/bus"
)

// Block is what emulates a peripheral.
type Block string

const (
	SPU        Block = "SPU"
	MPC        Block = "MPC"
	NVMCAndKMU Block = "NVMC+KMU" // one page with the registers of both
	RRAMC      Block = "RRAMC"
	KMU        Block = "KMU" // of nRF54L, with a page of its own
	CryptoCell Block = "CRYPTOCELL"
	// CRACENControl is CRACEN's wrapper, CRACENCore its engines and the RAM
	// that keys are pushed to.
	CRACENControl Block = "CRACEN"
	CRACENCore    Block = "CRACENCORE"
	CtrlAP        Block = "CTRL-AP"
	WDT           Block = "WDT"
	GPIO          Block = "GPIO"
	DPPIC         Block = "DPPIC"
	QSPI          Block = "QSPI"
	// ResetPower is the page of CLOCK, POWER and, where there is one, RESET.
	ResetPower Block = "RESET/POWER"
	TAMPC      Block = "TAMPC"
	// Silent is present on the bus and protected as any other: its registers
	// read 0 and ignore writes.
	Silent Block = "silent"
)

// Mapping is how a peripheral's security attribute comes about, as the field
// SECUREMAPPING has it. A user-selectable peripheral with split access is Split.
type Mapping uint8

const (
	MapNonSecure      Mapping = iota // always non-secure
	MapSecure                        // always secure
	MapUserSelectable                // SECATTR decides
	MapSplit                         // SECATTR decides, and some registers stay secure
)

func (m Mapping) String() string {
	return [...]string{"non-secure", "secure", "user-selectable", "split"}[m]
}

// DMA is a peripheral's ability to access memory itself, as the field DMA has
// it.
type DMA uint8

const (
	NoDMA               DMA = iota
	NoSeparateAttribute     // its accesses carry SECATTR
	SeparateAttribute       // its accesses carry DMASEC
)

func (d DMA) String() string {
	return [...]string{"no DMA", "no separate attribute", "separate attribute"}[d]
}

// NoIRQ is the interrupt number of a peripheral that has none.
const NoIRQ = -1

// Peripheral is one slave on the peripheral bus. Instances that share a page
// and a base are one Peripheral.
type Peripheral struct {
	// Name is the instance's name in the SVD, without _S and _NS; several that
	// share the page are joined by slashes.
	Name string
	// Base is the address without its alias, Size the bytes decoded from there.
	Base, Size uint32
	Block      Block
	Mapping    Mapping
	DMA        DMA
	// SecAttr is the attribute at reset.
	SecAttr bus.Attribute
	// IRQ is the interrupt number, the first one where there are several, or
	// NoIRQ.
	IRQ int
	// NonSecure: after TF-M's boot the non-secure world has it.
	NonSecure bool
}

// The aliases of a peripheral's address.
const (
	NonSecureAlias uint32 = 0x40000000
	SecureAlias    uint32 = 0x50000000
	aliasMask      uint32 = 0xF0000000
)

// End returns the first address after the peripheral, without its alias.
func (p Peripheral) End() uint32 { return p.Base + p.Size }

// Address returns the peripheral's bus address in a view.
func (p Peripheral) Address(view bus.Attribute) uint32 {
	if view == bus.Secure {
		return SecureAlias | p.Base
	}
	return NonSecureAlias | p.Base
}

// Instances returns the names of the instances that share the page.
func (p Peripheral) Instances() []string { return strings.Split(p.Name, "/") }

// PeripheralAt returns the peripheral that decodes a bus address,
// 0x4xxx_xxxx or 0x5xxx_xxxx, whichever view it is allowed in.
func (b *Board) PeripheralAt(addr uint32) (Peripheral, bool) {
	if alias := addr & aliasMask; alias != NonSecureAlias && alias != SecureAlias {
		return Peripheral{}, false
	}
	addr &^= aliasMask
	i := sort.Search(len(b.Peripherals), func(i int) bool { return addr < b.Peripherals[i].End() })
	if i == len(b.Peripherals) || addr < b.Peripherals[i].Base {
		return Peripheral{}, false
	}
	return b.Peripherals[i], true
}

// Peripheral returns the peripheral with an instance of a name.
func (b *Board) Peripheral(instance string) (Peripheral, bool) {
	for _, p := range b.Peripherals {
		for _, name := range p.Instances() {
			if name == instance {
				return p, true
			}
		}
	}
	return Peripheral{}, false
}

// Emulated returns the peripherals that a block emulates, in ascending order.
func (b *Board) Emulated(by Block) []Peripheral {
	var found []Peripheral
	for _, p := range b.Peripherals {
		if p.Block == by {
			found = append(found, p)
		}
	}
	return found
}

// ID returns which permission word guards a peripheral: that of the SPU at spu
// (a base without alias) with index id. ok is false for a peripheral that is
// behind no SPU; its mapping is fixed.
func (b *Board) ID(p Peripheral) (spu uint32, id int, ok bool) {
	for _, s := range b.Emulated(SPU) {
		if s.Base&b.SPUMask == p.Base&b.SPUMask {
			return s.Base, int(p.Base >> 12 & b.idMask()), true
		}
	}
	return 0, 0, false
}

// idMask: the index is the page number, bits 19:12 of the address where there
// is one SPU, and bits 17:12 where the bits above choose among several.
func (b *Board) idMask() uint32 {
	if b.SPUMask != 0 {
		return 0x3F
	}
	return 0xFF
}

// The fields of PERIPHID[n].PERM and PERIPH[n].PERM that a reset sets.
const (
	permMapping = 0 // SECUREMAPPING, bits 1:0
	permDMA     = 2 // DMA, bits 3:2
	permSecAttr = 1 << 4
	permDMASec  = 1 << 5
	permPresent = 1 << 31
)

// PeripheralPerm returns PERIPHID[n].PERM (PERIPH[n].PERM on nRF54L) of a
// peripheral after reset, unlocked. DMASEC is decided, see the package comment:
// set where the DMA has an attribute of its own and the peripheral is secure.
func (b *Board) PeripheralPerm(p Peripheral) uint32 {
	perm := uint32(permPresent) | uint32(p.Mapping)<<permMapping | uint32(p.DMA)<<permDMA
	if p.SecAttr == bus.Secure {
		perm |= permSecAttr
		if p.DMA == SeparateAttribute {
			perm |= permDMASec
		}
	}
	return perm
}
