package cryptocell

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/postern-spe/postern/platform/kmu"
	"github.com/postern-spe/postern/platform/nvmc"
	"github.com/postern-spe/postern/platform/uicr"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The message of both vector sets; each uses prefixes of it.
const cmacMessage = "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51" +
	"30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710"

func TestCMACVectors(t *testing.T) {
	tests := []struct {
		name, key string
		n         int
		mac       string
	}{
		{"RFC 4493 example 1", "2b7e151628aed2a6abf7158809cf4f3c", 0, "bb1d6929e95937287fa37d129b756746"},
		{"RFC 4493 example 2", "2b7e151628aed2a6abf7158809cf4f3c", 16, "070a16b46b4d4144f79bdd9dd04a287c"},
		{"RFC 4493 example 3", "2b7e151628aed2a6abf7158809cf4f3c", 40, "dfa66747de9ae63030ca32611497c827"},
		{"RFC 4493 example 4", "2b7e151628aed2a6abf7158809cf4f3c", 64, "51f0bebf7e3b9d92fc49741779363cfe"},
		{"SP 800-38B D.3 example 9", "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 0, "028962f61b7bf89efc6b551f4667d983"},
		{"SP 800-38B D.3 example 10", "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 16, "28a7023f452e8f82bd4bf28d8c37c35c"},
		{"SP 800-38B D.3 example 11", "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 40, "aaf3d8f1de5640c232f5b169b9c911e6"},
		{"SP 800-38B D.3 example 12", "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 64, "e1992190549f6ed5696a2c056c315410"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := newCMAC(unhex(t, tt.key))
			if err != nil {
				t.Fatal(err)
			}
			if got := m.sum(unhex(t, cmacMessage)[:tt.n]); !bytes.Equal(got[:], unhex(t, tt.mac)) {
				t.Errorf("%x, want %s", got, tt.mac)
			}
		})
	}
}

// device is a CryptoCell over cells in memory.
func device(t testing.TB) (*CryptoCell, *nvmc.Array) {
	t.Helper()
	a := nvmc.NewArray(uicr.Size, uicr.Size)
	return attach(t, a), a
}

func attach(t testing.TB, a *nvmc.Array) *CryptoCell {
	t.Helper()
	u, err := uicr.New(a)
	if err != nil {
		t.Fatal(err)
	}
	e := NewEngine()
	k, err := kmu.New(u, e)
	if err != nil {
		t.Fatal(err)
	}
	return New(e, k, u)
}

func rootKey(seed byte) []byte {
	key := make([]byte, HUKSize)
	for i := range key {
		key[i] = seed + byte(i)
	}
	return key
}

func provisioned(t testing.TB) (*CryptoCell, *nvmc.Array) {
	t.Helper()
	c, a := device(t)
	for slot, seed := range map[int]byte{kmu.SlotMKEK: 1, kmu.SlotMEXT: 101} {
		if err := c.WriteRootKey(slot, rootKey(seed)); err != nil {
			t.Fatal(err)
		}
	}
	return c, a
}

// TestDeriveLayout recomputes a derivation from the documented layout, with the
// message spelled out.
func TestDeriveLayout(t *testing.T) {
	c, _ := provisioned(t)
	out := make([]byte, 40)
	if err := c.DeriveHUK([]byte("label"), []byte("ctx"), out); err != nil {
		t.Fatal(err)
	}
	m, err := newCMAC(rootKey(101))
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	for i := byte(1); i <= 3; i++ {
		block := m.sum([]byte{i, 'l', 'a', 'b', 'e', 'l', 0, 'c', 't', 'x', 0x01, 0x40})
		want = append(want, block[:]...)
	}
	if !bytes.Equal(out, want[:40]) {
		t.Errorf("%x, want %x", out, want[:40])
	}
}

func TestDeriveSeparates(t *testing.T) {
	c, _ := provisioned(t)
	seen := map[string]string{}
	for _, in := range []struct{ label, context string }{{"", ""}, {"a", ""}, {"", "a"}, {"a", "b"}, {"ab", ""}, {"", "ab"}} {
		for _, n := range []int{16, 32} {
			out := make([]byte, n)
			if err := c.DeriveHUK([]byte(in.label), []byte(in.context), out); err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("%q %q %d", in.label, in.context, n)
			if other, dup := seen[string(out[:16])]; dup {
				t.Errorf("%s and %s are the same key", name, other)
			}
			seen[string(out[:16])] = name
		}
	}
}

func TestDeriveLimits(t *testing.T) {
	c, _ := provisioned(t)
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
			err := c.DeriveHUK(make([]byte, tt.label), make([]byte, tt.context), out)
			if (err == nil) != tt.ok {
				t.Fatal(err)
			}
			if !tt.ok && !bytes.Equal(out, make([]byte, tt.out)) {
				t.Error("output left behind on an error")
			}
		})
	}
}

