package ipc

import (
	"encoding/binary"
	"fmt"

	"github.com/postern-spe/postern/veneer"
)

// Frame sizes in bytes.
const (
	RequestHeaderSize = 64
	ReplyHeaderSize   = 32

	maxRequest = RequestHeaderSize + veneer.MaxPayload
	maxReply   = ReplyHeaderSize + veneer.MaxPayload
)

// op is which of the five client calls a frame carries.
type op uint16

const (
	opFrameworkVersion op = 1 + iota
	opVersion
	opConnect
	opCall
	opClose
	opEnd // one past the last
)

// request is the header of a request frame. The input vectors' bytes follow it
// back to back, in order.
//
//	 0  u32     length of the whole frame
//	 4  u16     op
//	 6  u8      number of input vectors
//	 7  u8      number of output vectors
//	 8  u32     sequence number, the client's own, echoed in the reply
//	12  i32     handle        (call, close)
//	16  u32     SID           (version, connect)
//	20  u32     version       (connect)
//	24  i32     request type  (call)
//	28  u32     0
//	32  u32[4]  lengths of the input vectors
//	48  u32[4]  capacities of the output vectors
//
// What an op does not use is 0, and a frame in which it is not is refused: there
// is one way to write a call down.
type request struct {
	length    uint32
	op        op
	nin, nout uint8
	seq       uint32
	handle    veneer.Handle
	sid       veneer.SID
	version   uint32
	typ       int32
	inLen     [veneer.MaxIOVec]uint32
	outCap    [veneer.MaxIOVec]uint32
}

// frameError is a frame that breaks the layout. It ends the channel: what
// follows on the stream has no meaning.
type frameError struct {
	offset int
	reason string
}

func (e *frameError) Error() string { return fmt.Sprintf("frame offset %d: %s", e.offset, e.reason) }

func (r *request) encode(b []byte) {
	_ = b[RequestHeaderSize-1]
	le := binary.LittleEndian
	le.PutUint32(b[0:], r.length)
	le.PutUint16(b[4:], uint16(r.op))
	b[6], b[7] = r.nin, r.nout
	le.PutUint32(b[8:], r.seq)
	le.PutUint32(b[12:], uint32(r.handle))
	le.PutUint32(b[16:], uint32(r.sid))
	le.PutUint32(b[20:], r.version)
	le.PutUint32(b[24:], uint32(r.typ))
	le.PutUint32(b[28:], 0)
	for i := range veneer.MaxIOVec {
		le.PutUint32(b[32+4*i:], r.inLen[i])
		le.PutUint32(b[48+4*i:], r.outCap[i])
	}
}

// decode reads the header from the first RequestHeaderSize bytes of b and
// checks all that can be checked before anything is allocated. Numbers of
// vectors that FF-M forbids but the layout can carry (each count up to 4, their
// sum larger) are the SPM's to judge, as is the sum of the capacities.
func (r *request) decode(b []byte) error {
	_ = b[RequestHeaderSize-1]
	le := binary.LittleEndian
	r.length = le.Uint32(b[0:])
	r.op = op(le.Uint16(b[4:]))
	r.nin, r.nout = b[6], b[7]
	r.seq = le.Uint32(b[8:])
	r.handle = veneer.Handle(le.Uint32(b[12:]))
	r.sid = veneer.SID(le.Uint32(b[16:]))
	r.version = le.Uint32(b[20:])
	r.typ = int32(le.Uint32(b[24:]))

	if r.length < RequestHeaderSize || r.length > maxRequest {
		return &frameError{0, "length out of range"}
	}
	if r.op == 0 || r.op >= opEnd {
		return &frameError{4, "no such call"}
	}
	if r.nin > veneer.MaxIOVec || r.nout > veneer.MaxIOVec {
		return &frameError{6, "more vectors than the frame has room for"}
	}
	if le.Uint32(b[28:]) != 0 {
		return &frameError{28, "reserved field is not zero"}
	}
	var in uint64
	for i := range veneer.MaxIOVec {
		r.inLen[i] = le.Uint32(b[32+4*i:])
		r.outCap[i] = le.Uint32(b[48+4*i:])
		if i >= int(r.nin) && r.inLen[i] != 0 {
			return &frameError{32 + 4*i, "length of an absent input vector"}
		}
		if i >= int(r.nout) && r.outCap[i] != 0 {
			return &frameError{48 + 4*i, "capacity of an absent output vector"}
		}
		in += uint64(r.inLen[i])
	}
	if uint64(r.length) != RequestHeaderSize+in {
		return &frameError{0, "length is not the header's and the input vectors'"}
	}
	uses := opFields[r.op]
	switch {
	case r.handle != 0 && !uses.handle:
		return &frameError{12, "handle in a call that has none"}
	case r.sid != 0 && !uses.sid:
		return &frameError{16, "SID in a call that has none"}
	case r.version != 0 && !uses.version:
		return &frameError{20, "version in a call that has none"}
	case r.typ != 0 && !uses.call:
		return &frameError{24, "request type in a call that has none"}
	case (r.nin != 0 || r.nout != 0) && !uses.call:
		return &frameError{6, "vectors in a call that has none"}
	}
	return nil
}

