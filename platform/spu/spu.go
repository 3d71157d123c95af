// Package spu emulates the System Protection Unit of the nRF5340 application
// core (nRF5340 Product Specification, chapter SPU; register names and offsets
// from the device's SVD): the table that says, region by region, which security
// state may read, write and execute flash and RAM, and which peripherals belong
// to the secure world.
//
// Emulated: FLASHREGION, RAMREGION and PERIPHID permissions with their locks,
// FLASHNSC and RAMNSC, the three access-error events, INTEN, CAP and CPULOCK
// (which is kept, and freezes nothing: there is no core). Not emulated: DPPI,
// GPIOPORT and EXTDOMAIN, which read zero, and PUBLISH.
//
// Every access of the bus and every access of the flash driver asks Check. What
// comes over the bus door is chosen by non-secure programs: the address and the
// kind of access are theirs, the security attribute never is.
package spu

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// Attribute is the security attribute of a transaction.
type Attribute uint8

const (
	NonSecure Attribute = iota
	Secure
)

func (a Attribute) String() string {
	if a == Secure {
		return "secure"
	}
	return "non-secure"
}

// Access is what a transaction does. The values are the bits that PERM gives
// the right in.
type Access uint32

const (
	Execute Access = 1 << 0
	Write   Access = 1 << 1
	Read    Access = 1 << 2
)

func (a Access) String() string {
	switch a {
	case Execute:
		return "fetch"
	case Write:
		return "write"
	case Read:
		return "read"
	}
	return "access"
}

// The bits of FLASHREGION[n].PERM and RAMREGION[n].PERM above the three of
// Access.
const (
	PermSecure uint32 = 1 << 4
	PermLock   uint32 = 1 << 8

	permMask  = uint32(Execute|Write|Read) | PermSecure | PermLock
	permReset = uint32(Execute|Write|Read) | PermSecure
)

// Geometry is where the memories are and how large the regions are that guard
// them, in bytes. Region sizes are powers of two, and there are at most
// MaxRegions of each.
type Geometry struct {
	FlashBase, FlashSize, FlashRegion uint32
	RAMBase, RAMSize, RAMRegion       uint32
	// Peripherals holds the fixed part of PERIPHID[n].PERM by peripheral ID.
	Peripherals map[uint8]Mapping
}

// MaxRegions is how many FLASHREGION and RAMREGION registers there are.
const MaxRegions = 64

// memory is one guarded memory: its regions and its non-secure callable part.
type memory struct {
	base, size uint32
	shift      uint
	event      event
	perm       [MaxRegions]atomic.Uint32
	nsc        [2]callable
}

// callable is FLASHNSC[n] or RAMNSC[n].
type callable struct{ region, size atomic.Uint32 }

// SPU is the unit. The zero value is not usable; New makes one. All methods are
// safe for concurrent use; a decision takes no lock.
type SPU struct {
	flash, ram memory
	periph     [256]atomic.Uint32
	events     [3]atomic.Uint32
	inten      atomic.Uint32
	cpulock    atomic.Uint32
	fixed      map[uint8]Mapping

	// mu orders register writes, so that a lock that is being set and a write
	// that it should stop cannot cross.
	mu sync.Mutex
}

// New returns an SPU as it is after reset: all memory secure, readable,
// writable and executable, nothing locked. It panics on a geometry that no
// board can have.
func New(g Geometry) *SPU {
	s := &SPU{fixed: g.Peripherals}
	s.flash.init(g.FlashBase, g.FlashSize, g.FlashRegion, flashAccErr)
	s.ram.init(g.RAMBase, g.RAMSize, g.RAMRegion, ramAccErr)
	s.Reset()
	return s
}

func (m *memory) init(base, size, region uint32, ev event) {
	if region == 0 || region&(region-1) != 0 || size%region != 0 || size/region > MaxRegions {
		panic("spu: impossible region geometry")
	}
	m.base, m.size, m.shift, m.event = base, size, uint(bits.TrailingZeros32(region)), ev
}

