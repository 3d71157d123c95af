package gpio

import "github.com/postern-spe/postern/platform/bus"

// visible returns the pins that a view has.
func (p *Port) visible(view bus.Attribute) uint32 {
	pins := uint32(1<<p.v.Pins - 1)
	if view == bus.NonSecure {
		pins &^= p.secure()
	}
	return pins
}

// config returns the bits of a pin's PIN_CNF that a view has.
func (p *Port) config(pin int, view bus.Attribute) uint32 {
	if p.visible(view)>>pin&1 == 0 {
		return 0
	}
	if view == bus.NonSecure {
		return p.v.Config &^ p.v.SecureConfig
	}
	return p.v.Config
}

// pin returns which PIN_CNF is at off.
func (p *Port) pin(off uint32) (int, bool) {
	n := (off - p.v.PinCnf) / 4
	return int(n), off >= p.v.PinCnf && off%4 == 0 && n < uint32(p.v.Pins)
}

// ReadRegister returns the register at off, without what belongs to the other
// world.
func (p *Port) ReadRegister(off uint32, view bus.Attribute) (uint32, bus.Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pin, ok := p.pin(off); ok {
		return p.cnf[pin] & p.config(pin, view), bus.NoFault
	}
	switch off {
	case RegLatch:
		return p.latch & p.visible(view), bus.NoFault
	case RegDetectMode:
		return p.mode, bus.NoFault
	case RegDetectModeSec:
		if view == bus.Secure {
			return p.modeSec, bus.NoFault
		}
		return 0, bus.NoFault
	}
	var v uint32
	switch off - p.v.Out {
	case RegOut, RegOutSet, RegOutClr:
		v = p.out
	case RegIn:
		v = p.in()
	case RegDir, RegDirSet, RegDirClr:
		v = p.dir()
	}
	return v & p.visible(view), bus.NoFault
}

// WriteRegister stores to the register at off; what belongs to the other world
// stays. A 1 to LATCH clears the bit, unless the pin still meets its SENSE.
func (p *Port) WriteRegister(off, v uint32, view bus.Attribute) bus.Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	pins := p.visible(view)
	if pin, ok := p.pin(off); ok {
		mask := p.config(pin, view)
		p.cnf[pin] = p.cnf[pin]&^mask | v&mask
		p.sense()
		return bus.NoFault
	}
	switch off {
	case RegLatch:
		p.latch &^= v & pins
	case RegDetectMode:
		p.mode = v & 1
	case RegDetectModeSec:
		if view == bus.Secure && p.v.DetectModeSec {
			p.modeSec = v & 1
		}
	default:
		p.writePins(off-p.v.Out, v, pins)
	}
	p.sense()
	return bus.NoFault
}

func (p *Port) writePins(reg, v, pins uint32) {
	switch reg {
	case RegOut:
		p.out = p.out&^pins | v&pins
	case RegOutSet:
		p.out |= v & pins
	case RegOutClr:
		p.out &^= v & pins
	case RegDir:
		p.setDir(pins, v)
	case RegDirSet:
		p.setDir(v&pins, v)
	case RegDirClr:
		p.setDir(v&pins, 0)
	}
}