// opFields says which fields of a request each op uses.
var opFields = [opEnd]struct{ handle, sid, version, call bool }{
	opVersion: {sid: true},
	opConnect: {sid: true, version: true},
	opCall:    {handle: true, call: true},
	opClose:   {handle: true},
}

// reply is the header of a reply frame. The output vectors' bytes follow it back
// to back, in order, as many as each length says.
//
//	 0  u32     length of the whole frame
//	 4  u16     op, as in the request
//	 6  u8      number of output vectors, as in the request
//	 7  u8      flags: bit 0 set when the call was refused before the service
//	            saw it, so that the caller's output vectors stay as they were
//	 8  u32     sequence number, as in the request
//	12  i32     framework version, version, handle or status; 0 for close
//	16  u32[4]  lengths of the output vectors
type reply struct {
	length uint32
	op     op
	nout   uint8
	flags  uint8
	seq    uint32
	result int32
	outLen [veneer.MaxIOVec]uint32
}

// flagRefused marks a reply to a call that did not reach its service.
const flagRefused = 1

func (r *reply) encode(b []byte) {
	_ = b[ReplyHeaderSize-1]
	le := binary.LittleEndian
	le.PutUint32(b[0:], r.length)
	le.PutUint16(b[4:], uint16(r.op))
	b[6], b[7] = r.nout, r.flags
	le.PutUint32(b[8:], r.seq)
	le.PutUint32(b[12:], uint32(r.result))
	for i := range veneer.MaxIOVec {
		le.PutUint32(b[16+4*i:], r.outLen[i])
	}
}

// decode reads the header from the first ReplyHeaderSize bytes of b and checks
// that it answers req. A client trusts the secure world with its data but not
// with its own memory, so lengths are held against the capacities it asked for.
func (r *reply) decode(b []byte, req *request) error {
	_ = b[ReplyHeaderSize-1]
	le := binary.LittleEndian
	r.length = le.Uint32(b[0:])
	r.op = op(le.Uint16(b[4:]))
	r.nout, r.flags = b[6], b[7]
	r.seq = le.Uint32(b[8:])
	r.result = int32(le.Uint32(b[12:]))
	switch {
	case r.op != req.op:
		return &frameError{4, "answers another call"}
	case r.nout != req.nout:
		return &frameError{6, "another number of output vectors"}
	case r.flags&^flagRefused != 0:
		return &frameError{7, "unknown flags"}
	case r.seq != req.seq:
		return &frameError{8, "answers another request"}
	}
	var out uint64
	for i := range veneer.MaxIOVec {
		r.outLen[i] = le.Uint32(b[16+4*i:])
		if r.outLen[i] > req.outCap[i] {
			return &frameError{16 + 4*i, "more output than there is room for"}
		}
		out += uint64(r.outLen[i])
	}
	if r.flags&flagRefused != 0 && out != 0 {
		return &frameError{16, "output of a call that was refused"}
	}
	if uint64(r.length) != ReplyHeaderSize+out {
		return &frameError{0, "length is not the header's and the output vectors'"}
	}
	return nil
}
