package cracen

import (
	"errors"
	"testing"
)

func TestPlacement(t *testing.T) {
	pub := func(typ uint16, bits uint16, alg uint32, s Scheme, slot int) Attributes {
		return Attributes{Type: typ, Bits: bits, Lifetime: lifetime(PersistenceReadOnly), Usage: UsageVerify, Algorithm: alg, ID: KeyID(s, slot)}
	}
	pair := func(bits uint16, s Scheme, slot int) Attributes {
		return Attributes{Type: TypePairSecpR1, Bits: bits, Lifetime: lifetime(PersistenceDefault), Usage: UsageSign, Algorithm: algECDSAAny, ID: KeyID(s, slot)}
	}
	aes := func(s Scheme, slot int, bits uint16) Attributes { return aesKey(s, slot, bits, PersistenceDefault) }
	seed := func(slot int) Attributes { a := seedAttributes; a.ID = KeyID(Seed, slot); return a }
	tests := []struct {
		name  string
		a     Attributes
		slots int // 0: refused
		want  error
	}{
		{"AES-128", aes(Raw, 0, 128), 1, nil},
		{"AES-192", aes(Raw, 0, 192), 2, nil},
		{"AES-256", aes(Raw, 0, 256), 2, nil},
		{"AES-128 encrypted", aes(Encrypted, 0, 128), 3, nil},
		{"AES-256 encrypted", aes(Encrypted, 0, 256), 4, nil},
		{"AES-256 protected", aes(Protected, 0, 256), 2, nil},
		{"Ed25519 public", pub(TypePublicTwistedEdw, 255, algEdDSA, Raw, 0), 2, nil},
		{"P-256 public", pub(TypePublicSecpR1, 256, algECDSAAny, Raw, 0), 4, nil},
		{"P-384 public", pub(TypePublicSecpR1, 384, algECDSAAny, Raw, 0), 6, nil},
		{"P-256 public, encrypted", pub(TypePublicSecpR1, 256, algECDSAAny, Encrypted, 0), 6, nil},
		{"P-384 public, encrypted", pub(TypePublicSecpR1, 384, algECDSAAny, Encrypted, 0), 0, ErrNotSupported},
		{"P-256 pair", pair(256, Raw, 0), 2, nil},
		{"P-384 pair", pair(384, Raw, 0), 3, nil},
		{"P-384 pair, encrypted", pair(384, Encrypted, 0), 5, nil},
		{"last application slot", aes(Raw, 179, 128), 1, nil},
		{"beyond the last application slot", aes(Raw, 179, 256), 0, ErrInvalidArgument},
		{"reserved 180", aes(Raw, 180, 128), 0, ErrInvalidArgument},
		{"the seed's slots", seed(183), 3, nil},
		{"a seed one slot later", seed(184), 0, ErrInvalidArgument},
		{"a seed elsewhere", seed(3), 0, ErrInvalidArgument},
		{"another key in the seed's slots", aes(Raw, 183, 128), 0, ErrInvalidArgument},
		{"the journal's slot", aes(Raw, 186, 128), 0, ErrInvalidArgument},
		{"reserved 187", aes(Raw, 187, 128), 0, ErrInvalidArgument},
		{"reserved 225", aes(Raw, 225, 128), 0, ErrInvalidArgument},
		{"MCUboot's Ed25519", pub(TypePublicTwistedEdw, 255, algEdDSA, Raw, 226), 2, nil},
		{"MCUboot's third", pub(TypePublicTwistedEdw, 255, algEdDSA, Raw, 230), 2, nil},
		{"MCUboot's P-256", pub(TypePublicSecpR1, 256, algECDSAAny, Raw, 226), 4, nil},
		{"MCUboot's P-256, too far", pub(TypePublicSecpR1, 256, algECDSAAny, Raw, 230), 0, ErrInvalidArgument},
		{"a secret in MCUboot's slots", aes(Raw, 226, 128), 0, ErrInvalidArgument},
		{"reserved 232", aes(Raw, 232, 128), 0, ErrInvalidArgument},
		{"bootloader's Ed25519", pub(TypePublicTwistedEdw, 255, algEdDSA, Raw, 246), 2, nil},
		{"a pair in the bootloader's slots", pair(256, Raw, 242), 0, ErrInvalidArgument},
		{"invalidation", aes(Protected, 248, 256), 2, nil},
		{"invalidation of 128 bits", aes(Protected, 248, 128), 0, ErrInvalidArgument},
		{"invalidation, raw", aes(Raw, 248, 256), 0, ErrInvalidArgument},
		{"beyond the last slot", aes(Protected, 249, 256), 0, ErrInvalidArgument},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := tt.a.Place()
			if !errors.Is(err, tt.want) || err == nil && (p.Slots() != tt.slots || p.First != int(tt.a.ID&0xFF)) {
				t.Errorf("%+v, %v", p, err)
			}
		})
	}
	a, b := Placement{First: 3, Last: 5}, Placement{First: 5, Last: 5}
	if c := (Placement{First: 6, Last: 7}); !a.Overlaps(b) || !b.Overlaps(a) || a.Overlaps(c) || c.Overlaps(a) {
		t.Error("overlaps")
	}
}

func TestValueSizes(t *testing.T) {
	pub := Attributes{Type: TypePublicSecpR1, Bits: 256}
	ok := map[string]struct {
		a Attributes
		n []int
	}{
		"AES-192":      {Attributes{Type: TypeAES, Bits: 192}, []int{24}},
		"Ed25519":      {Attributes{Type: TypePublicTwistedEdw, Bits: 255}, []int{32}},
		"P-256 public": {pub, []int{64, 65}},
		"P-384 public": {Attributes{Type: TypePublicSecpR1, Bits: 384}, []int{96, 97}},
		"P-384 pair":   {Attributes{Type: TypePairSecpR1, Bits: 384}, []int{48}},
	}
	for name, tt := range ok {
		for n := range 100 {
			v := make([]byte, n)
			if n%2 == 1 {
				v[0] = 0x04
			}
			want := false
			for _, m := range tt.n {
				want = want || m == n
			}
			if err := tt.a.CheckValue(v); (err == nil) != want {
				t.Errorf("%s, %d bytes: %v", name, n, err)
			}
		}
	}
	for _, first := range []byte{0, 2, 3, 5} {
		if err := pub.CheckValue(append([]byte{first}, make([]byte, 64)...)); err == nil {
			t.Errorf("a point that begins with %d passed", first)
		}
	}
}
