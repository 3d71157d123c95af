package board

import "github.com/postern-spe/postern/platform/bus"

// nrf54l15 is the application core of the nRF54L15 on its DK. The FLPR
// coprocessor (VPR00) is not emulated.
//
// Memory: the MDK's nrf54l15_xxaa_application_memory.h; windows of the MPC are
// of 4 KiB (MPC00_OVERRIDE_GRAN). Areas: the sizes of the secure image and of
// the storages, and half of the RAM, are TF-M's (common/nrf54l15/partition).
// TF-M has no bootloader and no secondary slot here. Decided: a bootloader of
// 64 KiB at 0 as on the other boards, and the rest cut so that the secondary
// slot holds both images. As in TF-M all that is non-secure is one stretch at
// the end, for which one window is enough, up to the UICR and with the FICR.
//
// The MPC opens windows to the non-secure world and leaves secure memory as it
// is, writable by the secure world; hence no rights for the secure images. What
// TF-M reserves for veneers is not fixed on this chip, since the SAU marks them
// in steps of 32 bytes; decided: as on the others.
func nrf54l15() *Board {
	return &Board{
		Name:      "nrf54l15",
		Flash:     Flash{Base: 0, Size: 0x17D000, Page: 4 << 10, Region: 4 << 10, Kind: RRAM},
		RAM:       RAM{Base: 0x20000000, Size: 256 << 10, Region: 4 << 10},
		SecureRAM: 128 << 10,
		Callable:  0x400,
		Areas: []Area{
			{Bootloader, 0x000000, 0x10000, bus.Secure, 0},
			{SecureImage, 0x010000, 0x80000, bus.Secure, 0},
			{PS, 0x090000, 0x4000, bus.Secure, 0},
			{ITS, 0x094000, 0x4000, bus.Secure, 0},
			{NVCounters, 0x098000, 0x2000, bus.Secure, 0},
			{NonSecureImage, 0x09A000, 0x2D000, bus.NonSecure, all},
			{Secondary, 0x0C7000, 0xAE000, bus.NonSecure, all},
			{NonSecureStorage, 0x175000, 0x8000, bus.NonSecure, all},
		},
		// The DK's part is on a serial box, so it is not mapped: whoever owns
		// SPIM00 reaches it.
		External: &External{Part: "MX25R6435F", Size: 8 << 20, Page: 4 << 10, Controller: "SPIM00"},
		UICR:     0x00FFD000,
		SICR:     0x00FFE000,
		// SVD, FICR.INFO. There are no words for page size and page count.
		FICR: FICR{Base: 0x00FFC000, Attr: bus.NonSecure, DeviceID: 0x304, Words: []Word{
			{"INFO.PART", 0x31C, 0x00054B15},
			{"INFO.VARIANT", 0x320, 0x41414230},
			{"INFO.RAM", 0x328, 256},   // KiB
			{"INFO.RRAM", 0x32C, 1524}, // KiB
		}},
		KeyHardware: CRACEN,
		Peripherals: nrf54l15Peripherals(),
		SPUMask:     0x0FFC0000,
		IDs:         64,
		DPPI: []Lines{
			{Instance: "DPPIC00", N: 8},
			{Instance: "DPPIC10", N: 24},
			{Instance: "DPPIC20", N: 16},
			{Instance: "DPPIC30", N: 4},
		},
		GPIO: []Lines{{Instance: "P0", N: 7}, {Instance: "P1", N: 17}, {Instance: "P2", N: 11}},
	}
}

