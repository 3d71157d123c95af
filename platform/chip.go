package platform

import (
	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/cryptocell"
	"github.com/postern-spe/postern/platform/ctrlap"
	"github.com/postern-spe/postern/platform/dppic"
	"github.com/postern-spe/postern/platform/gpio"
	"github.com/postern-spe/postern/platform/nvmc"
	"github.com/postern-spe/postern/platform/qspi"
	"github.com/postern-spe/postern/platform/resetctl"
	"github.com/postern-spe/postern/platform/spu"
	"github.com/postern-spe/postern/platform/uicr"
	"github.com/postern-spe/postern/platform/wdt"
)

// chip is which variant of each block a board has; nil where it has another
// block in its place.
type chip struct {
	spu        func() spu.Variant
	nvmc       func() nvmc.Variant
	cryptoCell func() *cryptocell.Variant

	uicr   func() *uicr.Layout
	ctrlap func() ctrlap.Variant
	gpio   func() []gpio.Variant
	dppic  func() []dppic.Variant
	wdt    func() wdt.Variant
	reset  func() resetctl.Variant
	// external is the external flash behind its QSPI, or as if it were.
	external func() qspi.Variant

	// debugAP is the CTRL-AP's number among the access ports.
	debugAP uint8
	// softwareUnlock: firmware has a part in opening the debug port.
	softwareUnlock bool
}

// chipOf returns the variants of a board's blocks.
func chipOf(b *board.Board) chip {
	nrf5340 := chip{
		spu: spu.NRF5340, nvmc: nvmc.NRF5340, cryptoCell: cryptocell.CC312,
		uicr: uicr.NRF5340, ctrlap: ctrlap.NRF5340, gpio: gpio.NRF5340, dppic: dppic.NRF5340, wdt: wdt.NRF5340, reset: resetctl.NRF5340, external: qspi.NRF5340,
		debugAP: 2, softwareUnlock: true,
	}
	switch b.Name {
	case "nrf9160":
		return chip{
			spu: spu.NRF9160, nvmc: nvmc.NRF9160, cryptoCell: cryptocell.CC310,
			uicr: uicr.NRF9160, ctrlap: ctrlap.NRF9160, gpio: gpio.NRF9160, dppic: dppic.NRF9160, wdt: wdt.NRF9160, reset: resetctl.NRF9160, external: qspi.NRF5340,
			debugAP: 4,
		}
	case "nrf54l15":
		return chip{
			uicr: uicr.NRF54L15, ctrlap: ctrlap.NRF54L15, gpio: gpio.NRF54L15, dppic: dppic.NRF54L15, wdt: wdt.NRF54L15, reset: resetctl.NRF54L15, external: qspi.NRF5340,
			debugAP: 2, softwareUnlock: true,
		}
	case "virt":
		c := nrf5340
		c.spu, c.nvmc, c.uicr, c.external = spu.Virt, nvmc.Virt, uicr.Virt, qspi.Virt
		return c
	}
	return nrf5340
}
