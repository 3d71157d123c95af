// Package buslink carries single memory accesses between processes, over a Unix
// socket of their own: it is the wire of the bus door, through which non-secure
// programs load, store and fetch with the non-secure attribute, and of the
// debug port, through which a probe reaches the access ports of the chip.
// Packages nspe/flash and nspe/debugport call the Client; the secure world runs
// a Server over each door's Target.
//
// # Who is trusted
//
// The server trusts no byte that arrives. A frame has no field for a security
// attribute: that is a property of the socket, and the Target's. Frames to the
// server are of one fixed size and hold no lengths but the one of a block read,
// which is checked before it is used. What breaks the layout ends the
// connection; an operation that is not known is answered. Connections are
// limited, in all and for each process.
//
// The client trusts the server no further than it must: each answer must fit
// the question, and of the descriptors that come with a map it takes as many as
// were announced, none that can be written, and none at any other time.
//
// # The wire, version 1
//
// Little-endian. Either side opens with a greeting, the server first, with the
// name of the board behind it:
//
//	0  magic    4  "PBUS"
//	4  version  2  1
//	6  status   2  from the server: 0 welcome, 1 no room; from the client: 0
//	8  board   16  from the server alone: a name in lower-case letters and
//	               digits, zeros behind it; all zero where there is no room
//
// Then the client sends requests and the server answers each:
//
//	request                       reply
//	0  op       1  Op             0  outcome  1  Outcome
//	1  width    1  1, 2, 4        1  zero     3
//	2  ap       1  access port    4  addr     4  of a block read that faulted: where
//	3  zero     1                 8  value    4  of a load or fetch; files of a map
//	4  addr     4                 12 length   4  of the data that follow
//	8  value    4  to store, or   16 data        of a block read or a map
//	               block length
//
// The width of a block read is 1. A map has nothing but its op: all its other
// fields are 0. Its data are the windows, in the order of their addresses, of 16
// bytes each; the descriptors of its files come with the reply's first byte
// (unix(7), SCM_RIGHTS), in the order of their numbers:
//
//	0  addr    4  where the window lies on the bus
//	4  size    4  in bytes
//	8  offset  4  where it lies in its file
//	12 file    4  the file's number, from 0
package buslink

import (
	"errors"
	"fmt"
)

// Version is the version of the frames.
const Version = 1

// MaxBlock is the most bytes of one block read.
const MaxBlock = 4096

// MemoryAP is the access port through which memory is reached. The bus door has
// no other; on the debug port the numbers are the board's.
const MemoryAP uint8 = 0

// MaxBoardName is the most bytes of a board's name.
const MaxBoardName = 16

// Op is what a request asks for.
type Op uint8

const (
	Load  Op = 1
	Store Op = 2
	Fetch Op = 3
	Block Op = 4
	// Map asks for the windows through which flash can be read without asking.
	Map Op = 5
)

func (o Op) String() string {
	switch o {
	case Load, Block:
		return "read"
	case Store:
		return "write"
	case Fetch:
		return "fetch"
	case Map:
		return "map"
	}
	return fmt.Sprintf("operation %d", uint8(o))
}

// Outcome is how an access ended for the master that made it.
type Outcome uint8

const (
	OK          Outcome = 0
	SecureFault Outcome = 1
	BusFault    Outcome = 2
	// UnknownOp: the server does not know the operation, or not for this door.
	UnknownOp Outcome = 3
	// Protected: AP-Protect keeps the access port closed.
	Protected Outcome = 4
	// Failed: the server could not do it, for reasons that are in its own log.
	Failed Outcome = 5
)

func (o Outcome) String() string {
	switch o {
	case OK:
		return "ok"
	case SecureFault:
		return "SecureFault"
	case BusFault:
		return "BusFault"
	case UnknownOp:
		return "unknown operation"
	case Protected:
		return "protected"
	case Failed:
		return "failed"
	}
	return fmt.Sprintf("outcome %d", uint8(o))
}

// Target is what a Server serves, with the security attribute of the door built
// in. It is called from many goroutines at once. ap is the access port, which is
// the client's choice, and so are addr, value and width, which is 1, 2 or 4: a
// target refuses what it does not have with BusFault, a port that is closed with
// Protected. A Target that is also a Mapper answers Map.
type Target interface {
	// Board is the name of the board, of 1 to MaxBoardName lower-case letters
	// and digits. It is asked for once.
	Board() string
	// Load reads width bytes at addr; what comes with a fault is not sent.
	Load(ap uint8, addr uint32, width int) (uint32, Outcome)
	// Store writes the low width bytes of value at addr.
	Store(ap uint8, addr uint32, width int, value uint32) Outcome
	// Fetch reads an instruction.
	Fetch(ap uint8, addr uint32, width int) (uint32, Outcome)
	// ReadBlock fills p, 1 to MaxBlock bytes, from addr on, or says where it
	// faulted; p is not sent then. It keeps no reference to p.
	ReadBlock(ap uint8, addr uint32, p []byte) (at uint32, o Outcome)
}

// ErrBusy is a server that has no room for another connection, or for another
// of this process.
var ErrBusy = errors.New("buslink: the server has no room for another connection")

// ProtocolError is a peer that does not keep to the wire.
type ProtocolError struct{ What string }

func (e *ProtocolError) Error() string { return "buslink: " + e.What }
