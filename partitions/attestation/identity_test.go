package attestation

import (
	"bytes"
	"testing"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// cryptoGate is a secure world with one key, the identity key, that signs
// SHA-256 hashes and gives out its public half. It answers requests as they are
// on the wire.
type cryptoGate struct {
	veneer.Gate
	key *key
}

func (g cryptoGate) Call(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) veneer.Status {
	var r crypto.Request
	if h != crypto.Handle || typ != crypto.CallFunction || r.Parse(in[0]) != nil {
		return veneer.ErrProgrammerError
	}
	var answer []byte
	var err error
	switch {
	case r.Key != 0x7fff815d:
		return veneer.ErrInvalidHandle
	case r.Function == crypto.SignHash && r.Alg == 0x06000609 && len(in[1]) == 32:
		answer, err = g.key.SignIdentity(in[1])
	case r.Function == crypto.ExportPublicKey:
		answer, err = g.key.PublicKey()
	default:
		return veneer.ErrNotPermitted
	}
	if err != nil {
		return veneer.ErrGenericError
	}
	if len(answer) > len(out[0]) {
		return veneer.ErrBufferTooSmall
	}
	out[0] = out[0][:copy(out[0], answer)]
	return veneer.Success
}

func TestIdentityThroughCrypto(t *testing.T) {
	k := newKey(t)
	id := newIdentity(cryptoGate{key: k})
	hash := bytes.Repeat([]byte{7}, 32)
	got, err := id.SignIdentity(hash)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := k.SignIdentity(hash); err != nil || !bytes.Equal(got, want) {
		t.Errorf("signature %x, want %x (%v)", got, want, err)
	}
	public, err := id.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	if want, err := k.PublicKey(); err != nil || !bytes.Equal(public, want) {
		t.Errorf("public key %x, want %x (%v)", public, want, err)
	}
	if psa.IAK != 0x7fff815d {
		t.Errorf("the IAK is key %v", psa.IAK)
	}
}
