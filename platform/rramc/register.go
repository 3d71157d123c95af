package rramc

import (
	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
)

// Register offsets from the RRAMC's base, and their fields.
const (
	RegTasksWakeup         = 0x000
	RegTasksClrWriteBuf    = 0x004
	RegTasksCommitWriteBuf = 0x008
	RegEventsWokenUp       = 0x100
	RegEventsReady         = 0x104
	RegEventsReadyNext     = 0x108
	RegEventsAccessError   = 0x10C
	RegInten               = 0x300
	RegIntenSet            = 0x304
	RegIntenClr            = 0x308
	RegIntPend             = 0x30C
	RegReady               = 0x400
	RegReadyNext           = 0x404
	RegAccessErrorAddr     = 0x408
	RegBufStatusEmpty      = 0x418 // BUFSTATUS.WRITEBUFEMPTY
	RegECCErrorAddr        = 0x420
	RegConfig              = 0x500 // WEN 0, WRITEBUFSIZE [13:8] in lines, 0: unbuffered
	RegReadyNextTimeout    = 0x50C // VALUE [11:0] in cycles of the AXI clock, EN 31
	RegPowerConfig         = 0x510 // ACCESSTIMEOUT [15:0], POF 16
	RegLowPowerConfig      = 0x518 // MODE [1:0]
	RegEraseAll            = 0x540 // write 1
	RegRegion              = 0x550 // + 8n: ADDRESS, CONFIG
)

// The bits of INTEN, INTENSET, INTENCLR and INTPEND.
const (
	IntWokenUp     uint32 = 1 << 0
	IntReady       uint32 = 1 << 1
	IntReadyNext   uint32 = 1 << 2
	IntAccessError uint32 = 1 << 3
)

const (
	intMask        = 0xF
	configWEN      = 1 << 0
	configMask     = 0x3F01
	timeoutMask    = 0x80000FFF
	timeoutEN      = 1 << 31
	resetTimeout   = 0x80
	powerMask      = 0x1FFFF
	powerPOF       = 1 << 16
	resetPower     = 0x100
	lowPowerMask   = 3
	resetErrorAddr = 0x00FFFFFF
)

// ReadRegister returns the register at off, as bus.Peripheral has it.
func (c *Controller) ReadRegister(off uint32, view bus.Attribute) (uint32, bus.Fault) {
	if view != bus.Secure {
		return 0, bus.NoFault
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read(off), bus.NoFault
}

func (c *Controller) read(off uint32) uint32 {
	switch off {
	case RegEventsWokenUp, RegEventsReady, RegEventsReadyNext, RegEventsAccessError:
		return c.events >> ((off - RegEventsWokenUp) / 4) & 1
	case RegInten, RegIntenSet, RegIntenClr:
		return c.inten
	case RegIntPend:
		return c.pending()
	case RegReady, RegReadyNext:
		return bit(c.ready())
	case RegAccessErrorAddr:
		return c.errorAddr
	case RegBufStatusEmpty:
		return bit(c.buffer.empty())
	case RegECCErrorAddr:
		return resetErrorAddr
	case RegConfig:
		return c.config
	case RegReadyNextTimeout:
		return c.timeout
	case RegPowerConfig:
		return c.power
	case RegLowPowerConfig:
		return c.lowPower
	}
	if w := c.region(off); w != nil {
		if off%8 == 0 {
			return w.address
		}
		return w.config
	}
	return 0
}

// WriteRegister stores to the register at off, as bus.Peripheral has it.
func (c *Controller) WriteRegister(off, v uint32, view bus.Attribute) bus.Fault {
	if view != bus.Secure {
		return bus.NoFault
	}
	switch off {
	case RegTasksCommitWriteBuf:
		if v&1 != 0 {
			c.commit()
		}
	case RegConfig:
		c.commit()
		c.mu.Lock()
		c.config = v & configMask
		c.mu.Unlock()
	case RegEraseAll:
		if v&1 != 0 {
			c.eraseAll()
		}
	default:
		c.mu.Lock()
		before := c.pending()
		c.write(off, v)
		c.unlock(before)
	}
	return bus.NoFault
}

func (c *Controller) write(off, v uint32) {
	switch off {
	case RegTasksWakeup:
		c.events |= IntWokenUp & -(v & 1)
	case RegTasksClrWriteBuf:
		if v&1 != 0 {
			c.drop()
		}
	case RegEventsWokenUp, RegEventsReady, RegEventsReadyNext, RegEventsAccessError:
		shift := (off - RegEventsWokenUp) / 4
		c.events = c.events&^(1<<shift) | v&1<<shift
	case RegInten:
		c.inten = v & intMask
	case RegIntenSet:
		c.inten |= v & intMask
	case RegIntenClr:
		c.inten &^= v
	case RegReadyNextTimeout:
		c.timeout = v & timeoutMask
	case RegPowerConfig:
		c.power = v & powerMask
		fail := cells.Wait
		if v&powerPOF != 0 {
			fail = cells.Abort
		}
		c.rram.SetPowerFail(fail)
	case RegLowPowerConfig:
		c.lowPower = v & lowPowerMask
	}
	if w := c.region(off); w != nil {
		w.write(off%8 == 0, v)
	}
}

// eraseAll is ERASEALL: nothing without WEN, and nothing where it is protected.
func (c *Controller) eraseAll() {
	c.mu.Lock()
	c.wait()
	enabled := c.config&configWEN != 0
	c.mu.Unlock()
	if enabled && c.env.EraseAll() == nil {
		c.Spend(c.env.Variant.EraseAll)
	}
}

// pending returns the events that raise the interrupt.
func (c *Controller) pending() uint32 { return c.events & c.inten }

// unlock unlocks mu, and raises the interrupt where there are events pending
// that were not before.
func (c *Controller) unlock(before uint32) {
	risen := c.pending() &^ before
	c.mu.Unlock()
	if risen != 0 && c.env.Interrupt != nil {
		c.env.Interrupt()
	}
}

func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}
