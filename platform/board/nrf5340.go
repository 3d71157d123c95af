package board

import "github.com/postern-spe/postern/platform/spu"

// nrf5340 is the application core of the nRF5340.
func nrf5340() *Board {
	const (
		code = spu.Read | spu.Execute
		data = spu.Read | spu.Write
		all  = spu.Read | spu.Write | spu.Execute
	)
	return &Board{
		Name:     "nrf5340",
		PageSize: 4096,
		Memory: spu.Geometry{
			FlashBase: 0x00000000, FlashSize: 1 << 20, FlashRegion: 16 << 10,
			RAMBase: 0x20000000, RAMSize: 512 << 10, RAMRegion: 8 << 10,
			Peripherals: map[uint8]spu.Mapping{
				0x03: spu.MapSecure,         // SPU
				0x06: spu.MapUserSelectable, // CTRLAP
				0x39: spu.MapSplit,          // NVMC and KMU
				0x44: spu.MapSecure,         // CRYPTOCELL
			},
		},
		SecureRAM: 128 << 10,
		Callable:  0x400,

		UICR:       0x00FF8000,
		SPU:        0x00003000,
		CtrlAP:     0x00006000,
		NVMC:       0x00039000,
		CryptoCell: 0x00844000,

		Areas: []Area{
			{Bootloader, 0x00000, 0x10000, spu.Secure, code},
			{SecureImage, 0x10000, 0x40000, spu.Secure, code},
			{NonSecureImage, 0x50000, 0x30000, spu.NonSecure, all},
			{Secondary, 0x80000, 0x70000, spu.NonSecure, data},
			{PS, 0xF0000, 0x4000, spu.Secure, 0},
			{ITS, 0xF4000, 0x2000, spu.Secure, 0},
			{NVCounters, 0xF6000, 0x2000, spu.Secure, 0},
			{NonSecureStorage, 0xF8000, 0x8000, spu.NonSecure, data},
		},
	}
}
