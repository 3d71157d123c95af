// Package scb emulates what matters here of the Cortex-M33's System Control
// Block (Armv8-M Architecture Reference Manual, chapter System Control Space;
// Cortex-M33 Devices Generic User Guide): the system reset request, the two
// vector table offsets, and the bits of AIRCR that say what non-secure software
// may do to secure exceptions. Offsets are from 0xE000ED00.
//
// Registers here exist once per security state or are masked in the non-secure
// view. The bus gives the SCB itself, at 0xE000ED00, in the view of the accessing
// state; and NonSecureAlias, at 0xE002ED00, where secure software finds the
// non-secure view.
//
// Not emulated: every other register of the block (they read 0), exceptions as
// such, and the vector table that VTOR points to.
//
// Trust: both worlds write here. What non-secure software can do is decided by
// bits that secure software sets before it starts it.
package scb

import (
	"sync"

	"github.com/postern-spe/postern/platform/bus"
)

// Base is the address of the block in the accessing state's own view, and
// AliasBase that of the non-secure view for secure software. Both have Size
// bytes.
const (
	Base      uint32 = 0xE000ED00
	AliasBase uint32 = 0xE002ED00
	Size      uint32 = 0x90
)

// Register offsets from Base.
const (
	RegCPUID = 0x00
	RegVTOR  = 0x08
	RegAIRCR = 0x0C
)

// CPUID is the Cortex-M33's, revision r0p4. Which revision each of the boards
// has is unconfirmed; software only looks at the part.
const CPUID uint32 = 0x410FD214

// Fields of AIRCR.
const (
	VectKey      uint32 = 0x05FA << 16 // with every write that counts
	VectKeyStat  uint32 = 0xFA05 << 16 // what reads there
	Pris         uint32 = 1 << 14      // secure only: secure exceptions go first
	BFHFNMIns    uint32 = 1 << 13      // BusFault, HardFault and NMI are non-secure's
	PriGroup     uint32 = 7 << 8       // one per security state
	SysResetReqS uint32 = 1 << 3       // secure only: reset requests are secure's alone
	SysResetReq  uint32 = 1 << 2

	keyMask uint32 = 0xFFFF << 16
)

// vtorMask are the bits of VTOR that exist.
const vtorMask uint32 = 0xFFFFFF80

// Bits of the SPU's CPULOCK register, which freeze registers here.
const (
	LockSVTAIRCR uint32 = 1 << 0 // VTOR_S, AIRCR.PRIS and AIRCR.BFHFNMINS
	LockNSVTOR   uint32 = 1 << 1 // VTOR_NS
)

// Config is what the block is connected to. Its functions are called with no
// lock of the block held.
type Config struct {
	// CPULock returns the SPU's CPULOCK register; nil where the board has none.
	CPULock func() uint32
	// Reset restarts the device (RESETREAS.SREQ); it may return before that.
	Reset func()
}

// SCB is the block. It is safe for concurrent use.
type SCB struct {
	c Config

	mu    sync.Mutex
	banks [2]bank // by attribute
	// What exists once.
	pris, bfhfnmins, resetReqS bool
}

// bank is what each security state has of its own.
type bank struct {
	vtor     uint32
	prigroup uint32
}

// New returns the block as it is after a reset.
func New(c Config) *SCB { return &SCB{c: c} }

// Reset puts the registers to their reset values.
func (s *SCB) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.banks = [2]bank{}
	s.pris, s.bfhfnmins, s.resetReqS = false, false, false
}

// VTOR returns the address of a security state's vector table.
func (s *SCB) VTOR(a bus.Attribute) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.banks[a].vtor
}

// FaultsNonSecure reports whether BusFaults in non-secure state are handled
// there (AIRCR.BFHFNMINS), and not by secure software.
func (s *SCB) FaultsNonSecure() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bfhfnmins
}

// ReadRegister returns the register at off in a state's view.
func (s *SCB) ReadRegister(off uint32, view bus.Attribute) (uint32, bus.Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch off {
	case RegCPUID:
		return CPUID, bus.NoFault
	case RegVTOR:
		return s.banks[view].vtor, bus.NoFault
	case RegAIRCR:
		return s.aircr(view), bus.NoFault
	}
	return 0, bus.NoFault
}

// aircr is AIRCR as a state sees it: PRIS and SYSRESETREQS read 0 to non-secure
// software, which sees BFHFNMINS and cannot change it.
func (s *SCB) aircr(view bus.Attribute) uint32 {
	v := VectKeyStat | s.banks[view].prigroup
	if s.bfhfnmins {
		v |= BFHFNMIns
	}
	if view == bus.Secure && s.pris {
		v |= Pris
	}
	if view == bus.Secure && s.resetReqS {
		v |= SysResetReqS
	}
	return v
}

// WriteRegister stores to the register at off in a state's view.
func (s *SCB) WriteRegister(off, v uint32, view bus.Attribute) bus.Fault {
	var lock uint32
	if s.c.CPULock != nil {
		lock = s.c.CPULock() // another block's lock is behind it
	}
	s.mu.Lock()
	reset := s.write(off, v, view, lock)
	s.mu.Unlock()
	if reset {
		s.c.Reset()
	}
	return bus.NoFault
}

func (s *SCB) write(off, v uint32, view bus.Attribute, lock uint32) (reset bool) {
	switch off {
	case RegVTOR:
		frozen := LockNSVTOR
		if view == bus.Secure {
			frozen = LockSVTAIRCR
		}
		if lock&frozen == 0 {
			s.banks[view].vtor = v & vtorMask
		}
	case RegAIRCR:
		if v&keyMask != VectKey {
			break
		}
		s.banks[view].prigroup = v & PriGroup
		if view != bus.Secure {
			return v&SysResetReq != 0 && !s.resetReqS
		}
		if lock&LockSVTAIRCR == 0 {
			s.pris, s.bfhfnmins = v&Pris != 0, v&BFHFNMIns != 0
		}
		s.resetReqS = v&SysResetReqS != 0
		return v&SysResetReq != 0
	}
	return false
}

// NonSecureAlias returns the block as it is at AliasBase: secure software sees
// the non-secure view there, and non-secure software nothing.
func (s *SCB) NonSecureAlias() bus.Peripheral { return alias{s} }

type alias struct{ s *SCB }

func (a alias) ReadRegister(off uint32, view bus.Attribute) (uint32, bus.Fault) {
	if view != bus.Secure {
		return 0, bus.NoFault
	}
	return a.s.ReadRegister(off, bus.NonSecure)
}

func (a alias) WriteRegister(off, v uint32, view bus.Attribute) bus.Fault {
	if view != bus.Secure {
		return bus.NoFault
	}
	return a.s.WriteRegister(off, v, bus.NonSecure)
}
