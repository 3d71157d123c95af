package board

import "github.com/postern-spe/postern/platform/bus"

// nrf5340 is the application core of the nRF5340 on its DK. The network core is
// not emulated.
//
// Flash map and secure RAM: TF-M common/nrf5340/partition/flash_layout.h and
// region_defs.h, with BL2, one pair of images and non-secure storage. The RAM
// that TF-M shares with the network core (PCD, RPMsg) is left non-secure.
func nrf5340() *Board {
	return &Board{
		Name:      "nrf5340",
		Flash:     Flash{Base: 0, Size: 1 << 20, Page: 4 << 10, Region: 16 << 10, Kind: NVMC},
		RAM:       RAM{Base: 0x20000000, Size: 512 << 10, Region: 8 << 10},
		SecureRAM: 256 << 10,
		Callable:  0x400,
		Areas: []Area{
			{Bootloader, 0x00000, 0x10000, bus.Secure, code},
			{SecureImage, 0x10000, 0x40000, bus.Secure, code},
			{NonSecureImage, 0x50000, 0x30000, bus.NonSecure, all},
			{Secondary, 0x80000, 0x70000, bus.NonSecure, data},
			{PS, 0xF0000, 0x4000, bus.Secure, 0},
			{ITS, 0xF4000, 0x2000, bus.Secure, 0},
			{NVCounters, 0xF6000, 0x2000, bus.Secure, 0},
			{NonSecureStorage, 0xF8000, 0x8000, bus.NonSecure, data},
		},
		// MDK, EXTFLASH: the QSPI's window. The DK's part is 64 Mbit.
		External: &External{
			Part: "MX25R6435F", Size: 8 << 20, Page: 4 << 10,
			XIPBase: 0x10000000, XIPSize: 128 << 20, Controller: "QSPI",
		},
		UICR: 0x00FF8000,
		// SVD, FICR.INFO: variant QKAA in the aQFN94 package (QK).
		FICR: FICR{Base: 0x00FF0000, Attr: bus.Secure, DeviceID: 0x204, Words: []Word{
			{"INFO.PART", 0x20C, 0x5340},
			{"INFO.VARIANT", 0x210, 0x514B4141},
			{"INFO.PACKAGE", 0x214, 0x2000},
			{"INFO.RAM", 0x218, 512},    // KiB
			{"INFO.FLASH", 0x21C, 1024}, // KiB
			{"INFO.CODEPAGESIZE", 0x220, 4096},
			{"INFO.CODESIZE", 0x224, 256}, // pages
			{"INFO.DEVICETYPE", 0x228, 0}, // a die
		}},
		KeyHardware: CC312,
		Peripherals: nrf5340Peripherals(),
		IDs:         256,
		DPPI:        []Lines{{Instance: "DPPIC", N: 32}},
		GPIO:        []Lines{{Instance: "P0", N: 32}, {Instance: "P1", N: 16}},
		Domain:      &Domain{Name: "network core", Perm: 0x2},
	}
}

