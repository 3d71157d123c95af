// Package buslink carries single memory accesses between processes, over a Unix
// socket of their own: it is the wire of the bus door, through which non-secure
// programs load, store and fetch with the non-secure attribute, and of the
// debug port, where addresses are register offsets. Package nspe/flash calls
// the Client; the secure world runs a Server over the SoC's bus.
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
// # The wire, version 1
//
// Little-endian. Either side opens with a greeting, the server first:
//
//	0  magic    4  "PBUS"
//	4  version  2  1
//	6  status   2  from the server: 0 welcome, 1 no room; from the client: 0
//
// Then the client sends requests and the server answers each:
//
//	request                       reply
//	0  op       1  Op             0  outcome  1  Outcome
//	1  width    1  1, 2, 4        1  zero     3
//	2  zero     2                 4  addr     4  that faulted, or 0
//	4  addr     4                 8  value    4  of a load or fetch
//	8  value    4  to store, or   12 length   4  of the data that follow
//	               block length   16 data        of a block read
package buslink

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Version is the version of the frames.
const Version = 1

// MaxBlock is the most bytes of one block read.
const MaxBlock = 4096

const (
	magic        = "PBUS"
	greetingSize = 8
	requestSize  = 12
	replySize    = 16
)

// Op is what a request asks for.
type Op uint8

const (
	Load  Op = 1
	Store Op = 2
	Fetch Op = 3
	Block Op = 4
)

func (o Op) String() string {
	switch o {
	case Load, Block:
		return "read"
	case Store:
		return "write"
	case Fetch:
		return "fetch"
	}
	return fmt.Sprintf("operation %d", uint8(o))
}

// Outcome is how an access ended for the processor that made it.
type Outcome uint8

const (
	OK          Outcome = 0
	SecureFault Outcome = 1
	BusFault    Outcome = 2
	// UnknownOp: the server does not know the operation.
	UnknownOp Outcome = 3
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
	}
	return fmt.Sprintf("outcome %d", uint8(o))
}

// Target is the bus that a Server serves, with the security attribute of the
// door built in. It is called from many goroutines at once.
type Target interface {
	// Load reads width bytes (1, 2 or 4) at addr; a fault reads 0.
	Load(addr uint32, width int) (uint32, Outcome)
	// Store writes the low width bytes of value at addr.
	Store(addr uint32, width int, value uint32) Outcome
	// Fetch reads an instruction.
	Fetch(addr uint32, width int) (uint32, Outcome)
	// ReadBlock fills p, 1 to MaxBlock bytes, from addr on, or says where it
	// faulted; p is not sent then.
	ReadBlock(addr uint32, p []byte) (at uint32, o Outcome)
}

// ErrBusy is a server that has no room for another connection, or for another
// of this process.
var ErrBusy = errors.New("buslink: the server has no room for another connection")

// ProtocolError is a peer that does not keep to the wire.
type ProtocolError struct{ What string }

func (e *ProtocolError) Error() string { return "buslink: " + e.What }

// greeting statuses.
const (
	welcome uint16 = 0
	noRoom  uint16 = 1
)

func appendGreeting(p []byte, status uint16) []byte {
	p = append(p, magic...)
	p = binary.LittleEndian.AppendUint16(p, Version)
	return binary.LittleEndian.AppendUint16(p, status)
}

// parseGreeting returns the status of a peer of this version.
func parseGreeting(p *[greetingSize]byte) (uint16, error) {
	if string(p[:4]) != magic {
		return 0, &ProtocolError{"the peer does not speak this protocol"}
	}
	if v := binary.LittleEndian.Uint16(p[4:]); v != Version {
		return 0, &ProtocolError{fmt.Sprintf("the peer speaks version %d, not %d", v, Version)}
	}
	return binary.LittleEndian.Uint16(p[6:]), nil
}

// request is one access.
type request struct {
	op    Op
	width uint8
	addr  uint32
	value uint32 // of a Store; the length of a Block
}

func (r *request) append(p []byte) []byte {
	p = append(p, byte(r.op), r.width, 0, 0)
	p = binary.LittleEndian.AppendUint32(p, r.addr)
	return binary.LittleEndian.AppendUint32(p, r.value)
}

// known reports whether the operation is one of this version; the other fields
// have a meaning, and have been checked, only then.
func (r *request) known() bool { return r.op >= Load && r.op <= Block }

// parse decodes a request. Of a known operation it accepts only what append
// writes; of any other it looks at nothing but the operation, since the fields
// are a later version's.
func (r *request) parse(p *[requestSize]byte) error {
	*r = request{
		op:    Op(p[0]),
		width: p[1],
		addr:  binary.LittleEndian.Uint32(p[4:]),
		value: binary.LittleEndian.Uint32(p[8:]),
	}
	switch {
	case !r.known():
		return nil
	case p[2] != 0 || p[3] != 0:
		return &ProtocolError{"a reserved field is not zero"}
	case r.op == Block && (r.width != 1 || r.value == 0 || r.value > MaxBlock):
		return &ProtocolError{"a block read of an impossible length"}
	case r.width != 1 && r.width != 2 && r.width != 4:
		return &ProtocolError{"an impossible width"}
	case r.op != Store && r.op != Block && r.value != 0:
		return &ProtocolError{"a value that nothing stores"}
	}
	return nil
}

// reply is the answer to one request, without the data.
type reply struct {
	outcome Outcome
	addr    uint32
	value   uint32
	length  uint32
}

func (r *reply) put(p []byte) {
	p[0], p[1], p[2], p[3] = byte(r.outcome), 0, 0, 0
	binary.LittleEndian.PutUint32(p[4:], r.addr)
	binary.LittleEndian.PutUint32(p[8:], r.value)
	binary.LittleEndian.PutUint32(p[12:], r.length)
}

// parse decodes a reply to a request that asked for want bytes of data.
func (r *reply) parse(p *[replySize]byte, want uint32) error {
	*r = reply{
		outcome: Outcome(p[0]),
		addr:    binary.LittleEndian.Uint32(p[4:]),
		value:   binary.LittleEndian.Uint32(p[8:]),
		length:  binary.LittleEndian.Uint32(p[12:]),
	}
	if r.outcome != OK {
		want = 0
	}
	if r.outcome > UnknownOp || p[1] != 0 || p[2] != 0 || p[3] != 0 || r.length != want {
		return &ProtocolError{"the server sent an impossible reply"}
	}
	return nil
}