// nrf54l15Peripherals: bases and interrupts from the SVD; NonSecure from TF-M's
// target_cfg_54l.c, which clears all SPUs and makes CTRLAP, MEMCONF, TAD,
// OSCILLATORS and REGULATORS secure again. The four pages without a name that it
// makes secure as well are left out: nothing is known of them. Map, Att, DMA and
// Split access from the datasheet: the Instantiation table up to ID 75, the
// Instances of DPPI and GPIO, the text on the GRTC; of nRF54LM20 and nRF54LC10
// for CTRLAP, GPIOTE, TAD, VPR00 and WDT; the others by the rule in the package
// comment.
//
// Decided: GPIOHSPADCTRL, fixed secure but with no page of its own, follows the
// port P2; CRACENCORE, which no SPU guards, is fixed secure and includes the RAM
// that keys are pushed to.
func nrf54l15Peripherals() []Peripheral {
	const (
		us    = MapUserSelectable
		split = MapSplit
		fixed = MapSecure
		s     = bus.Secure
		none  = NoDMA
		nsa   = NoSeparateAttribute
		sa    = SeparateAttribute
	)
	return []Peripheral{
		// Name, base, size, block, mapping, DMA, attribute, IRQ, non-secure at boot
		{"SPU00", 0x040000, 0x1000, SPU, fixed, none, s, 64, false},
		{"MPC00", 0x041000, 0x1000, MPC, fixed, none, s, 65, false},
		{"DPPIC00", 0x042000, 0x1000, DPPIC, split, none, s, NoIRQ, true},
		{"PPIB00", 0x043000, 0x1000, Silent, us, none, s, NoIRQ, true},
		{"PPIB01", 0x044000, 0x1000, Silent, us, none, s, NoIRQ, true},
		{"KMU", 0x045000, 0x1000, KMU, fixed, nsa, s, NoIRQ, false},
		{"AAR00/CCM00", 0x046000, 0x1000, Silent, us, sa, s, 70, true},
		{"ECB00", 0x047000, 0x1000, Silent, us, sa, s, 71, true},
		{"CRACEN", 0x048000, 0x1000, CRACENControl, fixed, nsa, s, 72, false},
		{"SPIM00/SPIS00/UARTE00", 0x04A000, 0x1000, Silent, us, sa, s, 74, true},
		{"RRAMC/GLITCHDET", 0x04B000, 0x1000, RRAMC, fixed, none, s, 75, false},
		{"VPR00", 0x04C000, 0x1000, Silent, us, none, bus.NonSecure, 76, true},
		{"P2/GPIOHSPADCTRL", 0x050400, 0x200, GPIO, split, none, s, NoIRQ, true},
		{"CTRLAP", 0x052000, 0x1000, CtrlAP, us, nsa, s, 82, false},
		{"TAD", 0x053000, 0x1000, Silent, us, none, s, NoIRQ, false},
		{"TIMER00", 0x055000, 0x1000, Silent, us, none, s, 85, true},

		{"SPU10", 0x080000, 0x1000, SPU, fixed, none, s, 128, false},
		{"DPPIC10", 0x082000, 0x1000, DPPIC, split, none, s, NoIRQ, true},
		{"PPIB10", 0x083000, 0x1000, Silent, us, none, s, NoIRQ, true},
		{"PPIB11", 0x084000, 0x1000, Silent, us, none, s, NoIRQ, true},
		{"TIMER10", 0x085000, 0x1000, Silent, us, none, s, 133, true},
		{"EGU10", 0x087000, 0x1000, Silent, us, none, s, 135, true},
		{"RADIO", 0x08A000, 0x1000, Silent, us, sa, s, 138, true},

		{"SPU20", 0x0C0000, 0x1000, SPU, fixed, none, s, 192, false},
		{"DPPIC20", 0x0C2000, 0x1000, DPPIC, split, none, s, NoIRQ, true},
		{"PPIB20", 0x0C3000, 0x1000, Silent, us, none, s, NoIRQ, true},
		{"PPIB21", 0x0C4000, 0x1000, Silent, us, none, s, NoIRQ, true},
		{"PPIB22", 0x0C5000, 0x1000, Silent, us, none, s, NoIRQ, true},
		{"SPIM20/SPIS20/TWIM20/TWIS20/UARTE20", 0x0C6000, 0x1000, Silent, us, sa, s, 198, true},
		{"SPIM21/SPIS21/TWIM21/TWIS21/UARTE21", 0x0C7000, 0x1000, Silent, us, sa, s, 199, true},
		{"SPIM22/SPIS22/TWIM22/TWIS22/UARTE22", 0x0C8000, 0x1000, Silent, us, sa, s, 200, true},
		{"EGU20", 0x0C9000, 0x1000, Silent, us, none, s, 201, true},
		{"TIMER20", 0x0CA000, 0x1000, Silent, us, none, s, 202, true},
		{"TIMER21", 0x0CB000, 0x1000, Silent, us, none, s, 203, true},
		{"TIMER22", 0x0CC000, 0x1000, Silent, us, none, s, 204, true},
		{"TIMER23", 0x0CD000, 0x1000, Silent, us, none, s, 205, true},
		{"TIMER24", 0x0CE000, 0x1000, Silent, us, none, s, 206, true},
		{"MEMCONF", 0x0CF000, 0x1000, Silent, us, none, s, NoIRQ, false},
		{"PDM20", 0x0D0000, 0x1000, Silent, us, sa, s, 208, true},
		{"PDM21", 0x0D1000, 0x1000, Silent, us, sa, s, 209, true},
		{"PWM20", 0x0D2000, 0x1000, Silent, us, sa, s, 210, true},
		{"PWM21", 0x0D3000, 0x1000, Silent, us, sa, s, 211, true},
		{"PWM22", 0x0D4000, 0x1000, Silent, us, sa, s, 212, true},
		{"SAADC", 0x0D5000, 0x1000, Silent, us, sa, s, 213, true},
		{"NFCT", 0x0D6000, 0x1000, Silent, us, sa, s, 214, true},
		{"TEMP", 0x0D7000, 0x1000, Silent, us, none, s, 215, true},
		{"P1", 0x0D8200, 0x200, GPIO, split, none, s, NoIRQ, true},
		{"GPIOTE20", 0x0DA000, 0x1000, Silent, split, none, s, 218, true},
		{"TAMPC", 0x0DC000, 0x1000, TAMPC, fixed, none, s, 220, false},
		{"I2S20", 0x0DD000, 0x1000, Silent, us, sa, s, 221, true},
		{"QDEC20", 0x0E0000, 0x1000, Silent, us, none, s, 224, true},
		{"QDEC21", 0x0E1000, 0x1000, Silent, us, none, s, 225, true},
		{"GRTC", 0x0E2000, 0x1000, Silent, split, none, s, 226, true},

		{"SPU30", 0x100000, 0x1000, SPU, fixed, none, s, 256, false},
		{"DPPIC30", 0x102000, 0x1000, DPPIC, split, none, s, NoIRQ, true},
		{"PPIB30", 0x103000, 0x1000, Silent, us, none, s, NoIRQ, true},
		{"SPIM30/SPIS30/TWIM30/TWIS30/UARTE30", 0x104000, 0x1000, Silent, us, sa, s, 260, true},
		{"COMP/LPCOMP", 0x106000, 0x1000, Silent, us, none, s, 262, true},
		{"WDT30", 0x108000, 0x1000, WDT, fixed, none, s, 264, false},
		{"WDT31", 0x109000, 0x1000, WDT, us, none, s, 265, true},
		{"P0", 0x10A000, 0x200, GPIO, split, none, s, NoIRQ, true},
		{"GPIOTE30", 0x10C000, 0x1000, Silent, split, none, s, 268, true},
		{"CLOCK/POWER/RESET", 0x10E000, 0x1000, ResetPower, us, none, s, NoIRQ, true},
		{"OSCILLATORS/REGULATORS", 0x120000, 0x1000, Silent, us, none, s, NoIRQ, false},

		{"CRACENCORE", 0x1800000, 0x20000, CRACENCore, fixed, nsa, s, NoIRQ, false},
	}
}
