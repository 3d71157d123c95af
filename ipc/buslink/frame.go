package buslink

import (
	"encoding/binary"
	"fmt"
)

const (
	magic        = "PBUS"
	greetingSize = 8
	welcomeSize  = greetingSize + MaxBoardName
	requestSize  = 12
	replySize    = 16
)

// greeting statuses.
const (
	welcome uint16 = 0
	noRoom  uint16 = 1
)

// appendGreeting appends what both sides' greetings have in common.
func appendGreeting(p []byte, status uint16) []byte {
	p = append(p, magic...)
	p = binary.LittleEndian.AppendUint16(p, Version)
	return binary.LittleEndian.AppendUint16(p, status)
}

// appendWelcome appends the server's greeting; board is "" where it has no room.
func appendWelcome(p []byte, status uint16, board string) []byte {
	var name [MaxBoardName]byte
	copy(name[:], board)
	return append(appendGreeting(p, status), name[:]...)
}

// parseGreeting returns the status of a peer of this version.
func parseGreeting(p []byte) (uint16, error) {
	if string(p[:4]) != magic {
		return 0, &ProtocolError{"the peer does not speak this protocol"}
	}
	if v := binary.LittleEndian.Uint16(p[4:]); v != Version {
		return 0, &ProtocolError{fmt.Sprintf("the peer speaks version %d, not %d", v, Version)}
	}
	return binary.LittleEndian.Uint16(p[6:]), nil
}

// parseWelcome returns the status of a server of this version, and the name of
// its board where it has room.
func parseWelcome(p *[welcomeSize]byte) (status uint16, board string, err error) {
	status, err = parseGreeting(p[:])
	if err != nil || status != welcome {
		return status, "", err
	}
	name := p[greetingSize:]
	for len(name) > 0 && name[len(name)-1] == 0 {
		name = name[:len(name)-1]
	}
	if board = string(name); !isBoardName(board) {
		return status, "", &ProtocolError{"the server's board has no proper name"}
	}
	return status, board, nil
}

// isBoardName keeps names to what can be printed anywhere.
func isBoardName(name string) bool {
	if len(name) == 0 || len(name) > MaxBoardName {
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// request is one access.
type request struct {
	op    Op
	width uint8
	ap    uint8
	addr  uint32
	value uint32 // of a Store; the length of a Block
}

func (r *request) append(p []byte) []byte {
	p = append(p, byte(r.op), r.width, r.ap, 0)
	p = binary.LittleEndian.AppendUint32(p, r.addr)
	return binary.LittleEndian.AppendUint32(p, r.value)
}

// known reports whether the operation is one of this version; the other fields
// have a meaning, and have been checked, only then.
func (r *request) known() bool { return r.op >= Load && r.op <= Map }

// parse decodes a request. Of a known operation it accepts only what append
// writes; of any other it looks at nothing but the operation, since the fields
// are a later version's.
func (r *request) parse(p *[requestSize]byte) error {
	*r = request{
		op:    Op(p[0]),
		width: p[1],
		ap:    p[2],
		addr:  binary.LittleEndian.Uint32(p[4:]),
		value: binary.LittleEndian.Uint32(p[8:]),
	}
	switch {
	case !r.known():
		return nil
	case p[3] != 0:
		return &ProtocolError{"a reserved field is not zero"}
	case r.op == Map && *r != request{op: Map}:
		return &ProtocolError{"a map of something"}
	case r.op == Map:
		return nil
	case r.op == Block && (r.width != 1 || r.value == 0 || r.value > MaxBlock):
		return &ProtocolError{"a block read of an impossible length"}
	case r.width != 1 && r.width != 2 && r.width != 4:
		return &ProtocolError{"an impossible width"}
	case (r.op == Load || r.op == Fetch) && r.value != 0:
		return &ProtocolError{"a value that nothing stores"}
	case r.op == Store && r.value&^mask(r.width) != 0:
		return &ProtocolError{"a value that is wider than its store"}
	}
	return nil
}

// mask is the bits of an access of width bytes.
func mask(width uint8) uint32 { return ^uint32(0) >> (32 - 8*uint(width)) }

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

// parse decodes a reply, and accepts only what can answer q.
func (r *reply) parse(p *[replySize]byte, q *request) error {
	*r = reply{
		outcome: Outcome(p[0]),
		addr:    binary.LittleEndian.Uint32(p[4:]),
		value:   binary.LittleEndian.Uint32(p[8:]),
		length:  binary.LittleEndian.Uint32(p[12:]),
	}
	if r.outcome > Failed || p[1] != 0 || p[2] != 0 || p[3] != 0 || !r.answers(q) {
		return &ProtocolError{"the server sent an impossible reply"}
	}
	return nil
}

// answers reports whether the fields fit the question.
func (r *reply) answers(q *request) bool {
	if r.outcome != OK {
		inBlock := q.op == Block && uint64(r.addr)-uint64(q.addr) < uint64(q.value)
		return r.value == 0 && r.length == 0 && (r.addr == 0 || inBlock)
	}
	if r.addr != 0 {
		return false
	}
	switch q.op {
	case Load, Fetch:
		return r.length == 0 && r.value&^mask(q.width) == 0
	case Block:
		return r.length == q.value && r.value == 0
	case Map:
		return r.length%windowSize == 0 && r.length <= MaxWindows*windowSize &&
			r.value <= MaxFiles && r.value <= r.length/windowSize && (r.value == 0) == (r.length == 0)
	}
	return r.length == 0 && r.value == 0
}
