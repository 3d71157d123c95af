package cracen

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"math/big"
	"testing"

	"github.com/postern-spe/postern/platform/kmu54l"
)

func TestSignIdentity(t *testing.T) {
	d := seeded(t)
	hash := sha256.Sum256([]byte("sample"))
	sig, err := d.SignIdentity(hash[:])
	if err != nil || len(sig) != 64 {
		t.Fatalf("%d bytes, %v", len(sig), err)
	}
	pub, err := d.IdentityPublicKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), pub)
	if err != nil {
		t.Fatal(err)
	}
	if !ecdsa.Verify(key, hash[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		t.Error("the signature does not verify")
	}
	for _, n := range []int{0, 31, 33} {
		if _, err := d.SignIdentity(make([]byte, n)); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("a hash of %d bytes: %v", n, err)
		}
	}
}

func TestMissingSeed(t *testing.T) {
	d := newDevice(t)
	if d.HasRootKeys() {
		t.Error("root keys on a blank device")
	}
	_, pub := d.IdentityPublicKey()
	_, sign := d.SignIdentity(make([]byte, 32))
	_, attributes := d.Attributes(IDMKEK)
	out := bytes.Repeat([]byte{0xAA}, 16)
	for name, err := range map[string]error{
		"HUK": d.DeriveHUK(nil, nil, out), "MKEK": d.DeriveMKEK(nil, nil, out), "public": pub, "sign": sign, "attributes": attributes,
		"encrypted key": d.Provision(aesKey(Encrypted, 0, 128, PersistenceDefault), value(16)),
	} {
		if !errors.Is(err, ErrKeyMissing) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !bytes.Equal(out, make([]byte, 16)) {
		t.Error("output left behind on an error")
	}
	if list, err := d.List(); len(list) != 0 || err != nil {
		t.Errorf("slots in use after errors: %v, %v", list, err)
	}
	// It comes when it comes, without a reset.
	if err := d.WriteSeedRandom(); err != nil {
		t.Fatal(err)
	}
	if !d.HasRootKeys() {
		t.Error("no root keys")
	}
	if err := d.DeriveHUK(nil, nil, out); err != nil {
		t.Error(err)
	}
	for _, err := range []error{d.WriteSeed(testSeed()), d.WriteSeedRandom()} {
		if !errors.Is(err, ErrAlreadyExists) {
			t.Errorf("a second seed: %v", err)
		}
	}
}

func TestBadSeeds(t *testing.T) {
	d := newDevice(t)
	for _, n := range []int{0, 32, 47, 49, 64} {
		if err := d.WriteSeed(make([]byte, n)); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if s, err := d.kmu.State(SlotSeed); s != kmu54l.Erased || err != nil {
		t.Errorf("%v, %v", s, err)
	}
}

func TestDeriveLimits(t *testing.T) {
	d := seeded(t)
	tests := []struct {
		name                string
		label, context, out int
		ok                  bool
	}{
		{"largest", MaxLabel, MaxContext, MaxDerived, true},
		{"label", MaxLabel + 1, 0, 16, false},
		{"context", 0, MaxContext + 1, 16, false},
		{"output", 0, 0, MaxDerived + 1, false},
		{"no output", 0, 0, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := bytes.Repeat([]byte{0xAA}, tt.out)
			err := d.DeriveHUK(make([]byte, tt.label), make([]byte, tt.context), out)
			if (err == nil) != tt.ok {
				t.Fatal(err)
			}
			if !tt.ok && !bytes.Equal(out, make([]byte, tt.out)) {
				t.Error("output left behind on an error")
			}
		})
	}
}

func BenchmarkDeriveHUK(b *testing.B) {
	d := seeded(b)
	out := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		if err := d.DeriveHUK([]byte("TFM_HW_UNIQ_KEY\x00"), nil, out); err != nil {
			b.Fatal(err)
		}
	}
}
