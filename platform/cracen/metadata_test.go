package cracen

import (
	"errors"
	"fmt"
	"testing"

	"github.com/postern-spe/postern/platform/kmu54l"
)

// TestMetadataExamples has the words of Nordic's documentation.
func TestMetadataExamples(t *testing.T) {
	ed := func(typ uint16, usage uint32, p uint8) Attributes {
		return Attributes{Type: typ, Bits: 255, Lifetime: lifetime(p), Usage: usage, Algorithm: algEdDSA, ID: KeyID(Raw, 5)}
	}
	tests := []struct {
		name string
		word Metadata
		a    Attributes
	}{
		{"Ed25519, verify, revocable", 0x11BA0030, ed(TypePublicTwistedEdw, UsageVerify, PersistenceRevocable)},
		{"Ed25519, verify, locked", 0x113A0030, ed(TypePublicTwistedEdw, UsageVerify, PersistenceReadOnly)},
		{"Ed25519, sign and verify, deletable", 0x18BA0030, ed(TypePairTwistedEdw, UsageSign|UsageVerify, PersistenceDefault)},
		{"AES-CTR-128, protected, decrypt", 0x04960000, Attributes{
			Type: TypeAES, Bits: 128, Lifetime: lifetime(PersistenceDefault), Usage: UsageDecrypt, Algorithm: algCTR, ID: KeyID(Protected, 5),
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if m, err := tt.a.Metadata(); m != tt.word || err != nil {
				t.Errorf("0x%08x, %v, want 0x%08x", uint32(m), err, uint32(tt.word))
			}
			if a, err := tt.word.Attributes(5); a != tt.a || err != nil {
				t.Errorf("%+v, %v, want %+v", a, err, tt.a)
			}
		})
	}
	// The last one's usage is as in the example in which signing implies verifying.
	if f, err := Metadata(0x18BA0030).Fields(); err != nil || f != (Fields{0, Raw, 10, size255, kmu54l.Rotating, 1<<2 | 1<<3}) {
		t.Errorf("%+v, %v", f, err)
	}
}

// TestMetadataRoundTrip goes through all words: what is accepted is what the
// attributes give back, and what they give is a key that can be provisioned.
func TestMetadataRoundTrip(t *testing.T) {
	accepted := 0
	for scheme := range Scheme(4) {
		for alg := range uint8(16) {
			for size := range uint8(8) {
				for policy := range kmu54l.Policy(4) {
					for usage := range uint8(128) {
						m := Fields{0, scheme, alg, size, policy, usage}.Word()
						a, err := m.Attributes(7)
						if err != nil {
							if !errors.Is(err, ErrCorruptionDetected) && !errors.Is(err, ErrHardwareFailure) {
								t.Fatalf("0x%08x: %v", uint32(m), err)
							}
							continue
						}
						accepted++
						if back, err := a.Metadata(); back != m || err != nil {
							t.Fatalf("0x%08x is %+v, which is 0x%08x, %v", uint32(m), a, uint32(back), err)
						}
					}
				}
			}
		}
	}
	if accepted == 0 {
		t.Error("no word is a key's")
	}
	t.Logf("%d words are keys'", accepted)
}

