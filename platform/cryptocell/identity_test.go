package cryptocell

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/kmu"
	"github.com/postern-spe/postern/platform/power"
	"github.com/postern-spe/postern/platform/uicr"
)

// The private and public key of RFC 6979, appendix A.2.5.
const (
	rfc6979Key = "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721"
	rfc6979X   = "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
	rfc6979Y   = "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
)

func TestIdentity(t *testing.T) {
	for _, b := range boards {
		t.Run(b.name, func(t *testing.T) {
			c := provisioned(t, b)
			scalar := unhex(t, rfc6979Key)
			if err := c.WriteIdentity(scalar); err != nil {
				t.Fatal(err)
			}
			if err := c.WriteIdentity(scalar); !errors.Is(err, kmu.ErrFilled) {
				t.Errorf("a second identity: %v", err)
			}
			if has, err := c.HasIdentity(); err != nil || !has {
				t.Errorf("HasIdentity: %v, %v", has, err)
			}
			rest := make([]byte, kmu.ValuesSize)
			if err := c.values.Read(0, rest); err != nil || bytes.Contains(rest, scalar[:16]) || bytes.Contains(rest, scalar[16:]) {
				t.Errorf("the identity key rests in the clear (%v)", err)
			}
			tag := make([]byte, gcmTagSize+2)
			if err := c.uicr.ReadOTP(b.layout().OTPSize()-len(tag), tag); err != nil || bytes.Contains(tag[2:], []byte{0xFF, 0xFF, 0xFF}) || tag[0]&tag[1] != 0xFF {
				t.Errorf("the tag is not the last 16 bytes of the OTP: %x, %v", tag, err)
			}
			// A restart: the same cells, a new engine.
			c = start(t, b, c.page, c.values)
			for range 2 { // decrypted now, and then not again
				checkIdentity(t, c)
			}
			if !bytes.Equal(c.secret.Bytes(), make([]byte, ScalarSize+wrapSize)) {
				t.Error("something is left in the secret memory")
			}
			c.Reset()
			checkIdentity(t, c)
			if _, err := c.SignIdentity(make([]byte, 31)); err == nil {
				t.Error("signed a short hash")
			}
		})
	}
}

func checkIdentity(t *testing.T, c *chip) {
	t.Helper()
	hash := sha256.Sum256([]byte("sample"))
	sig, err := c.SignIdentity(hash[:])
	if err != nil || len(sig) != 64 {
		t.Fatalf("%d bytes, %v", len(sig), err)
	}
	pub, err := c.IdentityPublicKey()
	if err != nil {
		t.Fatal(err)
	}
	if want := unhex(t, "04"+rfc6979X+rfc6979Y); !bytes.Equal(pub, want) {
		t.Fatalf("public key %x, want %x", pub, want)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), pub)
	if err != nil {
		t.Fatal(err)
	}
	if !ecdsa.Verify(key, hash[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		t.Error("the signature does not verify")
	}
}

// TestGoldenIdentity fixes what is stored, so that a device of today opens with
// the program of tomorrow.
func TestGoldenIdentity(t *testing.T) {
	for _, tt := range []struct {
		board  board
		sealed string
	}{
		{nrf5340, "4581be550cb74b6e599571abb59c7e47c195bb6662ad3f1492dcea56f3f7952862378d5cb6aa01ba6126ca857f4a795d"},
		{nrf9160, "8b01642093cba13741dbbcef7895f9497e4123d0eac6d0c8f80a1f7d82a5122c4b2c5adc8279904866de5260dbc97f7b"},
	} {
		c := provisioned(t, tt.board)
		if err := c.WriteIdentity(unhex(t, rfc6979Key)); err != nil {
			t.Fatal(err)
		}
		sealed := make([]byte, ScalarSize+gcmTagSize)
		if err := errors.Join(c.values.Read(16*kmu.SlotKIdent, sealed[:ScalarSize]), c.uicr.ReadOTP(c.tagOffset(), sealed[ScalarSize:])); err != nil {
			t.Fatal(err)
		}
		if want := unhex(t, tt.sealed); !bytes.Equal(sealed, want) {
			t.Errorf("%s: %x, want %x", tt.board.name, sealed, want)
		}
	}
}

// TestRandomIdentity: made in the engine, different each time, and the same after
// a restart.
func TestRandomIdentity(t *testing.T) {
	seen := map[string]bool{}
	for range 3 {
		c := provisioned(t, nrf9160)
		if err := c.WriteIdentity(nil); err != nil {
			t.Fatal(err)
		}
		pub, err := c.IdentityPublicKey()
		if err != nil {
			t.Fatal(err)
		}
		again, err := start(t, nrf9160, c.page, c.values).IdentityPublicKey()
		if err != nil || !bytes.Equal(pub, again) || seen[string(pub)] {
			t.Errorf("%x, then %x, %v", pub, again, err)
		}
		seen[string(pub)] = true
	}
}

