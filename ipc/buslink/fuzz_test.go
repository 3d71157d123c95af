package buslink

import (
	"bytes"
	"errors"
	"os"
	"testing"
)

// FuzzRequest: the server's decoder accepts only what a client may send, and
// everything accepted has a well-formed answer.
func FuzzRequest(f *testing.F) {
	for _, q := range []request{
		{Load, 4, 0, 0x1000, 0}, {Store, 2, 0, 4, 7}, {Fetch, 4, 2, 0, 0}, {Block, 1, 0, 0xFFFFFFFF, MaxBlock},
		{Block, 1, closedAP, 8, 8}, {op: Map}, {op: 9},
	} {
		f.Add(q.append(nil))
	}
	s := NewServer(new(ramTarget), nil)
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) != requestSize {
			return
		}
		var q request
		if err := q.parse((*[requestSize]byte)(p)); err != nil {
			var pe *ProtocolError
			if !errors.As(err, &pe) {
				t.Fatalf("%T", err)
			}
			return
		}
		// What is accepted encodes to the same bytes.
		if q.known() && !bytes.Equal(q.append(nil), p) {
			t.Fatalf("%x decodes to %+v", p, q)
		}
		var buf [replySize + MaxBlock]byte
		out := s.answer(&q, &buf)
		var r reply
		if err := r.parse((*[replySize]byte)(out), &q); err != nil || int(r.length) != len(out)-replySize {
			t.Fatalf("%+v answered with %x (%v)", q, out[:replySize], err)
		}
	})
}

// FuzzGreeting: what is accepted, of a client and of a server, is what this
// version writes.
func FuzzGreeting(f *testing.F) {
	f.Add(goodGreeting)
	f.Add(appendWelcome(nil, welcome, "nrf5340"))
	f.Add(appendWelcome(nil, welcome, "sixteen1sixteen2"))
	f.Add(appendWelcome(nil, noRoom, ""))
	f.Add([]byte("GET / HT"))
	f.Fuzz(func(t *testing.T, p []byte) {
		switch len(p) {
		case greetingSize:
			status, err := parseGreeting(p)
			if err == nil && !bytes.Equal(appendGreeting(nil, status), p) {
				t.Fatalf("accepts %x", p)
			}
		case welcomeSize:
			status, board, err := parseWelcome((*[welcomeSize]byte)(p))
			if err == nil && status == welcome && (!isBoardName(board) || !bytes.Equal(appendWelcome(nil, status, board), p)) {
				t.Fatalf("accepts %x as %q", p, board)
			}
		}
	})
}

// FuzzReply: the client's decoder accepts only what a server may send in answer
// to the question.
func FuzzReply(f *testing.F) {
	put := func(r reply) []byte {
		var p [replySize]byte
		r.put(p[:])
		return p[:]
	}
	f.Add(put(reply{}), uint8(Store), uint8(4), uint32(0), uint32(1))
	f.Add(put(reply{value: 0xFFFF}), uint8(Load), uint8(2), uint32(8), uint32(0))
	f.Add(put(reply{length: 16}), uint8(Block), uint8(1), uint32(8), uint32(16))
	f.Add(put(reply{outcome: SecureFault, addr: 12}), uint8(Block), uint8(1), uint32(8), uint32(16))
	f.Add(put(reply{value: 1, length: 2 * windowSize}), uint8(Map), uint8(0), uint32(0), uint32(0))
	f.Fuzz(func(t *testing.T, p []byte, op, width uint8, addr, value uint32) {
		q := request{op: Op(op), width: width, addr: addr, value: value}
		if len(p) != replySize || q.parse((*[requestSize]byte)(q.append(nil))) != nil || !q.known() {
			return
		}
		var r reply
		if r.parse((*[replySize]byte)(p), &q) != nil {
			return
		}
		switch {
		case q.op == Block && r.length != 0 && r.length != q.value:
			t.Fatal("a length that was not asked for")
		case q.op != Block && q.op != Map && r.length != 0, r.length > MaxBlock:
			t.Fatal("data that were not asked for")
		case r.outcome != OK && (r.value != 0 || r.length != 0):
			t.Fatal("a refused access that gives something")
		}
		var again [replySize]byte
		if r.put(again[:]); !bytes.Equal(again[:], p) {
			t.Fatalf("%x decodes to %+v", p, r)
		}
	})
}

// FuzzWindows: whatever a server says of windows in two files of two pages is
// refused, or is windows that lie in those files and nowhere else, and encodes to
// the same bytes.
func FuzzWindows(f *testing.F) {
	page := uint32(os.Getpagesize())
	files := []*os.File{readOnly(f, int64(2*page)), readOnly(f, int64(2*page))}
	f.Add(appendWindows(nil, []Window{{0, page, files[0], 0}, {2 * page, page, files[1], int64(page)}}, files), 2)
	f.Add(appendWindows(nil, []Window{{page, 2 * page, files[0], 0}}, files), 1)
	f.Fuzz(func(t *testing.T, p []byte, n int) {
		if len(p)%windowSize != 0 || n < 0 || n > len(files) {
			return
		}
		ws, err := parseWindows(p, files[:n])
		if err == nil && !bytes.Equal(appendWindows(nil, ws, files), p) {
			t.Fatalf("accepts %x", p)
		}
		if err == nil {
			err = checkWindows(ws, files[:n])
		}
		if err != nil {
			return
		}
		end := uint64(0)
		for _, w := range ws {
			if uint64(w.Addr) < end || w.Addr%page != 0 || w.Size == 0 || w.Off < 0 || w.Off+int64(w.Size) > int64(2*page) {
				t.Fatalf("accepts %+v", w)
			}
			end = uint64(w.Addr) + uint64(w.Size)
		}
	})
}
