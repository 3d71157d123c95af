package board

import "github.com/postern-spe/postern/platform/bus"

// virt is no real chip: the nRF5340 with 64 MiB of internal and of external
// flash. Its 64 FLASHREGIONs are of 1 MiB each, so everything that is locked or
// non-secure is whole MiB; the RAM and all other blocks are the nRF5340's.
//
// The information pages would lie inside this flash, so they are moved to the
// end of the address space below the external flash's window. Everything that
// is at an address in the UICR keeps its offset there.
func virt() *Board {
	const mib = 1 << 20
	b := nrf5340()
	b.Name = "virt"
	b.Flash.Size = 64 * mib
	b.Flash.Region = mib
	b.Areas = []Area{
		{Bootloader, 0, mib, bus.Secure, code},
		{SecureImage, 1 * mib, 4 * mib, bus.Secure, code},
		{NonSecureImage, 5 * mib, 4 * mib, bus.NonSecure, all},
		{Secondary, 9 * mib, 8 * mib, bus.NonSecure, data},
		{PS, 17 * mib, 16 * mib, bus.Secure, 0},
		{ITS, 33 * mib, 16 * mib, bus.Secure, 0},
		{NVCounters, 49 * mib, mib, bus.Secure, 0},
		{NonSecureStorage, 50 * mib, 14 * mib, bus.NonSecure, data},
	}
	b.External = &External{
		Part: "virtual", Size: 64 * mib, Page: 4 << 10,
		XIPBase: 0x10000000, XIPSize: 64 * mib, Controller: "QSPI",
	}
	b.UICR = 0x0FFF8000
	b.FICR.Base = 0x0FFF0000
	// Part, variant and package are left unspecified (all ones).
	b.FICR.Words = []Word{
		{"INFO.RAM", 0x218, 512},           // KiB
		{"INFO.FLASH", 0x21C, 64 * 1024},   // KiB
		{"INFO.CODEPAGESIZE", 0x220, 4096}, // bytes
		{"INFO.CODESIZE", 0x224, 16384},    // pages
	}
	return b
}
