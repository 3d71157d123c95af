package nvmc

import "github.com/postern-spe/postern/platform/bus"

// Register offsets from the NVMC's base, and their fields.
const (
	RegReady               = 0x400
	RegReadyNext           = 0x408
	RegConfig              = 0x504 // WEN [2:0]; secure view
	RegEraseAll            = 0x50C // write 1; secure view
	RegErasePagePartialCfg = 0x51C // DURATION [6:0], ms; secure view
	RegICacheCnf           = 0x540 // CACHEEN 0, CACHEPROFEN 8; secure view; nRF9160
	RegIHit                = 0x548 // secure view; nRF9160
	RegIMiss               = 0x54C // secure view; nRF9160
	RegConfigNS            = 0x584 // WEN [1:0]
	RegWriteUICRNS         = 0x588 // SET 0, KEY [31:4]
)

// The values of CONFIG.WEN and CONFIGNS.WEN.
const (
	Ren  uint32 = 0 // read only
	Wen  uint32 = 1 // a store programs a word
	Een  uint32 = 2 // a store of 0xFFFFFFFF to the first word of a page erases it
	PEen uint32 = 4 // the same, for the DURATION of a partial erase; CONFIG only
)

// KeyWriteUICRNS is what WRITEUICRNS takes: KEY with SET.
const KeyWriteUICRNS uint32 = 0xAFBE5A7<<4 | 1

const (
	wenMask         = 0x7
	wenMaskNS       = 0x3
	durationMask    = 0x7F
	icacheMask      = 0x101
	resetPartialCfg = 0x0A
)

// ReadRegister returns the register at off, as bus.Peripheral has it.
func (c *Controller) ReadRegister(off uint32, view bus.Attribute) (uint32, bus.Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch off {
	case RegReady:
		return c.past(c.until), bus.NoFault
	case RegReadyNext:
		return c.past(c.begun), bus.NoFault
	case RegConfigNS:
		return c.configNS, bus.NoFault
	}
	if view != bus.Secure {
		return 0, bus.NoFault
	}
	switch off {
	case RegConfig:
		return c.config, bus.NoFault
	case RegErasePagePartialCfg:
		return c.partialCfg, bus.NoFault
	case RegICacheCnf:
		return c.icache, bus.NoFault
	}
	return 0, bus.NoFault
}

// WriteRegister stores to the register at off, as bus.Peripheral has it.
func (c *Controller) WriteRegister(off, v uint32, view bus.Attribute) bus.Fault {
	switch {
	case off == RegWriteUICRNS:
		if v == KeyWriteUICRNS {
			c.protectUICR()
		}
	case off == RegEraseAll:
		if view == bus.Secure && v&1 != 0 {
			c.eraseAll()
		}
	default:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.write(off, v, view)
	}
	return bus.NoFault
}

func (c *Controller) write(off, v uint32, view bus.Attribute) {
	switch {
	case off == RegConfigNS:
		c.configNS = v & wenMaskNS
	case view != bus.Secure:
	case off == RegConfig:
		c.config = v & wenMask
	case off == RegErasePagePartialCfg:
		c.partialCfg = v & durationMask
	case off == RegICacheCnf && c.env.Variant.ICache:
		c.icache = v & icacheMask
	}
}

func (c *Controller) protectUICR() {
	if c.env.ProtectUICR() == nil {
		c.Spend(c.env.Variant.Write)
	}
}

// eraseAll is ERASEALL: nothing without Een, and nothing where it is protected.
func (c *Controller) eraseAll() {
	c.mu.Lock()
	c.wait(false)
	enabled := c.config == Een
	c.mu.Unlock()
	if !enabled || c.env.EraseAll() != nil {
		return
	}
	c.Spend(c.env.Variant.EraseAll)
}
