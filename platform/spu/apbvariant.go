package spu

// APBVariant is one SPU of nRF54L, as data.
type APBVariant struct {
	Name string
	// Base is the address of the secure alias; bits 18 to 23 are those of
	// every peripheral on the bus.
	Base uint32
	// Peripherals has the reset value of PERIPH[n].PERM for each slave index
	// at which there is a peripheral. The board fills it in; PRESENT is added.
	Peripherals map[uint8]uint32
}

// NRF54L15 returns the four SPUs of the nRF54L15, without peripherals. The SVD
// gives all 64 registers of each the reset value 0x8000002A, wherever there is a
// peripheral or not; what the board has from the datasheet counts instead.
func NRF54L15() []APBVariant {
	return []APBVariant{
		{Name: "SPU00", Base: 0x50040000},
		{Name: "SPU10", Base: 0x50080000},
		{Name: "SPU20", Base: 0x500C0000},
		{Name: "SPU30", Base: 0x50100000},
	}
}
