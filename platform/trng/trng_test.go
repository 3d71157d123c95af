package trng

import (
	"bytes"
	"io"
	"testing"
)

var _ io.Reader = (*TRNG)(nil)

func TestRead(t *testing.T) {
	var g TRNG
	a, b := make([]byte, 32), make([]byte, 32)
	for _, p := range [][]byte{a, b} {
		if n, err := g.Read(p); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
	}
	if bytes.Equal(a, b) {
		t.Error("the same bytes twice")
	}
	g.Fail(true)
	zero := make([]byte, 8)
	if n, err := g.Read(zero); n != 0 || err != ErrHealth || !bytes.Equal(zero, make([]byte, 8)) {
		t.Errorf("%d bytes from a generator that is out of service, %v", n, err)
	}
	g.Fail(false)
	if _, err := g.Read(zero); err != nil {
		t.Error(err)
	}
}
