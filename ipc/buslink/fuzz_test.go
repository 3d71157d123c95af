package buslink

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzRequest: the server's decoder accepts only what a client may send, and
// everything accepted has a well-formed answer.
func FuzzRequest(f *testing.F) {
	for _, q := range []request{{Load, 4, 0x1000, 0}, {Store, 2, 4, 7}, {Fetch, 4, 0, 0}, {Block, 1, 0xFFFFFFFF, MaxBlock}, {op: 9}} {
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
		want := uint32(0)
		if q.op == Block {
			want = q.value
		}
		if err := r.parse((*[replySize]byte)(out), want); err != nil || int(r.length) != len(out)-replySize {
			t.Fatalf("%+v answered with %x (%v)", q, out[:replySize], err)
		}
		if r.outcome != OK && r.value != 0 {
			t.Fatal("a fault with a value")
		}
	})
}

// FuzzGreeting: what is accepted is what this version writes.
func FuzzGreeting(f *testing.F) {
	f.Add(goodGreeting)
	f.Add(appendGreeting(nil, noRoom))
	f.Add([]byte("GET / HT"))
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) != greetingSize {
			return
		}
		status, err := parseGreeting((*[greetingSize]byte)(p))
		if err == nil && !bytes.Equal(appendGreeting(nil, status), p) {
			t.Fatalf("accepts %x", p)
		}
	})
}

// FuzzReply: the client's decoder accepts only what a server may send.
func FuzzReply(f *testing.F) {
	f.Add(make([]byte, replySize), uint32(0))
	f.Fuzz(func(t *testing.T, p []byte, want uint32) {
		if len(p) != replySize {
			return
		}
		var r reply
		if r.parse((*[replySize]byte)(p), want) != nil {
			return
		}
		if r.length != 0 && r.length != want {
			t.Fatal("a length that was not asked for")
		}
		var again [replySize]byte
		if r.put(again[:]); !bytes.Equal(again[:], p) {
			t.Fatalf("%x decodes to %+v", p, r)
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	path, _, _ := serving(b)
	c := dial(b, path)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := c.Load(0, 4); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBlock(b *testing.B) {
	path, _, _ := serving(b)
	c := dial(b, path)
	p := make([]byte, MaxBlock)
	b.SetBytes(MaxBlock)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := c.ReadBlock(0, p); err != nil {
			b.Fatal(err)
		}
	}
}
