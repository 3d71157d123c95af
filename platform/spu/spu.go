// Package spu emulates the System Protection Unit: the registers that say who
// may touch what.
//
// [SPU] is that of nRF53 and nRF91 (Product Specifications of nRF5340 and
// nRF9160, chapter SPU; register names, offsets and reset values from the SVDs):
// region by region the permissions of flash and RAM, the security of every
// peripheral, pin and DPPI channel, and of what other domains send. [APB] is that
// of nRF54L (nRF54L15 datasheet, chapter SPU), which guards the peripherals of one
// APB bus, and leaves memory to the MPC. Chips differ in data, [Variant] and
// [APBVariant].
//
// Emulated: all registers. PUBLISH goes where Publish connects it. CPULOCK is kept,
// and freezes nothing: there is no core. Of PERIPHID, the DMA attribute is what
// DMAAttr answers; masters ask for it.
//
// The bus asks Check and its sisters before every access, and the flash driver
// too. Addresses and kinds of access come from non-secure programs; the security
// attribute never does. Registers are written by secure software at boot, and by
// whatever secure accesses the bus carries later.
//
// # Decisions
//
// What the documents leave open is decided so:
//   - An ACCERR event is set by every refusal, also by one that the core would
//     find before there is a bus transfer. Nothing is set where nothing is there.
//   - READ, WRITE and EXECUTE bind secure accesses as well: fprotect rests on it.
//   - The attribute is judged before the permission, so that a non-secure program
//     learns nothing of a secure region's permissions.
//   - SECATTR and DMASEC take writes only where they have an effect: SECATTR of a
//     selectable or split mapping, DMASEC of a DMA with an attribute of its own.
//   - The DMA of a non-secure peripheral is non-secure, whatever DMASEC says.
//   - A PERIPHID without a peripheral reads 0 and ignores writes.
//   - Where both NSC registers name a region, the larger size counts. A SIZE
//     above 8 is reserved, and disables.
//   - FLASHNSC.REGION and SIZE have locks of their own: locking one leaves the
//     other writable.
//   - The external flash's window lies outside the attribution: it is
//     non-secure, and everything else is up to the memory there.
//   - Enabling an interrupt whose event is set already raises it.
package spu

import (
	"sync"
	"sync/atomic"

	"github.com/postern-spe/postern/platform/bus"
)

// MaxRegions is how many FLASHREGION and RAMREGION registers there can be.
const MaxRegions = 64

// The bits of FLASHREGION[n].PERM and RAMREGION[n].PERM above the three of
// bus.Access.
const (
	PermSecure uint32 = 1 << 4
	PermLock   uint32 = 1 << 8

	permRights = uint32(bus.Execute | bus.Write | bus.Read)
	permMask   = permRights | PermSecure | PermLock
	permReset  = permRights | PermSecure
)

// memory is one guarded memory: its regions and its non-secure callable parts.
type memory struct {
	base, size uint32
	shift      uint
	event      event
	perm       [MaxRegions]atomic.Uint32
	nsc        [2]callable
}

// callable is FLASHNSC[n] or RAMNSC[n].
type callable struct{ region, size atomic.Uint32 }

// lockable is a PERM with a LOCK word of its own: DPPI[n] and GPIOPORT[n].
type lockable struct{ perm, lock atomic.Uint32 }

// SPU is one system protection unit of nRF53 or nRF91. It is a bus.Guard and a
// bus.Peripheral. All methods but Publish are safe for concurrent use; decisions
// take no lock.
type SPU struct {
	v      Variant
	events events

	flash, ram memory
	periph     [256]atomic.Uint32
	external   atomic.Uint32
	dppi       lockable
	gpio       [2]lockable
	publish    [numEvents]atomic.Uint32
	cpulock    atomic.Uint32

	mu     sync.Mutex // serialises register writes
	signal func(channel uint8)
}

var (
	_ bus.Guard      = (*SPU)(nil)
	_ bus.Peripheral = (*SPU)(nil)
)

// New returns the SPU of a chip as a reset leaves it: all of flash and RAM
// secure, readable, writable and executable, nothing locked. irq, which may be
// nil, is its interrupt line. It panics on an impossible variant, which is a
// property of the board.
func New(v Variant, irq bus.Interrupt) *SPU {
	s := &SPU{v: v}
	s.events.irq = irq
	s.flash.init(v.Flash, flashAccErr)
	s.ram.init(v.RAM, ramAccErr)
	if v.PeriphIDs > len(s.periph) || v.GPIOPorts > len(s.gpio) || v.DPPIChannels > 32 || v.NSCRegions >= MaxRegions {
		panic("spu: impossible variant")
	}
	for id := range v.Peripherals {
		if int(id) >= v.PeriphIDs {
			panic("spu: a peripheral without a PERIPHID register")
		}
	}
	s.Reset()
	return s
}

func (m *memory) init(g Memory, e event) {
	n, rest := uint32(0), uint32(1)
	if g.Region != 0 {
		n, rest = g.Size/g.Region, g.Size%g.Region
	}
	if n == 0 || n > MaxRegions || rest != 0 || g.Region&(g.Region-1) != 0 || g.Base%g.Region != 0 || g.Base+g.Size < g.Base {
		panic("spu: impossible memory geometry")
	}
	m.base, m.size, m.event = g.Base, g.Size, e
	for 1<<m.shift < g.Region {
		m.shift++
	}
}

func (m *memory) regions() uint32 { return m.size >> m.shift }

// Publish has f called, with the number of the DPPI channel, for every event that
// a PUBLISH register sends there. It is called before the SPU is used, once.
func (s *SPU) Publish(f func(channel uint8)) { s.signal = f }

// Reset puts all registers back and lifts all locks.
func (s *SPU) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range []*memory{&s.flash, &s.ram} {
		for i := range m.perm {
			m.perm[i].Store(permReset)
		}
		for i := range m.nsc {
			m.nsc[i].region.Store(0)
			m.nsc[i].size.Store(0)
		}
	}
	for id := range s.periph {
		s.periph[id].Store(0)
	}
	for id, perm := range s.v.Peripherals {
		s.periph[id].Store(perm&periphMask | PeriphPresent)
	}
	s.external.Store(s.v.ExtDomain)
	s.dppi.perm.Store(s.channels())
	s.dppi.lock.Store(0)
	for i := range s.gpio {
		s.gpio[i].perm.Store(0xFFFFFFFF)
		s.gpio[i].lock.Store(0)
	}
	for i := range s.publish {
		s.publish[i].Store(0)
	}
	s.cpulock.Store(0)
	s.events.reset()
}

// channels returns the bits of DPPI[0].PERM that exist.
func (s *SPU) channels() uint32 { return uint32(1<<s.v.DPPIChannels - 1) }
