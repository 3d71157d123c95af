package bus

// Peripherals lie at 0x4xxx_xxxx for non-secure transactions and at 0x5xxx_xxxx
// for secure ones; the rest of the address names the register. The processor's
// own registers lie at 0xE00x_xxxx, where the attribute of the access is the
// view, and secure software has the non-secure view 0x20000 higher.
const (
	aliasMask      = 0xF0000000
	nonSecureAlias = 0x40000000
	secureAlias    = 0x50000000
	system         = 0xE0000000
	systemNS       = 0x00020000
	pageSize       = 0x1000
)

func isPeripheral(addr uint32) bool {
	switch addr & aliasMask {
	case nonSecureAlias, secureAlias, system:
		return true
	}
	return false
}

// AttachSystem puts registers of the processor itself at base, 0xE00x_xxxx.
func (b *Bus) AttachSystem(base, size uint32, p Peripheral) {
	page := base &^ (pageSize - 1)
	b.peripherals[page] = append(b.peripherals[page], peripheral{base, size, p})
}

// register decides an access to a register, and finds the block, the offset in
// it and the view.
func (b *Bus) register(addr uint32, width int, access Access, from Origin) (p Peripheral, off uint32, view Attribute, f Fault) {
	if addr&aliasMask == system {
		return b.systemRegister(addr, width, from)
	}
	if f := b.guard.CheckPeripheral(addr, access, from); f != NoFault {
		return nil, 0, 0, f
	}
	if addr&aliasMask == secureAlias {
		view = Secure
	}
	p, off = b.find(addr &^ aliasMask)
	if p == nil || width != 4 {
		return nil, 0, 0, BusFault
	}
	return p, off, view, NoFault
}

// systemRegister: only the processor, and a debugger in its place, have these.
func (b *Bus) systemRegister(addr uint32, width int, from Origin) (Peripheral, uint32, Attribute, Fault) {
	view := from.Attr
	if addr&systemNS != 0 {
		if from.Attr == NonSecure {
			return nil, 0, 0, BusFault
		}
		addr, view = addr&^systemNS, NonSecure
	}
	p, off := b.find(addr)
	if p == nil || width != 4 || from.Master != CPU && from.Master != Debugger {
		return nil, 0, 0, BusFault
	}
	return p, off, view, NoFault
}

func (b *Bus) find(addr uint32) (Peripheral, uint32) {
	for _, p := range b.peripherals[addr&^(pageSize-1)] {
		if addr-p.base < p.size {
			return p.slave, addr - p.base
		}
	}
	return nil, 0
}

func (b *Bus) loadRegister(addr uint32, width int, from Origin) (uint32, Fault) {
	p, off, view, f := b.register(addr, width, Read, from)
	if f != NoFault {
		return 0, f
	}
	return p.ReadRegister(off, view)
}

func (b *Bus) storeRegister(addr uint32, width int, v uint32, from Origin) Fault {
	p, off, view, f := b.register(addr, width, Write, from)
	if f != NoFault {
		return f
	}
	return p.WriteRegister(off, v, view)
}

// Silent is a peripheral that exists, and whose registers are not emulated: they
// read 0 and ignore writes.
type Silent struct{}

func (Silent) ReadRegister(uint32, Attribute) (uint32, Fault) { return 0, NoFault }

func (Silent) WriteRegister(uint32, uint32, Attribute) Fault { return NoFault }

// Join makes one peripheral of two that share a page. inSecond says which
// registers are the second's.
func Join(first, second Peripheral, inSecond func(off uint32) bool) Peripheral {
	return joined{first, second, inSecond}
}

type joined struct {
	first, second Peripheral
	inSecond      func(off uint32) bool
}

func (j joined) of(off uint32) Peripheral {
	if j.inSecond(off) {
		return j.second
	}
	return j.first
}

func (j joined) ReadRegister(off uint32, view Attribute) (uint32, Fault) {
	return j.of(off).ReadRegister(off, view)
}

func (j joined) WriteRegister(off, v uint32, view Attribute) Fault {
	return j.of(off).WriteRegister(off, v, view)
}
