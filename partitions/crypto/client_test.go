package crypto

import (
	"bytes"
	"crypto/sha256"
	"io"
	"testing"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// The adapters to Go's own interfaces, over the partition.

func TestReader(t *testing.T) {
	c := newWorld(t).client(appOwner)
	a, b := make([]byte, 64), make([]byte, 64)
	for _, p := range [][]byte{a, b} {
		if _, err := io.ReadFull(c.Reader(), p); err != nil {
			t.Fatal(err)
		}
	}
	if bytes.Equal(a, b) || bytes.Equal(a, make([]byte, 64)) {
		t.Errorf("%x and %x", a, b)
	}
	broken := newWorld(t, func(c *Config) { c.Random = brokenRandom{} }).client(appOwner)
	n, err := broken.Reader().Read(a)
	wantStatus(t, "a broken generator", err, veneer.ErrInsufficientEntropy)
	if n != 0 {
		t.Errorf("%d bytes of a broken generator", n)
	}
}

func TestAEADAdapter(t *testing.T) {
	c := newWorld(t).client(appOwner)
	key := volatileKey(t, c, psa.KeyAES, psa.UsageEncrypt|psa.UsageDecrypt, psa.GCM.AtLeast(12), secret)
	for _, alg := range []psa.Algorithm{psa.GCM, psa.GCM.Truncated(12)} {
		a := c.AEAD(key, alg)
		nonce := make([]byte, a.NonceSize())
		sealed := a.Seal([]byte("head"), nonce, []byte("plain"), []byte("ad"))
		if want := len("headplain") + a.Overhead(); len(sealed) != want || !bytes.HasPrefix(sealed, []byte("head")) {
			t.Errorf("sealed %x, want %d bytes", sealed, want)
		}
		plain, err := a.Open([]byte("head"), nonce, sealed[4:], []byte("ad"))
		if err != nil || string(plain) != "headplain" {
			t.Errorf("opened %q, %v", plain, err)
		}
		_, err = a.Open(nil, nonce, sealed[4:], []byte("AD"))
		wantStatus(t, "other additional data", err, veneer.ErrInvalidSignature)
	}
	defer func() {
		if got := recover(); got != veneer.ErrInvalidHandle {
			t.Errorf("Seal with no key panics with %v", got)
		}
	}()
	c.AEAD(psa.VolatileIDMax, psa.GCM).Seal(nil, make([]byte, 12), nil, nil)
}

// Data that one call does not carry is hashed in several.
func TestLargeHash(t *testing.T) {
	c := newWorld(t).client(appOwner)
	data := bytes.Repeat([]byte("0123456789abcdef"), (veneer.MaxPayload+1<<16)/16)
	want := sha256.Sum256(data)
	if got, err := c.Hash(psa.SHA256, data); err != nil || !bytes.Equal(got, want[:]) {
		t.Errorf("%x, %v", got, err)
	}
}

// An operation does what it was set up for.
func TestMACDirection(t *testing.T) {
	c := newWorld(t).client(appOwner)
	alg := psa.HMAC(psa.SHA256)
	key := volatileKey(t, c, psa.KeyHMAC, psa.UsageSignMessage|psa.UsageVerifyMessage, alg, secret)
	signs, err := c.NewMAC(key, alg)
	if err != nil {
		t.Fatal(err)
	}
	verifies, err := c.NewMACVerifier(key, alg)
	if err != nil {
		t.Fatal(err)
	}
	wantStatus(t, "verify an operation that signs", signs.Verify(make([]byte, 32)), veneer.ErrBadState)
	_, err = verifies.Finish()
	wantStatus(t, "sign with one that verifies", err, veneer.ErrBadState)
	_, err = signs.Finish()
	wantStatus(t, "sign after the error", err, veneer.ErrBadState)
	wantStatus(t, "abort", signs.Abort(), veneer.Success)
	wantStatus(t, "abort again", signs.Abort(), veneer.Success)
	_, err = c.NewMAC(key, psa.CMAC)
	wantStatus(t, "set up with another algorithm", err, veneer.ErrNotPermitted)
}

func TestCanDo(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		alg  psa.Algorithm
		want byte
	}{{psa.SHA256, 1}, {psa.SHA3_512, 1}, {psa.SHA1, 0}, {psa.GCM, 0}} {
		st, out := w.call(appOwner, contract.Request{Function: contract.CanDoHash, Alg: c.alg}, nil, 4)
		if st != veneer.Success || !bytes.Equal(out[0], u32(uint32(c.want))) {
			t.Errorf("%v: %v with %x", c.alg, st.Name(), out[0])
		}
	}
	st, out := w.call(appOwner, contract.Request{Function: contract.CanDoCipher, Alg: psa.CTR}, [][]byte{{0, 0x24}}, 4)
	if st != veneer.Success || !bytes.Equal(out[0], u32(0)) {
		t.Errorf("a cipher: %v with %x", st.Name(), out[0])
	}
}