func TestBadMetadata(t *testing.T) {
	tests := []struct {
		name string
		word Metadata
		want error
	}{
		{"version 1", 0x11BA0031, ErrBadState},
		{"reserved bit 6", 0x11BA0070, ErrCorruptionDetected},
		{"reserved bit 13", 0x11BA2030, ErrCorruptionDetected},
		{"algorithm between the old ones", 0x11BA4030, ErrCorruptionDetected},
		{"algorithm 0", 0x11B00030, ErrHardwareFailure},
		{"algorithm 15", 0x11BF0030, ErrHardwareFailure},
		{"policy 0", 0x103A0030, ErrHardwareFailure},
		{"size 0", 0x118A0030, ErrCorruptionDetected},
		{"AES of 255 bits", 0x04B60000, ErrCorruptionDetected},
		{"AES of a seed's size", 0x04D60000, ErrCorruptionDetected},
		{"protected, export", 0x44960000, ErrCorruptionDetected},
		{"protected, copy", 0x84960000, ErrCorruptionDetected},
		{"protected Ed25519", 0x11BA0000, ErrCorruptionDetected},
		{"seed that is not locked", 0x00D00010, ErrCorruptionDetected},
		{"seed with usage", 0x03500010, ErrCorruptionDetected},
		{"all ones", Metadata(secondary), ErrBadState},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if a, err := tt.word.Attributes(5); !errors.Is(err, tt.want) || a != (Attributes{}) {
				t.Errorf("%+v, %v, want %v", a, err, tt.want)
			}
		})
	}
}

func TestBadAttributes(t *testing.T) {
	good := aesKey(Raw, 5, 128, PersistenceDefault)
	if _, err := good.Metadata(); err != nil {
		t.Fatal(err)
	}
	pair := Attributes{Type: TypePairSecpR1, Bits: 256, Lifetime: good.Lifetime, Usage: UsageSign, Algorithm: algECDSAAny, ID: good.ID}
	with := func(a Attributes, change func(a *Attributes)) Attributes { change(&a); return a }
	tests := []struct {
		name string
		a    Attributes
		want error
	}{
		{"id 0", with(good, func(a *Attributes) { a.ID = 0 }), ErrInvalidArgument},
		{"id with a Y nibble", with(good, func(a *Attributes) { a.ID |= 0x100 }), ErrInvalidArgument},
		{"id of a scheme 4", with(good, func(a *Attributes) { a.ID = 0x7FFF4005 }), ErrInvalidArgument},
		{"id of the IKG", with(good, func(a *Attributes) { a.ID = IDMKEK }), ErrInvalidArgument},
		{"slot 250", with(good, func(a *Attributes) { a.ID = KeyID(Raw, 250) }), ErrInvalidArgument},
		{"local storage", with(good, func(a *Attributes) { a.Lifetime = 1 }), ErrInvalidArgument},
		{"location of the IKG", with(good, func(a *Attributes) { a.Lifetime = LocationCRACEN<<8 | 1 }), ErrInvalidArgument},
		{"volatile", with(good, func(a *Attributes) { a.Lifetime = lifetime(0) }), ErrInvalidArgument},
		{"persistence 4", with(good, func(a *Attributes) { a.Lifetime = lifetime(4) }), ErrInvalidArgument},
		{"130 bits", with(good, func(a *Attributes) { a.Bits = 130 }), ErrNotSupported},
		{"384 bits of AES", with(good, func(a *Attributes) { a.Bits = 384 }), ErrNotSupported},
		{"type DES", with(good, func(a *Attributes) { a.Type = 0x2301 }), ErrNotSupported},
		{"type of another algorithm", with(good, func(a *Attributes) { a.Type = TypeChaCha20 }), ErrNotSupported},
		{"algorithm none", with(good, func(a *Attributes) { a.Algorithm = 0 }), ErrNotSupported},
		{"CBC with padding", with(good, func(a *Attributes) { a.Algorithm = 0x04404100 }), ErrNotSupported},
		{"usage CACHE", with(good, func(a *Attributes) { a.Usage |= 4 }), ErrNotSupported},
		{"usage WRAP", with(good, func(a *Attributes) { a.Usage |= 0x10000 }), ErrNotSupported},
		{"protected, export", with(good, func(a *Attributes) { a.ID = KeyID(Protected, 5); a.Usage |= UsageExport }), ErrInvalidArgument},
		{"protected, copy", with(good, func(a *Attributes) { a.ID = KeyID(Protected, 5); a.Usage |= UsageCopy }), ErrInvalidArgument},
		{"protected key pair", with(pair, func(a *Attributes) { a.ID = KeyID(Protected, 5) }), ErrNotSupported},
		{"a pair that verifies alone", with(pair, func(a *Attributes) { a.Usage = UsageVerify }), ErrNotSupported},
		{"a public key that signs", with(pair, func(a *Attributes) { a.Type = TypePublicSecpR1 }), ErrNotSupported},
		{"a pair of 521 bits", with(pair, func(a *Attributes) { a.Bits = 521 }), ErrNotSupported},
		{"an Ed25519 key for ECDSA", with(pair, func(a *Attributes) { a.Type = TypePairTwistedEdw }), ErrNotSupported},
		{"ECDH that does not derive", with(pair, func(a *Attributes) { a.Algorithm = algECDH }), ErrNotSupported},
		{"ECDH public", with(pair, func(a *Attributes) { a.Algorithm = algECDH; a.Usage = UsageDerive; a.Type = TypePublicSecpR1 }), ErrNotSupported},
		{"a seed of 256 bits", with(seedAttributes, func(a *Attributes) { a.Bits = 256 }), ErrInvalidArgument},
		{"a seed of type AES", with(seedAttributes, func(a *Attributes) { a.Type = TypeAES }), ErrInvalidArgument},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if m, err := tt.a.Metadata(); !errors.Is(err, tt.want) {
				t.Errorf("0x%08x, %v, want %v", uint32(m), err, tt.want)
			}
			d := newDevice(t)
			if err := d.Provision(tt.a, value(16)); !errors.Is(err, tt.want) {
				t.Errorf("provision: %v, want %v", err, tt.want)
			}
			if list, err := d.List(); len(list) != 0 || err != nil {
				t.Errorf("left behind: %v, %v", list, err)
			}
		})
	}
}

