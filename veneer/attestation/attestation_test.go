package attestation

import (
	"bytes"
	"errors"
	"testing"

	"github.com/postern-spe/postern/veneer"
)

// gate answers the service's two calls with the given values and notes what it
// was asked.
type gate struct {
	veneer.Gate
	token  []byte
	size   []byte
	status veneer.Status

	handle veneer.Handle
	types  []int32
	in     []byte
}

func (g *gate) Call(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) veneer.Status {
	g.handle, g.in = h, bytes.Clone(in[0])
	g.types = append(g.types, typ)
	answer := g.token
	if typ == CallTokenSize {
		answer = g.size
	} else if len(out[0]) < len(answer) {
		out[0] = out[0][:0]
		return veneer.ErrBufferTooSmall
	}
	if g.status != veneer.Success {
		out[0] = out[0][:0]
		return g.status
	}
	out[0] = out[0][:copy(out[0], answer)]
	return veneer.Success
}

func TestContract(t *testing.T) {
	if h := veneer.StatelessHandle(4, Version); h != Handle {
		t.Errorf("handle 0x%x, want 0x%x", Handle, h)
	}
	for n := range 100 {
		if want := n == 32 || n == 48 || n == 64; ValidChallengeSize(n) != want {
			t.Errorf("challenge of %d bytes: %t", n, !want)
		}
	}
}

func TestToken(t *testing.T) {
	challenge := bytes.Repeat([]byte{7}, ChallengeSize48)
	g := &gate{token: []byte("token")}
	got, err := New(g).Token(challenge)
	if err != nil || string(got) != "token" {
		t.Fatalf("got %q, %v", got, err)
	}
	if g.handle != Handle || g.types[0] != CallToken || !bytes.Equal(g.in, challenge) {
		t.Errorf("called 0x%x, type %d, with %x", g.handle, g.types[0], g.in)
	}
}

func TestTokenLargerThanUsual(t *testing.T) {
	g := &gate{token: bytes.Repeat([]byte{1}, MaxTokenSize+1), size: []byte{0x51, 2, 0, 0}}
	got, err := New(g).Token(make([]byte, ChallengeSize32))
	if err != nil || !bytes.Equal(got, g.token) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

func TestTokenErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		gate gate
		want veneer.Status
	}{
		{"the service's own", gate{status: veneer.ErrInvalidArgument}, veneer.ErrInvalidArgument},
		{"success without a token", gate{}, veneer.ErrCommunicationFailure},
		{"token too large for a call", gate{token: make([]byte, MaxTokenSize+1), size: []byte{0, 0, 0, 0x7f}}, veneer.ErrCommunicationFailure},
		{"size that is no size", gate{token: make([]byte, MaxTokenSize+1), size: []byte{1}}, veneer.ErrCommunicationFailure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := New(&tt.gate).Token(make([]byte, 32)); !errors.Is(err, tt.want) || got != nil {
				t.Errorf("got %d bytes, %v, want %v", len(got), err, tt.want)
			}
		})
	}
	t.Run("buffer too small", func(t *testing.T) {
		g := &gate{token: []byte("token")}
		if n, err := New(g).TokenInto(make([]byte, 4), make([]byte, 32)); !errors.Is(err, veneer.ErrBufferTooSmall) || n != 0 {
			t.Errorf("got %d, %v", n, err)
		}
	})
}

func TestTokenSize(t *testing.T) {
	g := &gate{size: []byte{0x0a, 2, 0, 0}}
	n, err := New(g).TokenSize(64)
	if err != nil || n != 0x20a {
		t.Errorf("got %d, %v", n, err)
	}
	if g.types[0] != CallTokenSize || !bytes.Equal(g.in, []byte{64, 0, 0, 0}) {
		t.Errorf("asked type %d with %x", g.types[0], g.in)
	}
	for _, size := range []int{-1, 1 << 32} {
		g := &gate{}
		if _, err := New(g).TokenSize(size); !errors.Is(err, veneer.ErrInvalidArgument) || len(g.types) != 0 {
			t.Errorf("%d: got %v after %d calls", size, err, len(g.types))
		}
	}
	for _, bad := range [][]byte{{1, 2, 3}, {0, 0, 0, 0x80}} {
		if _, err := New(&gate{size: bad}).TokenSize(32); !errors.Is(err, veneer.ErrCommunicationFailure) {
			t.Errorf("answer %x: got %v", bad, err)
		}
	}
}
