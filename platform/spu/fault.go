package spu

import "fmt"

// Fault is how a refused access ends for the processor that made it.
type Fault uint8

const (
	NoFault Fault = iota
	// SecureFault: the transaction's security attribute is below what it
	// touches.
	SecureFault
	// BusFault: the region does not permit this kind of access, or nothing is
	// there.
	BusFault
)

func (f Fault) String() string {
	switch f {
	case NoFault:
		return "no fault"
	case SecureFault:
		return "SecureFault"
	}
	return "BusFault"
}

// AccessError is a refused access.
type AccessError struct {
	Fault  Fault
	Addr   uint32
	Access Access
	Attr   Attribute
}

func (e *AccessError) Error() string {
	return fmt.Sprintf("%v: %v %v at 0x%08x", e.Fault, e.Attr, e.Access, e.Addr)
}

// event is an index of EVENTS_RAMACCERR, EVENTS_FLASHACCERR and
// EVENTS_PERIPHACCERR, in the order of their registers.
type event int

const (
	ramAccErr event = iota
	flashAccErr
	periphAccErr
)
