package board

import "github.com/postern-spe/postern/platform/bus"

// nrf9160 is the application core of the nRF9160 on its DK. The modem is not
// emulated.
//
// Flash map and secure RAM: TF-M common/nrf91/partition/flash_layout.h and
// region_defs.h. The map is that of the nRF5340, and whole regions of 32 KiB
// too: PS, ITS and counters share one, which stays secure and unlocked.
func nrf9160() *Board {
	return &Board{
		Name:      "nrf9160",
		Flash:     Flash{Base: 0, Size: 1 << 20, Page: 4 << 10, Region: 32 << 10, Kind: NVMC},
		RAM:       RAM{Base: 0x20000000, Size: 256 << 10, Region: 8 << 10},
		SecureRAM: 88 << 10,
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
		// The DK's part (from board version 0.14.0 on) is on a serial box, so
		// it is not mapped: whoever owns SPIM3 reaches it.
		External: &External{Part: "MX25R6435F", Size: 8 << 20, Page: 4 << 10, Controller: "SPIM3"},
		UICR:     0x00FF8000,
		// SVD, FICR. This chip has no INFO.PART; the SiP's number is its name.
		FICR: FICR{Base: 0x00FF0000, Attr: bus.Secure, DeviceID: 0x204, Words: []Word{
			{"SIPINFO.PARTNO", 0x140, 0x9160},
			{"INFO.RAM", 0x218, 256},    // KiB
			{"INFO.FLASH", 0x21C, 1024}, // KiB
			{"INFO.CODEPAGESIZE", 0x220, 4096},
			{"INFO.CODESIZE", 0x224, 256}, // pages
			{"INFO.DEVICETYPE", 0x228, 0}, // a die
		}},
		KeyHardware: CC310,
		Peripherals: nrf9160Peripherals(),
		IDs:         67,
		DPPI:        []Lines{{Instance: "DPPIC", N: 16}},
		GPIO:        []Lines{{Instance: "P0", N: 32}},
		// SVD: the reset word says that the domain is always non-secure.
		Domain: &Domain{Name: "modem", Perm: 0x0},
	}
}

// nrf9160Peripherals: bases and interrupts from the SVD, NonSecure from the
// list in TF-M's target_cfg_53_91.c. No table of Instances was at hand. Decided:
// as the same peripherals of the nRF5340, but fixed where the SVD gives one view
// only; CTRL_AP_PERI has no DMA.
func nrf9160Peripherals() []Peripheral {
	const (
		us    = MapUserSelectable
		split = MapSplit
		s     = bus.Secure
		none  = NoDMA
		sa    = SeparateAttribute
	)
	return []Peripheral{
		// Name, base, size, block, mapping, DMA, attribute, IRQ, non-secure at boot
		{"SPU", 0x03000, 0x1000, SPU, MapSecure, none, s, 3, false},
		{"REGULATORS", 0x04000, 0x1000, Silent, us, none, s, NoIRQ, true},
		{"CLOCK/POWER", 0x05000, 0x1000, ResetPower, us, none, s, 5, true},
		{"CTRL_AP_PERI", 0x06000, 0x1000, CtrlAP, MapSecure, none, s, NoIRQ, false},
		{"SPIM0/SPIS0/TWIM0/TWIS0/UARTE0", 0x08000, 0x1000, Silent, us, sa, s, 8, true},
		{"SPIM1/SPIS1/TWIM1/TWIS1/UARTE1", 0x09000, 0x1000, Silent, us, sa, s, 9, true},
		{"SPIM2/SPIS2/TWIM2/TWIS2/UARTE2", 0x0A000, 0x1000, Silent, us, sa, s, 10, true},
		{"SPIM3/SPIS3/TWIM3/TWIS3/UARTE3", 0x0B000, 0x1000, Silent, us, sa, s, 11, true},
		{"GPIOTE0", 0x0D000, 0x1000, Silent, MapSecure, none, s, 13, false},
		{"SAADC", 0x0E000, 0x1000, Silent, us, sa, s, 14, true},
		{"TIMER0", 0x0F000, 0x1000, Silent, us, none, s, 15, true},
		{"TIMER1", 0x10000, 0x1000, Silent, us, none, s, 16, true},
		{"TIMER2", 0x11000, 0x1000, Silent, us, none, s, 17, true},
		{"RTC0", 0x14000, 0x1000, Silent, us, none, s, 20, true},
		{"RTC1", 0x15000, 0x1000, Silent, us, none, s, 21, true},
		{"DPPIC", 0x17000, 0x1000, DPPIC, split, none, s, NoIRQ, true},
		{"WDT", 0x18000, 0x1000, WDT, us, none, s, 24, true},
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
		{"PDM", 0x26000, 0x1000, Silent, us, sa, s, 38, true},
		{"I2S", 0x28000, 0x1000, Silent, us, sa, s, 40, true},
		{"IPC", 0x2A000, 0x1000, Silent, us, none, s, 42, true},
		{"FPU", 0x2C000, 0x1000, Silent, MapNonSecure, none, bus.NonSecure, 44, true},
		{"GPIOTE1", 0x31000, 0x1000, Silent, MapNonSecure, none, bus.NonSecure, 49, true},
		{"NVMC/KMU", 0x39000, 0x1000, NVMCAndKMU, split, none, s, 57, true},
		{"VMC", 0x3A000, 0x1000, Silent, us, none, s, NoIRQ, true},
		// The wrapper, and the engines with HOST_RGF.
		{"CRYPTOCELL", 0x840000, 0x1000, CryptoCell, MapSecure, NoSeparateAttribute, s, 64, false},
		{"CC_HOST_RGF", 0x841000, 0x1000, CryptoCell, MapSecure, NoSeparateAttribute, s, NoIRQ, false},
		{"P0", 0x842500, 0x300, GPIO, split, none, s, NoIRQ, true},
	}
}