func TestMissingKeys(t *testing.T) {
	c, _ := device(t)
	if err := c.DeriveHUK(nil, nil, make([]byte, 16)); !errors.Is(err, ErrKeyMissing) {
		t.Errorf("derive: %v", err)
	}
	if err := c.WriteIdentity(nil); !errors.Is(err, ErrKeyMissing) {
		t.Errorf("identity without MKEK: %v", err)
	}
	if _, err := c.IdentityPublicKey(); !errors.Is(err, ErrKeyMissing) {
		t.Errorf("public key: %v", err)
	}
}

// The private and public key of RFC 6979, appendix A.2.5.
const (
	rfc6979Key = "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721"
	rfc6979X   = "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
	rfc6979Y   = "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
)

func TestIdentity(t *testing.T) {
	c, a := provisioned(t)
	scalar := unhex(t, rfc6979Key)
	if err := c.WriteIdentity(scalar); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteIdentity(scalar); !errors.Is(err, kmu.ErrFilled) {
		t.Errorf("a second identity: %v", err)
	}
	cells := make([]byte, uicr.Size)
	if err := a.Read(0, cells); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(cells, scalar) {
		t.Error("the identity key rests in the clear")
	}
	// A restart: the same cells, a new engine.
	c = attach(t, a)
	pub, err := c.IdentityPublicKey()
	if err != nil {
		t.Fatal(err)
	}
	if want := unhex(t, "04"+rfc6979X+rfc6979Y); !bytes.Equal(pub, want) {
		t.Fatalf("public key %x, want %x", pub, want)
	}
	hash := sha256.Sum256([]byte("sample"))
	sig, err := c.SignIdentity(hash[:])
	if err != nil || len(sig) != 64 {
		t.Fatalf("%d bytes, %v", len(sig), err)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), pub)
	if err != nil {
		t.Fatal(err)
	}
	if !ecdsa.Verify(key, hash[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		t.Error("the signature does not verify")
	}
	if _, err := c.SignIdentity(hash[:31]); err == nil {
		t.Error("signed a short hash")
	}
}

func TestIdentityDamage(t *testing.T) {
	for name, off := range map[string]int{
		"ciphertext": uicr.RegKeySlotKey + 16*kmu.SlotKIdent,
		"second":     uicr.RegKeySlotKey + 16*(kmu.SlotKIdent+1) + 12,
		"tag":        uicr.RegOTP + identityTagOTP,
		"MKEK":       uicr.RegKeySlotKey + 16*kmu.SlotMKEK,
	} {
		t.Run(name, func(t *testing.T) {
			c, a := provisioned(t)
			if err := c.WriteIdentity(nil); err != nil {
				t.Fatal(err)
			}
			if err := a.Program(off, make([]byte, 4)); err != nil {
				t.Fatal(err)
			}
			if _, err := attach(t, a).IdentityPublicKey(); err != ErrIdentity {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestBadScalars(t *testing.T) {
	order := elliptic.P256().Params().N.Bytes()
	for name, s := range map[string]Scalar{
		"zero": make(Scalar, 32), "the order": order, "short": make(Scalar, 31), "empty": {},
	} {
		c, _ := provisioned(t)
		if err := c.WriteIdentity(s); err == nil {
			t.Errorf("%s passed", name)
		}
	}
}

func TestScalarDoesNotPrint(t *testing.T) {
	s := Scalar(unhex(t, rfc6979Key))
	out := fmt.Sprintf("%v %+v %#v %x %s %v", s, s, s, s, s, struct{ S Scalar }{s})
	if strings.Contains(strings.ToUpper(out), "C9AF") || strings.Contains(out, "201 175") {
		t.Errorf("prints the key: %s", out)
	}
}

func TestEngineDoesNotPrint(t *testing.T) {
	e := NewEngine()
	if err := e.Push(RegAESKey0, kmu.NewValue([]byte("0123456789abcdef"))); err != nil {
		t.Fatal(err)
	}
	c, a := provisioned(t)
	if err := c.WriteIdentity(unhex(t, rfc6979Key)); err != nil {
		t.Fatal(err)
	}
	out := fmt.Sprintf("%v %+v %#v %x %+v %#v %v", e, e, e, e, c, c, a)
	if strings.Contains(out, "48 49") || strings.Contains(out, "0x30, 0x31") || strings.Contains(out, "3031") || len(out) > 300 {
		t.Errorf("prints %.300s", out)
	}
}

func TestEngineRegisters(t *testing.T) {
	e := NewEngine()
	v := kmu.NewValue(make([]byte, 16))
	if err := e.Push(0x50845404, v); err == nil {
		t.Error("pushed to a register that does not exist")
	}
	if err := e.Push(RegAESKey0, v); err != nil {
		t.Fatal(err)
	}
	if err := e.take(new([HUKSize]byte)); err == nil {
		t.Error("took half a key")
	}
}

func BenchmarkDeriveHUK(b *testing.B) {
	c, _ := provisioned(b)
	out := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.DeriveHUK([]byte("TFM_HW_UNIQ_KEY\x00"), nil, out); err != nil {
			b.Fatal(err)
		}
	}
}
