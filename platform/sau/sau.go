// Package sau emulates the Security Attribution Unit of an Armv8-M core with
// eight regions (Armv8-M Architecture Reference Manual, SAU; the core of the
// nRF54L15 has it, those of nRF53 and nRF91 have none): which addresses the core
// takes for secure, non-secure and non-secure callable, before anything reaches
// the bus.
//
// Emulated: SAU_CTRL, TYPE, RNR, RBAR and RLAR. Not emulated: SFSR and SFAR, since
// there is no core that would take the fault, and the IDAU, which is the guard's
// (package mpc).
//
// The guard asks At for every access of a CPU. Addresses come from non-secure
// programs. The registers are the secure world's alone.
//
// # Decisions
//
//   - RNR takes a region that exists and ignores other numbers: the architecture
//     leaves them unpredictable.
//   - Where several enabled regions contain an address it is secure, and not
//     callable, as the architecture says.
package sau

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/postern-spe/postern/platform/bus"
)

// Base is the address of SAU_CTRL, and Size the bytes up to RLAR's end.
const (
	Base = 0xE000EDD0
	Size = 0x14
)

// Register offsets from Base.
const (
	RegCtrl = 0x00 // ENABLE bit 0, ALLNS bit 1
	RegType = 0x04 // SREGION: how many regions there are
	RegRNR  = 0x08 // the region that RBAR and RLAR show
	RegRBAR = 0x0C // the first address, its bits 0 to 4 being 0
	RegRLAR = 0x10 // the last address, its bits 0 to 4 being 1; NSC bit 1, ENABLE bit 0
)

// Regions is how many regions there are.
const Regions = 8

const (
	ctrlEnable uint32 = 1 << 0
	ctrlAllNS  uint32 = 1 << 1
	ctrlMask          = ctrlEnable | ctrlAllNS
	rlarEnable uint32 = 1 << 0
	rlarNSC    uint32 = 1 << 1
	addrMask   uint32 = ^uint32(31)
	rlarMask          = addrMask | rlarNSC | rlarEnable
)

// Attribution is what the core takes an address for.
type Attribution uint8

const (
	Secure Attribution = iota
	NonSecure
	Callable // secure, and where a non-secure fetch of an SG instruction enters
)

func (a Attribution) String() string {
	return [...]string{"secure", "non-secure", "non-secure callable"}[a]
}

// ErrRange is the cause of a region that cannot be expressed, and ErrLocked of one
// that the lock of the core has frozen.
var (
	ErrRange  = errors.New("out of range")
	ErrLocked = errors.New("the registers are locked")
)

// SAU is one core's. It is a bus.Peripheral. All methods are safe for concurrent
// use; At takes no lock.
type SAU struct {
	mu         sync.Mutex
	ctrl, rnr  uint32
	rbar, rlar [Regions]uint32
	locked     bool

	inForce atomic.Pointer[attributes] // what ctrl, rbar and rlar mean
}

// attributes is the SAU's setting as decisions read it: it is never changed, but
// replaced.
type attributes struct {
	other   Attribution // of what no region contains
	regions []region
}

type region struct {
	first, last uint32
	is          Attribution
}

var _ bus.Peripheral = (*SAU)(nil)

// New returns a SAU as a reset leaves it: disabled, everything secure.
func New() *SAU {
	s := &SAU{}
	s.Reset()
	return s
}

// Reset puts all registers back and lifts the lock.
func (s *SAU) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ctrl, s.rnr, s.locked = 0, 0, false
	s.rbar, s.rlar = [Regions]uint32{}, [Regions]uint32{}
	s.update()
}

// Lock freezes all registers until reset: the core's LOCKSAU signal, which the
// nRF54L15 drives from CPUC.LOCK.
func (s *SAU) Lock() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.locked = true
}

// At returns what the core takes an address for, without an IDAU.
func (s *SAU) At(addr uint32) Attribution {
	a, _ := s.Span(addr)
	return a
}

// Span returns what the core takes an address for, and the last address up to
// which it takes all for the same.
func (s *SAU) Span(addr uint32) (found Attribution, last uint32) {
	a := s.inForce.Load()
	found, last = a.other, 0xFFFFFFFF
	hits := 0
	for i := range a.regions {
		r := &a.regions[i]
		switch {
		case addr > r.last:
		case addr < r.first:
			last = min(last, r.first-1)
		default:
			last = min(last, r.last)
			hits++
			found = r.is
		}
	}
	if hits > 1 {
		found = Secure
	}
	return found, last
}

// update makes the registers count. The caller holds mu.
func (s *SAU) update() {
	a := &attributes{other: Secure}
	switch {
	case s.ctrl&ctrlEnable != 0:
		for i, rlar := range s.rlar {
			r := region{s.rbar[i], rlar | ^addrMask, NonSecure}
			if rlar&rlarNSC != 0 {
				r.is = Callable
			}
			if rlar&rlarEnable != 0 && r.first <= r.last {
				a.regions = append(a.regions, r)
			}
		}
	case s.ctrl&ctrlAllNS != 0:
		a.other = NonSecure
	}
	s.inForce.Store(a)
}

// ReadRegister returns the register at off. In the non-secure view all registers
// read 0.
func (s *SAU) ReadRegister(off uint32, view bus.Attribute) (uint32, bus.Fault) {
	if view == bus.NonSecure {
		return 0, bus.NoFault
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch off {
	case RegCtrl:
		return s.ctrl, bus.NoFault
	case RegType:
		return Regions, bus.NoFault
	case RegRNR:
		return s.rnr, bus.NoFault
	case RegRBAR:
		return s.rbar[s.rnr], bus.NoFault
	case RegRLAR:
		return s.rlar[s.rnr], bus.NoFault
	}
	return 0, bus.NoFault
}

// WriteRegister stores to the register at off. In the non-secure view, and under
// the lock, a write is ignored.
func (s *SAU) WriteRegister(off, v uint32, view bus.Attribute) bus.Fault {
	if view == bus.NonSecure {
		return bus.NoFault
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locked {
		return bus.NoFault
	}
	switch off {
	case RegCtrl:
		s.ctrl = v & ctrlMask
	case RegRNR:
		if v < Regions {
			s.rnr = v
		}
		return bus.NoFault
	case RegRBAR:
		s.rbar[s.rnr] = v & addrMask
	case RegRLAR:
		s.rlar[s.rnr] = v & rlarMask
	default:
		return bus.NoFault
	}
	s.update()
	return bus.NoFault
}

// SetRegion makes the n-th region [base, limit], both included and whole units of
// 32 bytes: non-secure, or non-secure callable. ErrRange, ErrLocked.
func (s *SAU) SetRegion(n int, base, limit uint32, callable bool) error {
	if n < 0 || n >= Regions || base&^addrMask != 0 || limit&^addrMask != ^addrMask || limit < base {
		return fmt.Errorf("sau: region %d [0x%08x, 0x%08x]: %w", n, base, limit, ErrRange)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locked {
		return fmt.Errorf("sau: region %d: %w", n, ErrLocked)
	}
	s.rbar[n], s.rlar[n] = base, limit&addrMask|rlarEnable
	if callable {
		s.rlar[n] |= rlarNSC
	}
	s.update()
	return nil
}

// Enable makes the regions count (TZ_SAU_Enable). ErrLocked.
func (s *SAU) Enable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locked {
		return fmt.Errorf("sau: CTRL: %w", ErrLocked)
	}
	s.ctrl |= ctrlEnable
	s.update()
	return nil
}
