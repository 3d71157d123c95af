package ipc

import (
	"encoding/binary"

	"github.com/postern-spe/postern/veneer"
)

// greetingSize is the size in bytes of either side's greeting.
const greetingSize = 16

// protocolVersion is the version of the frames in this package.
const protocolVersion uint16 = 1

var magic = [4]byte{'P', 'S', 'T', 'N'}

// hello is what a client sends first on a channel.
//
//	0  u8[4]  "PSTN"
//	4  u16    lowest version of the frames that it speaks
//	6  u16    highest
//	8  u64    0
type hello struct{ min, max uint16 }

func (h hello) encode() (b [greetingSize]byte) {
	copy(b[:], magic[:])
	binary.LittleEndian.PutUint16(b[4:], h.min)
	binary.LittleEndian.PutUint16(b[6:], h.max)
	return b
}

func (h *hello) decode(b [greetingSize]byte) error {
	if [4]byte(b[:4]) != magic {
		return &frameError{0, "not a greeting"}
	}
	h.min = binary.LittleEndian.Uint16(b[4:])
	h.max = binary.LittleEndian.Uint16(b[6:])
	if h.min == 0 || h.max < h.min {
		return &frameError{4, "no range of versions"}
	}
	if binary.LittleEndian.Uint64(b[8:]) != 0 {
		return &frameError{8, "reserved field is not zero"}
	}
	return nil
}

// welcome is the secure world's answer. With another status than success, or
// with version 0, the channel ends there.
//
//	 0  u8[4]  "PSTN"
//	 4  u16    the version chosen, 0 when there is none in common
//	 6  u16    0
//	 8  i32    status
//	12  u32    the most payload bytes of one call, in either direction
type welcome struct {
	version    uint16
	status     veneer.Status
	maxPayload uint32
}

func (w welcome) encode() (b [greetingSize]byte) {
	copy(b[:], magic[:])
	binary.LittleEndian.PutUint16(b[4:], w.version)
	binary.LittleEndian.PutUint32(b[8:], uint32(w.status))
	binary.LittleEndian.PutUint32(b[12:], w.maxPayload)
	return b
}

func (w *welcome) decode(b [greetingSize]byte) error {
	if [4]byte(b[:4]) != magic {
		return &frameError{0, "not a greeting"}
	}
	w.version = binary.LittleEndian.Uint16(b[4:])
	if binary.LittleEndian.Uint16(b[6:]) != 0 {
		return &frameError{6, "reserved field is not zero"}
	}
	w.status = veneer.Status(binary.LittleEndian.Uint32(b[8:]))
	w.maxPayload = binary.LittleEndian.Uint32(b[12:])
	return nil
}

// answer chooses the version for a client's greeting.
func (h hello) answer() welcome {
	w := welcome{maxPayload: veneer.MaxPayload}
	if h.min <= protocolVersion && protocolVersion <= h.max {
		w.version = protocolVersion
	}
	return w
}
