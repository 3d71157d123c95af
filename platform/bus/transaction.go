// Package bus emulates the bus of a Nordic SoC as its masters see it: loads,
// stores, instruction fetches and block reads at an address, with a master and a
// security attribute, each decided by a Guard (the SPU of nRF53 and nRF91, MPC
// and SPU of nRF54L) before anything happens.
//
// Accesses must be naturally aligned: the core splits unaligned ones, which is
// not emulated, so they fault. Where nothing is decoded an access is a BusFault.
//
// Trust: addresses, widths and values come from non-secure programs and from
// debuggers. The Origin of an access comes from the door that it came through.
package bus

import "fmt"

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
// the right in, in SPU and MPC alike.
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

// Master is who drives a transaction. It decides how a refusal ends, never
// whether there is one: that depends on the attribute alone.
type Master uint8

const (
	CPU      Master = iota // takes a SecureFault or a BusFault
	DMA                    // sees zeros, loses its writes, and is not told
	External               // another domain, as the network core: a bus error
	Debugger               // the memory access port: an error response
)

func (m Master) String() string { return [...]string{"CPU", "DMA", "external", "debugger"}[m] }

// Origin is where a transaction comes from.
type Origin struct {
	Master Master
	Attr   Attribute
}

func (o Origin) String() string { return fmt.Sprintf("%v %v", o.Attr, o.Master) }

// The two states of the processor.
var (
	SecureCPU    = Origin{CPU, Secure}
	NonSecureCPU = Origin{CPU, NonSecure}
)

// Fault is how a refused access ends for the master that made it.
type Fault uint8

const (
	NoFault Fault = iota
	// SecureFault: the transaction's security attribute is below what it
	// touches. Only a CPU takes it; other masters get a BusFault.
	SecureFault
	// BusFault: the region does not permit this kind of access, or nothing is
	// there.
	BusFault
	// Blocked: a DMA's access was refused. It read zeros, or its write was
	// dropped, and the DMA itself does not know.
	Blocked
)

func (f Fault) String() string {
	return [...]string{"no fault", "SecureFault", "BusFault", "blocked"}[f]
}

// AccessError is a refused access.
type AccessError struct {
	Fault  Fault
	Addr   uint32
	Access Access
	From   Origin
}

func (e *AccessError) Error() string {
	return fmt.Sprintf("%v: %v %v at 0x%08x", e.Fault, e.From.Attr, e.Access, e.Addr)
}

// Guard decides accesses. Its methods are safe for concurrent use; a decision
// takes no lock and allocates nothing. The faults that it returns are the
// CPU's: SecureFault or BusFault; Bus turns them into what another master gets.
// A refusal raises the guard's event for it.
type Guard interface {
	// Check decides an access to one address of flash or RAM.
	Check(addr uint32, access Access, from Origin) Fault
	// CheckRange decides an access to n bytes from addr on, n at least 1: nil,
	// or an *AccessError with the first address that is refused.
	CheckRange(addr, n uint32, access Access, from Origin) error
	// CheckPeripheral decides an access to a register, at its full address:
	// 0x4xxx_xxxx is the non-secure alias, 0x5xxx_xxxx the secure one.
	CheckPeripheral(addr uint32, access Access, from Origin) Fault
	// Secure reports whether the memory at addr is attributed secure: which of
	// the NVMC's two CONFIG registers governs it.
	Secure(addr uint32) bool
	// Callable reports whether addr is non-secure callable: where a non-secure
	// fetch may enter the secure world, if it finds an SG instruction.
	Callable(addr uint32) bool
	// Refuse raises the event of an access at addr that a block refuses by a
	// rule of its own, as that of a page that only the secure world sees, or of
	// a split peripheral's secure half.
	Refuse(addr uint32, access Access, from Origin)
}

// Memory is a slave that is read as bytes: flash, RAM, UICR. The guard has let
// the access pass; Memory applies its own rules, and returns a CPU's fault.
type Memory interface {
	// Load fills p from addr on; on a fault p is undefined.
	Load(addr uint32, p []byte, access Access, from Origin) Fault
	// Store writes the low width bytes (1, 2 or 4) of v at addr.
	Store(addr uint32, width int, v uint32, from Origin) Fault
}

// Peripheral is a slave with registers, which are words. The guard has let the
// access pass; view is the alias that it went through.
type Peripheral interface {
	// ReadRegister returns the register at off, a multiple of 4; one that does
	// not exist, or not in this view, reads 0.
	ReadRegister(off uint32, view Attribute) (uint32, Fault)
	// WriteRegister stores to the register at off. A store to one that does not
	// exist, is read-only, or does not exist in this view is ignored.
	WriteRegister(off, v uint32, view Attribute) Fault
}

// Interrupt is the line from a block to the interrupt controller. It is called,
// with no lock of the block held, when an event that INTEN enables becomes 1.
// It does not block.
type Interrupt func()