func TestAcceptedVariants(t *testing.T) {
	good := aesKey(Raw, 5, 128, persistenceReadOnly)
	m, err := good.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	if a, err := m.Attributes(5); err != nil || uint8(a.Lifetime) != PersistenceReadOnly {
		t.Errorf("%+v, %v", a, err)
	}
	for _, alg := range []uint32{0x06000609, 0x0600060A, algECDSAAny} {
		a := Attributes{Type: TypePairSecpR1, Bits: 384, Lifetime: lifetime(PersistenceDefault), Usage: 0x400, Algorithm: alg, ID: KeyID(Raw, 5)}
		m, err := a.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		if a, err := m.Attributes(5); err != nil || a.Algorithm != algECDSAAny || a.Usage != UsageSign {
			t.Errorf("0x%08x: %+v, %v", alg, a, err)
		}
	}
}

func TestKeyIDs(t *testing.T) {
	for scheme := range Scheme(4) {
		for slot := range kmu54l.Slots {
			s, n, ok := ParseKeyID(KeyID(scheme, slot))
			if s != scheme || n != slot || !ok {
				t.Fatalf("%v %d: %v %d %v", scheme, slot, s, n, ok)
			}
		}
	}
	for _, id := range []uint32{0, 1, IDIdentity, IDMKEK, IDMEXT, 0x7FFF815C, 0x7FFF40FA, 0x7FFF00FA, 0x7FFF00FF, 0x7FFE0000, 0xFFFF0000} {
		if s, slot, ok := ParseKeyID(id); ok {
			t.Errorf("0x%08x is %v, slot %d", id, s, slot)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	for _, w := range []uint32{0x11BA0030, 0x113A0030, 0x18BA0030, 0x04960000, 0x01500010, 0xFFFFFFFF, 0} {
		f.Add(w)
	}
	f.Fuzz(func(t *testing.T, w uint32) {
		a, err := Metadata(w).Attributes(7)
		if err != nil {
			return
		}
		if m, err := a.Metadata(); uint32(m) != w || err != nil {
			t.Errorf("0x%08x is %+v, which is 0x%08x, %v", w, a, uint32(m), err)
		}
		_ = fmt.Sprint(a)
	})
}
