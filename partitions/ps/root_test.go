package ps

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
)

// plain is a Sealer that seals nothing: what a decoder gets is what is given.
type plain struct{}

func (plain) Nonce([]byte) error  { return nil }
func (plain) Secret([]byte) error { return nil }

func (plain) Seal(dst []byte, _ int32, _, plaintext, _ []byte) ([]byte, error) {
	return append(append(dst, plaintext...), make([]byte, tagSize)...), nil
}

func (plain) Open(dst []byte, _ int32, _, ciphertext, _ []byte) ([]byte, error) {
	if len(ciphertext) < tagSize || !bytes.Equal(ciphertext[len(ciphertext)-tagSize:], make([]byte, tagSize)) {
		return nil, veneer.ErrInvalidSignature
	}
	return append(dst, ciphertext[:len(ciphertext)-tagSize]...), nil
}

// FuzzRoot checks that what is taken for a root is what would be written.
func FuzzRoot(f *testing.F) {
	c := rootCoder{sealer: plain{}}
	b, err := c.seal(&root{7, 3, sums{fingerprint{1, 2}, fingerprint{3, 4}}, sums{fingerprint{5, 6}, fingerprint{7, 8}}})
	if err != nil || len(b) != rootSize {
		f.Fatal(len(b), err)
	}
	f.Add(bytes.Clone(b))
	f.Add([]byte("PSR1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c rootCoder
		c.sealer = plain{}
		r, err := c.open(copy(c.raw[:], b))
		if err != nil {
			return
		}
		nonce := bytes.Clone(c.raw[rootNonceAt:rootHeader])
		again, err := c.seal(&r)
		copy(again[rootNonceAt:], nonce)
		if err != nil || !bytes.Equal(again, b[:rootSize]) {
			t.Errorf("%x is taken for %x, %v", b, again, err)
		}
	})
}

// multiply is the field's multiplication as the schoolbook has it.
func multiply(x, y uint64) (p uint64) {
	for i := 63; i >= 0; i-- {
		carry := p >> 63
		p <<= 1
		if carry == 1 {
			p ^= 0x1b
		}
		if y>>i&1 == 1 {
			p ^= x
		}
	}
	return p
}

func TestField(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		x, y, z := r.Uint64(), r.Uint64(), r.Uint64()
		f := fingerprint{x, y}
		if f.times(z) != (fingerprint{multiply(x, z), multiply(y, z)}) {
			t.Fatalf("%#x times %#x", f, z)
		}
		if x != 0 && multiply(x, inverse(x)) != 1 {
			t.Fatalf("1/%#x is not %#x", x, inverse(x))
		}
	}
	if inverse(0) != 0 || inverse(1) != 1 {
		t.Error("0 or 1")
	}
}

// TestSingle finds the one place in which two sets differ, and takes none where
// there are more.
func TestSingle(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	pick := func() (its.UID, fingerprint) {
		return its.UID(r.Uint64()) | slots, fingerprint{r.Uint64(), r.Uint64()}
	}
	for i := range 300 {
		at, d := pick()
		switch i % 3 {
		case 1:
			d[0] = 0
		case 2:
			d[1] = 0
		}
		one := sums{}.toggle(at, d)
		if got, e, ok := one.single(); !ok || got != at || e != d {
			t.Fatalf("%#x, %#x: %#x, %#x, %v", at, d, got, e, ok)
		}
		if _, _, ok := one.toggle(pick()).single(); ok {
			t.Fatal("two places are taken for one")
		}
		if _, _, ok := one.toggle(pick()).toggle(pick()).single(); ok {
			t.Fatal("three places are taken for one")
		}
	}
	if _, _, ok := (sums{}).single(); ok {
		t.Error("no place is taken for one")
	}
	if _, _, ok := (sums{}).toggle(rootUID, fingerprint{1, 2}).single(); ok {
		t.Error("the root's place is taken for an object's")
	}
}