func TestIdentityDamage(t *testing.T) {
	zero := make([]byte, 4)
	for _, b := range boards {
		for name, damage := range map[string]func(c *chip) error{
			"ciphertext": func(c *chip) error { return c.values.Program(16*kmu.SlotKIdent, zero) },
			"second":     func(c *chip) error { return c.values.Program(16*(kmu.SlotKIdent+1)+12, zero) },
			"tag":        func(c *chip) error { return c.page.Program(b.layout().OTP+c.tagOffset(), zero) },
			"MKEK":       func(c *chip) error { return c.values.Program(16*kmu.SlotMKEK, zero) },
		} {
			t.Run(b.name+" "+name, func(t *testing.T) {
				c := provisioned(t, b)
				if err := c.WriteIdentity(nil); err != nil {
					t.Fatal(err)
				}
				if err := damage(c); err != nil {
					t.Fatal(err)
				}
				c = start(t, b, c.page, c.values)
				if _, err := c.IdentityPublicKey(); err != ErrIdentity {
					t.Errorf("%v", err)
				}
				if !bytes.Equal(c.secret.Bytes(), make([]byte, ScalarSize+wrapSize)) {
					t.Error("something is left in the secret memory")
				}
			})
		}
	}
}

func TestScalars(t *testing.T) {
	order := elliptic.P256().Params().N
	bytesOf := func(n *big.Int) Scalar { return n.FillBytes(make([]byte, 32)) }
	for _, tt := range []struct {
		name string
		s    Scalar
		ok   bool
	}{
		{"zero", make(Scalar, 32), false},
		{"one", bytesOf(big.NewInt(1)), true},
		{"the order", bytesOf(order), false},
		{"below the order", bytesOf(new(big.Int).Sub(order, big.NewInt(1))), true},
		{"above the order", bytesOf(new(big.Int).Add(order, big.NewInt(1))), false},
		{"all ones", bytes.Repeat([]byte{0xFF}, 32), false},
		{"short", make(Scalar, 31), false},
		{"long", append(make(Scalar, 32), 1), false},
		{"empty", Scalar{}, false},
	} {
		if err := tt.s.Check(); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
		if _, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), tt.s); (err == nil) != tt.ok {
			t.Errorf("%s: crypto/ecdsa says %v", tt.name, err)
		}
		c := provisioned(t, nrf5340)
		if err := c.WriteIdentity(tt.s); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func FuzzScalar(f *testing.F) {
	f.Add(make([]byte, 32))
	f.Add(elliptic.P256().Params().N.Bytes())
	f.Fuzz(func(t *testing.T, s []byte) {
		_, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), s)
		if got := Scalar(s).Check(); (got == nil) != (err == nil) {
			t.Errorf("%v, crypto/ecdsa says %v", got, err)
		}
	})
}

// TestPowerInIdentity cuts the power at every point of writing an identity key:
// what comes up has that key, or none, or one that is found to be damaged.
func TestPowerInIdentity(t *testing.T) {
	const points = 2*5 + 8 // two slots of VALUE and PERM, a tag of halfwords
	want := unhex(t, "04"+rfc6979X+rfc6979Y)
	for point := uint64(1); point <= points+1; point++ {
		for seed := range uint64(4) {
			s := new(power.Supply)
			page := cells.NewFlash(cells.Memory(uicr.Size), cells.Options{Page: uicr.Size, Supply: s})
			path := filepath.Join(t.TempDir(), "keys")
			if err := os.WriteFile(path, bytes.Repeat([]byte{0xFF}, kmu.ValuesSize), 0o600); err != nil {
				t.Fatal(err)
			}
			values := open(t, path, s)
			c := start(t, nrf5340, page, values)
			if err := c.WriteRootKey(kmu.SlotMKEK, rootKey(1, 32)); err != nil {
				t.Fatal(err)
			}
			before := s.Points()
			s.CutAt(point, seed)
			err := c.WriteIdentity(unhex(t, rfc6979Key))
			if done := s.Points() - before; done != min(point, points) {
				t.Errorf("point %d: %d points", point, done)
			}
			s.On()
			c = start(t, nrf5340, page, open(t, path, s))
			pub, pubErr := c.IdentityPublicKey()
			switch {
			case point > points:
				if err != nil || pubErr != nil || !bytes.Equal(pub, want) {
					t.Errorf("%v, and then %x, %v", err, pub, pubErr)
				}
			case err != power.ErrLost:
				t.Errorf("point %d: %v", point, err)
			case pubErr == nil && !bytes.Equal(pub, want):
				t.Errorf("point %d: another key: %x", point, pub)
			case pubErr != nil && pubErr != ErrIdentity && pubErr != ErrKeyMissing:
				t.Errorf("point %d: %v", point, pubErr)
			}
		}
	}
}

// open returns the cells in the file at path.
func open(t *testing.T, path string, s *power.Supply) *keycells.Cells {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	c, err := keycells.Open(f, kmu.ValuesSize, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	c := provisioned(t, nrf5340)
	if err := c.WriteIdentity(nil); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 5 {
				if _, err := c.SignIdentity(make([]byte, 32)); err != nil {
					t.Error(err)
				}
				if err := c.DeriveHUK([]byte{byte(i)}, nil, make([]byte, 32)); err != nil {
					t.Error(err)
				}
				if i == 0 {
					c.Reset()
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkSignIdentity(b *testing.B) {
	c := provisioned(b, nrf5340)
	if err := c.WriteIdentity(nil); err != nil {
		b.Fatal(err)
	}
	hash := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.SignIdentity(hash); err != nil {
			b.Fatal(err)
		}
	}
}
