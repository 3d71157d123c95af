package spu

import (
	"sync"
	"sync/atomic"

	"github.com/postern-spe/postern/platform/bus"
)

// Register offsets from the base of an nRF54L SPU. The features' are in
// feature.go; EVENTS_PERIPHACCERR and INTEN are where the SPU of nRF53 has
// EVENTS_RAMACCERR and INTEN.
const (
	RegAPBEventsPeriphAccErr = 0x100
	RegIntPend               = 0x30C
	RegPeriphAccErrAddress   = 0x404 // bits 0 to 15 of the address
	RegPeriph                = 0x500 // PERM at +4n, n the slave index

	apbSlaves = 64

	// The state of the one event, in a word: its address, whether it is set,
	// and INTEN, so that an address is never that of another event.
	apbAddress uint32 = 0xFFFF
	apbEvent   uint32 = 1 << 16
	apbIntEn   uint32 = 1 << 17
)

// APB is one of the SPUs of nRF54L: that of one APB bus. It is a bus.Peripheral,
// and answers the guard of the bus (package mpc). All methods are safe for
// concurrent use; decisions take no lock.
type APB struct {
	v        APBVariant
	irq      bus.Interrupt
	state    atomic.Uint32
	periph   [apbSlaves]atomic.Uint32
	features [featureWords]atomic.Uint32
	mu       sync.Mutex // serialises register writes
}

var _ bus.Peripheral = (*APB)(nil)

// NewAPB returns an SPU as a reset leaves it. irq, which may be nil, is its
// interrupt line. It panics on a peripheral with a slave index above 63.
func NewAPB(v APBVariant, irq bus.Interrupt) *APB {
	for n := range v.Peripherals {
		if n >= apbSlaves {
			panic("spu: impossible slave index")
		}
	}
	a := &APB{v: v, irq: irq}
	a.Reset()
	return a
}

// Base returns the address of the SPU's secure alias.
func (a *APB) Base() uint32 { return a.v.Base }

// Reset puts all registers back and lifts all locks.
func (a *APB) Reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state.Store(0)
	for n := range a.periph {
		a.periph[n].Store(0)
	}
	for n, perm := range a.v.Peripherals {
		a.periph[n].Store(perm&periphMask | PeriphPresent)
	}
	for n := range a.features {
		a.features[n].Store(featureReset(RegFeature + 4*uint32(n)))
	}
}

// CheckPeripheral decides an access to a register of the peripheral at addr, whose
// slave index is in bits 12 to 17. The rules are those of SPU.CheckPeripheral. A
// refusal sets PERIPHACCERR and, unless it is set already, the address.
func (a *APB) CheckPeripheral(addr uint32, access bus.Access, from bus.Origin) bus.Fault {
	f, event := decidePeripheral(a.periph[addr>>peripheralShift%apbSlaves].Load(), addr, access, from.Attr)
	if event {
		a.Raise(addr)
	}
	return f
}

// Raise sets PERIPHACCERR for a refused access at addr.
func (a *APB) Raise(addr uint32) {
	for {
		old := a.state.Load()
		if old&apbEvent != 0 {
			return // ADDRESS is frozen
		}
		if a.state.CompareAndSwap(old, old&apbIntEn|apbEvent|addr&apbAddress) {
			if old&apbIntEn != 0 {
				a.interrupt()
			}
			return
		}
	}
}

// DMAAttr returns the attribute of the transactions that the EasyDMA of the
// peripheral with this slave index makes.
func (a *APB) DMAAttr(index uint8) bus.Attribute {
	return dmaAttr(a.periph[index%apbSlaves].Load())
}

// ReadRegister returns the register at off. In the non-secure view all registers
// read 0.
func (a *APB) ReadRegister(off uint32, view bus.Attribute) (uint32, bus.Fault) {
	if view == bus.NonSecure {
		return 0, bus.NoFault
	}
	state := a.state.Load()
	event, enabled := state/apbEvent&1, state/apbIntEn&1
	switch off {
	case RegAPBEventsPeriphAccErr:
		return event, bus.NoFault
	case RegIntEn, RegIntEnSet, RegIntEnClr:
		return enabled, bus.NoFault
	case RegIntPend:
		return event & enabled, bus.NoFault
	case RegPeriphAccErrAddress:
		return state & apbAddress, bus.NoFault
	}
	if c := a.cell(off); c.r != nil {
		return c.r.Load(), bus.NoFault
	}
	return 0, bus.NoFault
}

// WriteRegister stores to the register at off. A write to a locked register, to a
// read-only field or in the non-secure view is ignored.
func (a *APB) WriteRegister(off, v uint32, view bus.Attribute) bus.Fault {
	if view == bus.NonSecure {
		return bus.NoFault
	}
	switch off {
	case RegAPBEventsPeriphAccErr:
		a.change(apbEvent, v&1*apbEvent)
	case RegIntEn:
		a.change(apbIntEn, v&1*apbIntEn)
	case RegIntEnSet:
		a.change(v&1*apbIntEn, apbIntEn)
	case RegIntEnClr:
		a.change(v&1*apbIntEn, 0)
	default:
		a.mu.Lock()
		defer a.mu.Unlock()
		a.cell(off).write(v)
	}
	return bus.NoFault
}

// change sets the bits of the state in mask to those of v, and interrupts when
// the event is set and enabled where it was not.
func (a *APB) change(mask, v uint32) {
	const both = apbEvent | apbIntEn
	for {
		old := a.state.Load()
		w := old&^mask | v&mask
		if !a.state.CompareAndSwap(old, w) {
			continue
		}
		if w&both == both && old&both != both {
			a.interrupt()
		}
		return
	}
}

func (a *APB) interrupt() {
	if a.irq != nil {
		a.irq()
	}
}

// cell returns the register at an offset, the zero cell where there is none.
func (a *APB) cell(off uint32) cell {
	switch {
	case off%4 != 0:
	case off >= RegPeriph && off < RegPeriph+4*apbSlaves:
		r := &a.periph[(off-RegPeriph)/4]
		return cell{r: r, writable: periphWritable(r.Load()), self: PermLock}
	case featureReset(off) != 0:
		return cell{r: &a.features[(off-RegFeature)/4], writable: PermSecure | PermLock, self: PermLock}
	}
	return cell{}
}
