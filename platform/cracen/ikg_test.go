package cracen

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/hex"
	"errors"
	"math/big"
	"testing"

	"github.com/postern-spe/postern/platform/aescmac"
	"github.com/postern-spe/postern/platform/bus"
)

func TestScalarRange(t *testing.T) {
	n := elliptic.P256().Params().N
	for name, tt := range map[string]struct {
		v  *big.Int
		ok bool
	}{
		"0":         {big.NewInt(0), false},
		"1":         {big.NewInt(1), true},
		"n - 1":     {new(big.Int).Sub(n, big.NewInt(1)), true},
		"n":         {n, false},
		"n + 1":     {new(big.Int).Add(n, big.NewInt(1)), false},
		"n - 2^200": {new(big.Int).Sub(n, new(big.Int).Lsh(big.NewInt(1), 200)), true},
		"all ones":  {new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)), false},
	} {
		if got := scalar(tt.v.FillBytes(make([]byte, 32))); got != tt.ok {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestIKG recomputes the keys from the documented derivation, and holds it fast:
// the keys of a device must not change.
func TestIKG(t *testing.T) {
	g := newDRBG(make([]byte, drbgSize), testSeed())
	mkek, mext, identity := make([]byte, 32), make([]byte, 32), make([]byte, 32)
	g.generate(mkek)
	g.generate(mext)
	g.generate(identity)

	d := seeded(t)
	for name, tt := range map[string]struct {
		derive func(label, context, out []byte) error
		key    []byte
	}{"MKEK": {d.DeriveMKEK, mkek}, "MEXT": {d.DeriveHUK, mext}} {
		got, want := make([]byte, 48), make([]byte, 48)
		if err := tt.derive([]byte("label"), []byte("context"), got); err != nil {
			t.Fatal(err)
		}
		if err := aescmac.Derive(tt.key, []byte("label"), []byte("context"), aescmac.DefaultCapacity, want); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: derived %x, want %x", name, got, want)
		}
	}
	pub, err := d.IdentityPublicKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), identity)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := key.PublicKey.Bytes(); err != nil || !bytes.Equal(pub, want) {
		t.Errorf("identity %x, want %x, %v", pub, want, err)
	}
	huk := make([]byte, 16)
	if err := d.DeriveHUK([]byte("TFM_HW_UNIQ_KEY\x00"), nil, huk); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ got, want string }{
		"TF-M's HUK":      {hex.EncodeToString(huk), goldenHUK},
		"public identity": {hex.EncodeToString(pub), goldenIdentity},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is %s, not %s any more: every device with a seed is another one now", name, tt.got, tt.want)
		}
	}
}

// TestKeysNeedSeedAndPower goes through what the IKG must have.
func TestKeysNeedSeedAndPower(t *testing.T) {
	d := seeded(t)
	e := d.engine
	step := func(name string, want bool, do func()) {
		t.Helper()
		do()
		if e.generated != want {
			t.Errorf("%s: keys: %v", name, e.generated)
		}
	}
	reg := func(off, v uint32) func() { return func() { e.WriteRegister(off, v, bus.Secure) } }
	push := func(slots ...int) func() {
		return func() {
			for _, slot := range slots {
				if err := d.kmu.Push(slot); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	step("after reset", false, func() {})
	step("valid and powered without a seed", false, func() { reg(RegSeedValid, 1)(); reg(RegEnable, EnablePKEIKG)() })
	step("power off", false, reg(RegEnable, 0))
	step("two thirds of the seed", false, func() { push(183, 185)(); reg(RegEnable, EnablePKEIKG)() })
	step("the seed, before the next power-up", false, push(184))
	step("power-up", true, reg(RegEnable, EnablePKEIKG))
	step("other modules", true, reg(RegEnable, EnablePKEIKG|EnableRNG|EnableCryptoMaster))
	step("not valid", false, reg(RegSeedValid, 0))
	step("valid again", true, reg(RegSeedValid, 1))
	step("off", false, reg(RegEnable, EnableCryptoMaster))
	if !bytes.Equal(e.mem[memRoots:memRoots+96], make([]byte, 96)) {
		t.Error("the keys are kept without power")
	}
	step("on", true, reg(RegEnable, EnablePKEIKG))
}

func TestKeysComeBack(t *testing.T) {
	d := seeded(t)
	first, err := d.IdentityPublicKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, down := range map[string]func(){
		"IKG off":        func() { d.engine.WriteRegister(RegEnable, 0, bus.Secure) },
		"engine reset":   d.engine.Reset,
		"nothing":        func() {},
		"KMU reset, too": func() { d.engine.Reset(); d.kmu.Reset() },
	} {
		down()
		if pub, err := d.IdentityPublicKey(); err != nil || !bytes.Equal(pub, first) {
			t.Errorf("%s: %x, %v", name, pub, err)
		}
	}
}

// TestSeedIsLocked: the driver leaves the seed locked, so that nobody can put
// another in, and then what SEEDVALID says counts.
func TestSeedIsLocked(t *testing.T) {
	d := seeded(t)
	if err := d.DeriveHUK(nil, nil, make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	if v, _ := d.engine.ReadRegister(RegSeedLock, bus.Secure); v != 1 {
		t.Error("the seed is not locked")
	}
	if err := d.kmu.Push(SlotSeed); err == nil {
		t.Error("pushed into the locked seed")
	}
	d.engine.WriteRegister(RegSeedValid, 0, bus.Secure)
	if err := d.DeriveHUK(nil, nil, make([]byte, 16)); !errors.Is(err, ErrKeyMissing) {
		t.Errorf("without SEEDVALID: %v", err)
	}
	if _, err := d.SignIdentity(make([]byte, 32)); !errors.Is(err, ErrKeyMissing) {
		t.Errorf("without SEEDVALID: %v", err)
	}
}

// Of testSeed.
const (
	goldenHUK      = "30ee118411abe78ad5029695fed05a0a"
	goldenIdentity = "04e2cfd14d5b8dbc3600e6219a332263d1c90b9f283ab446fd3d49ba7a3c5d2f" +
		"8757ccb1982e93f16688cfa57dddefe6584f471ddf087cbdba777117e8dd8144b4"
)