// nrf5340Peripherals: bases and interrupts from the SVD, NonSecure from the
// list in TF-M's target_cfg_53_91.c. Map, Att, DMA and Split access from the
// Product Specification: the Instantiation table up to ID 9, and the Instances
// of DPPI, GPIO, GPIOTE, MUTEX, NVMC and WDT; the others by the rule in the
// package comment. Decided: the KMU has one permission word with the NVMC, and
// the CryptoCell's DMA, as CRACEN's on nRF54L, follows its attribute.
func nrf5340Peripherals() []Peripheral {
	const (
		us    = MapUserSelectable
		split = MapSplit
		s     = bus.Secure
		none  = NoDMA
		sa    = SeparateAttribute
	)
	return []Peripheral{
		// Name, base, size, block, mapping, DMA, attribute, IRQ, non-secure at boot
		{"DCNF/FPU", 0x00000, 0x1000, Silent, us, none, s, 0, true},
		{"CACHE", 0x01000, 0x1000, Silent, MapSecure, none, s, 1, false},
		{"SPU", 0x03000, 0x1000, SPU, MapSecure, none, s, 3, false},
		{"OSCILLATORS/REGULATORS", 0x04000, 0x1000, Silent, us, none, s, NoIRQ, true},
		{"CLOCK/POWER/RESET", 0x05000, 0x1000, ResetPower, us, none, s, 5, true},
		{"CTRLAP", 0x06000, 0x1000, CtrlAP, us, NoSeparateAttribute, s, NoIRQ, false},
		{"SPIM0/SPIS0/TWIM0/TWIS0/UARTE0", 0x08000, 0x1000, Silent, us, sa, s, 8, true},
		{"SPIM1/SPIS1/TWIM1/TWIS1/UARTE1", 0x09000, 0x1000, Silent, us, sa, s, 9, true},
		{"SPIM4", 0x0A000, 0x1000, Silent, us, sa, s, 10, true},
		{"SPIM2/SPIS2/TWIM2/TWIS2/UARTE2", 0x0B000, 0x1000, Silent, us, sa, s, 11, true},
		{"SPIM3/SPIS3/TWIM3/TWIS3/UARTE3", 0x0C000, 0x1000, Silent, us, sa, s, 12, true},
		{"GPIOTE0", 0x0D000, 0x1000, Silent, MapSecure, none, s, 13, false},
		{"SAADC", 0x0E000, 0x1000, Silent, us, sa, s, 14, true},
		{"TIMER0", 0x0F000, 0x1000, Silent, us, none, s, 15, true},
		{"TIMER1", 0x10000, 0x1000, Silent, us, none, s, 16, true},
		{"TIMER2", 0x11000, 0x1000, Silent, us, none, s, 17, true},
		{"RTC0", 0x14000, 0x1000, Silent, us, none, s, 20, true},
		{"RTC1", 0x15000, 0x1000, Silent, us, none, s, 21, true},
		{"DPPIC", 0x17000, 0x1000, DPPIC, split, none, s, NoIRQ, true},
		{"WDT0", 0x18000, 0x1000, WDT, us, none, s, 24, true},
		{"WDT1", 0x19000, 0x1000, WDT, us, none, s, 25, true},
		{"COMP/LPCOMP", 0x1A000, 0x1000, Silent, us, none, s, 26, true},
		{"EGU0", 0x1B000, 0x1000, Silent, us, none, s, 27, true},
		{"EGU1", 0x1C000, 0x1000, Silent, us, none, s, 28, true},
		{"EGU2", 0x1D000, 0x1000, Silent, us, none, s, 29, true},
		{"EGU3", 0x1E000, 0x1000, Silent, us, none, s, 30, true},
		{"EGU4", 0x1F000, 0x1000, Silent, us, none, s, 31, true},
		{"EGU5", 0x20000, 0x1000, Silent, us, none, s, 32, true},
		{"PWM0", 0x21000, 0x1000, Silent, us, sa, s, 33, true},
		{"PWM1", 0x22000, 0x1000, Silent, us, sa, s, 34, true},
		{"PWM2", 0x23000, 0x1000, Silent, us, sa, s, 35, true},
		{"PWM3", 0x24000, 0x1000, Silent, us, sa, s, 36, true},
		{"PDM0", 0x26000, 0x1000, Silent, us, sa, s, 38, true},
		{"I2S0", 0x28000, 0x1000, Silent, us, sa, s, 40, true},
		{"IPC", 0x2A000, 0x1000, Silent, us, none, s, 42, true},
		{"QSPI", 0x2B000, 0x1000, QSPI, us, sa, s, 43, true},
		{"NFCT", 0x2D000, 0x1000, Silent, us, sa, s, 45, true},
		{"GPIOTE1", 0x2F000, 0x1000, Silent, MapNonSecure, none, bus.NonSecure, 47, true},
		{"MUTEX", 0x30000, 0x1000, Silent, us, none, s, NoIRQ, true},
		{"QDEC0", 0x33000, 0x1000, Silent, us, none, s, 51, true},
		{"QDEC1", 0x34000, 0x1000, Silent, us, none, s, 52, true},
		{"USBD", 0x36000, 0x1000, Silent, us, sa, s, 54, true},
		{"USBREGULATOR", 0x37000, 0x1000, Silent, us, none, s, 55, true},
		{"NVMC/KMU", 0x39000, 0x1000, NVMCAndKMU, split, none, s, 57, true},
		{"VMC", 0x81000, 0x1000, Silent, us, none, s, NoIRQ, true},
		// The ports share a page, and so an ID: 0x42.
		{"P0", 0x842500, 0x300, GPIO, split, none, s, NoIRQ, true},
		{"P1", 0x842800, 0x300, GPIO, split, none, s, NoIRQ, true},
		// The wrapper, and the engines with HOST_RGF.
		{"CRYPTOCELL", 0x844000, 0x1000, CryptoCell, MapSecure, NoSeparateAttribute, s, 68, false},
		{"CC_HOST_RGF", 0x845000, 0x1000, CryptoCell, MapSecure, NoSeparateAttribute, s, NoIRQ, false},
	}
}
