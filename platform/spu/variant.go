package spu

// Memory is where a memory is and how large the regions are that guard it, in
// bytes. Regions are a power of two, and at most MaxRegions.
type Memory struct{ Base, Size, Region uint32 }

// Variant is the SPU of one chip, as data.
type Variant struct {
	Flash, RAM Memory
	// External is the window of the external flash, which the SPU does not
	// attribute; its Region is not used. A Size of 0 is none.
	External Memory
	// PeriphIDs is how many PERIPHID registers there are.
	PeriphIDs int
	// Peripherals has the reset value of PERIPHID[id].PERM for each peripheral
	// that exists. The board fills it in; PRESENT is added.
	Peripherals map[uint8]uint32
	// GPIOPorts is how many GPIOPORT registers there are.
	GPIOPorts int
	// DPPIChannels is how many channels DPPI[0].PERM has.
	DPPIChannels int
	// ExtDomain is the reset value of EXTDOMAIN[0].PERM.
	ExtDomain uint32
	// CPULock says whether there is a CPULOCK register.
	CPULock bool
	// NSCRegions masks the region number in FLASHNSC and RAMNSC.
	NSCRegions uint32
}

// NRF5340 returns the SPU of the nRF5340's application core, without peripherals.
func NRF5340() Variant {
	return Variant{
		Flash:        Memory{0x00000000, 1 << 20, 16 << 10},
		RAM:          Memory{0x20000000, 512 << 10, 8 << 10},
		External:     Memory{0x10000000, 128 << 20, 0},
		PeriphIDs:    256,
		GPIOPorts:    2,
		DPPIChannels: 32,
		ExtDomain:    MapUserSelectable,
		CPULock:      true,
		NSCRegions:   63,
	}
}

// NRF9160 returns the SPU of the nRF9160, without peripherals.
func NRF9160() Variant {
	return Variant{
		Flash:        Memory{0x00000000, 1 << 20, 32 << 10},
		RAM:          Memory{0x20000000, 256 << 10, 8 << 10},
		PeriphIDs:    67,
		GPIOPorts:    1,
		DPPIChannels: 16,
		ExtDomain:    MapNonSecure,
		NSCRegions:   31,
	}
}

// Virt returns the SPU of the virtual board, which is no real chip: the
// nRF5340's with 64 MiB of flash.
func Virt() Variant {
	v := NRF5340()
	v.Flash = Memory{0x00000000, 64 << 20, 1 << 20}
	return v
}