// Reset is a reset of the SoC: the one thing that takes the locks away.
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
	for id, m := range s.fixed {
		s.periph[id].Store(uint32(m) | periphPresent | PermSecure)
	}
	for i := range s.events {
		s.events[i].Store(0)
	}
	s.inten.Store(0)
	s.cpulock.Store(0)
}

// Check decides one access to flash or RAM: NoFault, SecureFault when a non-secure
// transaction touches a secure region, BusFault when the region does not permit
// the access, or when there is no memory at the address. The security attribute
// is judged first, so that a non-secure program learns nothing of a secure
// region's permissions. A refusal raises FLASHACCERR or RAMACCERR.
//
// Permissions bind secure transactions too: secure code is stopped by a missing
// WRITE, which is what the bootloader's write protection rests on. Whether the
// chip sets the event also for violations that the core catches before they
// reach the bus is not documented; here it always does.
func (s *SPU) Check(addr uint32, access Access, attr Attribute) Fault {
	m := &s.flash
	off := addr - m.base
	if off >= m.size {
		m = &s.ram
		if off = addr - m.base; off >= m.size {
			return BusFault
		}
	}
	perm := m.perm[off>>m.shift%MaxRegions].Load()
	f := decide(perm, access, attr)
	if f != NoFault {
		s.events[m.event].Store(1)
	}
	return f
}

// decide is the rule itself: the attribute of the transaction must not be below
// the region's, and the region must permit the access.
func decide(perm uint32, access Access, attr Attribute) Fault {
	switch {
	case attr == NonSecure && perm&PermSecure != 0:
		return SecureFault
	case perm&uint32(access) != uint32(access):
		return BusFault
	}
	return NoFault
}

// CheckRange decides an access to n bytes from addr on: nil, or an *AccessError
// with the first address that is refused. n is at least 1.
func (s *SPU) CheckRange(addr, n uint32, access Access, attr Attribute) error {
	if f, at := s.checkRange(addr, n, access, attr); f != NoFault {
		return &AccessError{Fault: f, Addr: at, Access: access, Attr: attr}
	}
	return nil
}

func (s *SPU) checkRange(addr, n uint32, access Access, attr Attribute) (Fault, uint32) {
	for {
		if f := s.Check(addr, access, attr); f != NoFault {
			return f, addr
		}
		// To the end of the region, or of the range: whichever is nearer.
		step := s.regionSize(addr) - addr&(s.regionSize(addr)-1)
		if step >= n {
			return NoFault, 0
		}
		addr, n = addr+step, n-step
	}
}

func (s *SPU) regionSize(addr uint32) uint32 {
	if addr-s.flash.base < s.flash.size {
		return 1 << s.flash.shift
	}
	return 1 << s.ram.shift
}

// SecureFlash reports whether the flash region that addr lies in is secure:
// which of the NVMC's two CONFIG registers governs it.
func (s *SPU) SecureFlash(addr uint32) bool {
	off := addr - s.flash.base
	return off < s.flash.size && s.flash.perm[off>>s.flash.shift%MaxRegions].Load()&PermSecure != 0
}

// Callable reports whether addr lies in a non-secure callable part of a secure
// region: where a non-secure fetch may enter the secure world, if what it finds
// is an SG instruction.
func (s *SPU) Callable(addr uint32) bool {
	return s.flash.callable(addr) || s.ram.callable(addr)
}

func (m *memory) callable(addr uint32) bool {
	off := addr - m.base
	if off >= m.size {
		return false
	}
	region := off >> m.shift % MaxRegions
	if m.perm[region].Load()&PermSecure == 0 {
		return false
	}
	fromEnd := uint32(1)<<m.shift - off&(1<<m.shift-1)
	for i := range m.nsc {
		code := m.nsc[i].size.Load() & nscSizeMask
		// The part ends where the region ends, and grows downward.
		if code >= 1 && code <= 8 && m.nsc[i].region.Load()&(MaxRegions-1) == region && fromEnd <= 1<<(code+4) {
			return true
		}
	}
	return false
}
