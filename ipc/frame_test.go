package ipc

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/postern-spe/postern/veneer"
)

// call is a well-formed request frame of a psa_call, to be changed by the tests.
func callFrame(payload string, caps ...uint32) []byte {
	r := request{op: opCall, seq: 7, handle: veneer.StatelessHandle(1, 1), length: RequestHeaderSize + uint32(len(payload))}
	if payload != "" {
		r.nin, r.inLen[0] = 1, uint32(len(payload))
	}
	r.nout = uint8(copy(r.outCap[:], caps))
	b := make([]byte, RequestHeaderSize, r.length)
	r.encode(b)
	return append(b, payload...)
}

func put32(b []byte, at int, v uint32) []byte {
	b = bytes.Clone(b)
	binary.LittleEndian.PutUint32(b[at:], v)
	return b
}

func put8(b []byte, at int, v byte) []byte {
	b = bytes.Clone(b)
	b[at] = v
	return b
}

// badRequests are frames that the layout forbids, each for one reason.
var badRequests = []struct {
	name  string
	frame []byte
}{
	{"length 0", put32(callFrame(""), 0, 0)},
	{"length below the header", put32(callFrame(""), 0, RequestHeaderSize-1)},
	{"length above the payload limit", put32(callFrame(""), 0, maxRequest+1)},
	{"length of 4 GiB", put32(callFrame(""), 0, 0xffffffff)},
	{"length above the vectors", put32(callFrame("abc"), 0, RequestHeaderSize+4)},
	{"length below the vectors", put32(callFrame("abc"), 0, RequestHeaderSize+2)},
	{"vectors that overflow to the length", put32(put32(put8(callFrame("abc"), 6, 2), 36, 0xffffffff), 32, 4)},
	{"op 0", put8(callFrame(""), 4, 0)},
	{"op 6", put8(callFrame(""), 4, 6)},
	{"op 256", put8(callFrame(""), 5, 1)},
	{"five input vectors", put8(callFrame(""), 6, 5)},
	{"255 output vectors", put8(callFrame(""), 7, 255)},
	{"reserved field", put32(callFrame(""), 28, 1)},
	{"length of an absent input vector", put32(callFrame("abc"), 36, 1)},
	{"capacity of an absent output vector", put32(callFrame(""), 48, 1)},
	{"SID in psa_call", put32(callFrame(""), 16, 1)},
	{"version in psa_call", put32(callFrame(""), 20, 1)},
	{"handle in psa_version", put8(callFrame(""), 4, byte(opVersion))},
	{"vectors in psa_close", put8(callFrame("abc"), 4, byte(opClose))},
}

func TestRequestRefusesBadFrames(t *testing.T) {
	for _, row := range badRequests {
		t.Run(row.name, func(t *testing.T) {
			var r request
			if err := r.decode(row.frame); err == nil {
				t.Error("accepted")
			}
		})
	}
	var r request
	if err := r.decode(callFrame("abc", 1, 2)); err != nil {
		t.Error(err)
	}
}

func TestReplyMustAnswerTheRequest(t *testing.T) {
	req := request{op: opCall, nout: 2, seq: 9, outCap: [4]uint32{8, 4}}
	good := reply{op: opCall, nout: 2, seq: 9, outLen: [4]uint32{8, 3}, length: ReplyHeaderSize + 11}
	frame := make([]byte, ReplyHeaderSize)
	good.encode(frame)
	for _, row := range []struct {
		name  string
		frame []byte
		ok    bool
	}{
		{"good", frame, true},
		{"another op", put8(frame, 4, byte(opClose)), false},
		{"another count", put8(frame, 6, 1), false},
		{"unknown flag", put8(frame, 7, 2), false},
		{"refused with output", put8(frame, 7, flagRefused), false},
		{"another sequence number", put32(frame, 8, 8), false},
		{"more than the capacity", put32(put32(frame, 16, 9), 0, ReplyHeaderSize+12), false},
		{"output of an absent vector", put32(put32(frame, 24, 1), 0, ReplyHeaderSize+12), false},
		{"length too small", put32(frame, 0, ReplyHeaderSize+10), false},
		{"length too large", put32(frame, 0, ReplyHeaderSize+12), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			var r reply
			if err := r.decode(row.frame, &req); (err == nil) != row.ok {
				t.Errorf("error %v", err)
			}
		})
	}
}

// What decode accepts, encode writes back byte for byte: there is one way to
// write a frame down.
func FuzzRequest(f *testing.F) {
	f.Add(callFrame("abc", 1, 2))
	for _, row := range badRequests {
		f.Add(row.frame)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < RequestHeaderSize {
			return
		}
		var r request
		if r.decode(b) != nil {
			return
		}
		again := make([]byte, RequestHeaderSize)
		if r.encode(again); !bytes.Equal(again, b[:RequestHeaderSize]) {
			t.Errorf("%x became %x", b[:RequestHeaderSize], again)
		}
	})
}

func FuzzReply(f *testing.F) {
	good := reply{op: opCall, nout: 2, seq: 9, outLen: [4]uint32{8, 3}, length: ReplyHeaderSize + 11}
	frame := make([]byte, ReplyHeaderSize)
	good.encode(frame)
	f.Add(frame)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < ReplyHeaderSize {
			return
		}
		req := request{op: opCall, nout: 2, seq: 9, outCap: [4]uint32{8, 4}}
		var r reply
		if r.decode(b, &req) != nil {
			return
		}
		again := make([]byte, ReplyHeaderSize)
		if r.encode(again); !bytes.Equal(again, b[:ReplyHeaderSize]) {
			t.Errorf("%x became %x", b[:ReplyHeaderSize], again)
		}
	})
}

func FuzzGreeting(f *testing.F) {
	h := hello{1, 3}.encode()
	f.Add(h[:])
	w := welcome{version: 1, maxPayload: veneer.MaxPayload}.encode()
	f.Add(w[:])
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < greetingSize {
			return
		}
		b := [greetingSize]byte(data)
		var h hello
		if h.decode(b) == nil && h.encode() != b {
			t.Errorf("hello %x became %x", b, h.encode())
		}
		var w welcome
		if w.decode(b) == nil && w.encode() != b {
			t.Errorf("welcome %x became %x", b, w.encode())
		}
	})
}
