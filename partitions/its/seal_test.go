package its_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/postern-spe/postern/partitions/its"
	"github.com/postern-spe/postern/partitions/its/internal/flashtest"
	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/its"
)

// engine derives keys from a secret as the chip does, in a simpler way.
type engine struct{ secret string }

func (e engine) DeriveMKEK(label, context, out []byte) error {
	h := sha256.Sum256(slices.Concat([]byte(e.secret), label, []byte{0}, context))
	copy(out, h[:])
	return nil
}

// sealed is the configuration with encryption.
var sealed = its.Config{Engine: engine{"the master key encryption key"}, Random: rand.Reader}

// sealedSize is what 13 bytes take in the store.
const sealedSize = 12 + 13 + 16

// TestSealedFormat opens what is in flash with Go's own cryptography.
func TestSealedFormat(t *testing.T) {
	d := newDevice()
	g := &gate{client: -2, handler: d.bootWith(t, sealed)}
	const data = "some contents"
	if err := g.storage().Set(0x0102030405060708, []byte(data), 6); err != nil {
		t.Fatal(err)
	}
	context := append(u32(0xfffffffe), u64(0x0102030405060708)...)
	var key [32]byte
	if err := sealed.Engine.DeriveMKEK([]byte("ITS asset key"), context, key[:]); err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	image, found := d.internal.Image(), 0
	for at := 0; at+sealedSize <= len(image); at += 4 {
		plain, err := gcm.Open(nil, image[at:at+12], image[at+12:at+sealedSize], append(context[:12:12], u32(6)...))
		if err == nil && string(plain) == data {
			found++
		}
	}
	if found != 1 || bytes.Contains(image, []byte(data[:8])) {
		t.Errorf("found %d times; in the clear: %v", found, bytes.Contains(image, []byte(data[:8])))
	}
	// What Protected Storage stores is sealed by itself.
	if err := g.as(256).storage().Set(1, []byte(data), 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(d.protected.Image(), []byte(data)) {
		t.Error("an object of Protected Storage is encrypted twice")
	}
}

// TestSealedEveryBit flips every bit of what is stored of an asset, while the
// device runs and before it boots.
func TestSealedEveryBit(t *testing.T) {
	const data = "some contents"
	d := newDevice()
	blank := d.internal.Image()
	g := &gate{client: -1, handler: d.bootWith(t, sealed)}
	if err := g.storage().Set(1, []byte(data), 2); err != nil {
		t.Fatal(err)
	}
	good, end := d.internal.Image(), 0
	for i := range good {
		if good[i] != blank[i] {
			end = i + 1
		}
	}
	refused := 0
	for bit := 8 * (end - sealedSize - 40); bit < 8*end; bit++ {
		for _, reboot := range []bool{false, true} {
			d.internal = flashtest.FromImage(bytes.Clone(good), flashtest.PageSize)
			g.handler = d.bootWith(t, sealed)
			d.internal.Flip(bit)
			if reboot {
				g.handler = d.bootWith(t, sealed)
			}
			got, err := g.storage().ReadAll(1)
			info, infoErr := g.storage().Info(1)
			right := err == nil && string(got) == data && infoErr == nil && info == (contract.Info{Capacity: 13, Size: 13, Flags: 2})
			if !right && !(damaged(err) && damaged(infoErr) && got == nil) {
				t.Errorf("bit %d, reboot %v: read %q, %v; info %+v, %v", bit, reboot, got, err, info, infoErr)
			}
			if !right {
				refused++
			}
		}
	}
	if refused < 16*sealedSize {
		t.Errorf("only %d flips were refused", refused)
	}
}

func damaged(err error) bool {
	return errors.Is(err, veneer.ErrDataCorrupt) || errors.Is(err, veneer.ErrInvalidSignature)
}

// TestSealedIsBound opens, with a store of its own, what was stored for another
// owner or uid, with other flags, on another device or without encryption.
func TestSealedIsBound(t *testing.T) {
	stored := func(t *testing.T, cfg its.Config) []byte {
		d := newDevice()
		g := &gate{client: -1, handler: d.bootWith(t, cfg)}
		if err := g.storage().Set(1, []byte("some contents"), 0); err != nil {
			t.Fatal(err)
		}
		// The same store without encryption shows the bytes as they are.
		raw, err := (&gate{client: -1, handler: d.boot(t)}).storage().ReadAll(1)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	raw := stored(t, sealed)
	for _, c := range []struct {
		name   string
		client int32
		uid    contract.UID
		flags  contract.Flags
		raw    []byte
		cfg    its.Config
		ok     bool
	}{
		{"as it was", -1, 1, 0, raw, sealed, true},
		{"another owner's", -2, 1, 0, raw, sealed, false},
		{"another uid's", -1, 2, 0, raw, sealed, false},
		{"with other flags", -1, 1, 2, raw, sealed, false},
		{"on another device", -1, 1, 0, raw, its.Config{Engine: engine{"another"}, Random: rand.Reader}, false},
		{"without encryption", -1, 1, 0, stored(t, its.Config{}), sealed, false},
		{"nothing", -1, 1, 0, nil, sealed, false},
		{"a byte less", -1, 1, 0, raw[:len(raw)-1], sealed, false},
		{"a byte more", -1, 1, 0, append(bytes.Clone(raw), 0), sealed, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDevice()
			if err := (&gate{client: c.client, handler: d.boot(t)}).storage().Set(c.uid, c.raw, c.flags); err != nil {
				t.Fatal(err)
			}
			g := &gate{client: c.client, handler: d.bootWith(t, c.cfg)}
			out := []veneer.OutVec{bytes.Repeat([]byte{0xaa}, 20)}
			status := g.Call(contract.Handle, contract.CallGet, []veneer.InVec{u64(uint64(c.uid)), u32(0)}, out)
			_, err := g.storage().Info(c.uid)
			if c.ok {
				if status != 0 || string(out[0]) != "some contents" || err != nil {
					t.Errorf("get: %d, %q; info: %v", status, out[0], err)
				}
				return
			}
			if !damaged(status) || len(out[0]) != 0 || !damaged(err) {
				t.Errorf("get: %d, %q; info: %v", status, out[0], err)
			}
			// It is not in the way for ever.
			if err := g.storage().Set(c.uid, []byte("new"), 0); err != nil {
				t.Errorf("set: %v", err)
			}
			if data, err := g.storage().ReadAll(c.uid); string(data) != "new" {
				t.Errorf("then: %q, %v", data, err)
			}
		})
	}
}

// TestNonces sees that each set has a nonce of its own, over boots and owners, and
// that they carry over into the next word.
func TestNonces(t *testing.T) {
	seen := map[string]bool{}
	d := newDevice()
	sets := 0
	for _, start := range []string{"random one..", "random two..", "\xff\xff\xff\xff\xf0\xff\xff\xff\xff\xff\xff\xff"} {
		cfg := sealed
		cfg.Random = strings.NewReader(start)
		handler := d.bootWith(t, cfg)
		for i := range 40 {
			g := &gate{client: -1 - int32(i%3), handler: handler}
			if err := g.storage().Set(1, []byte("same"), 0); err != nil {
				t.Fatal(err)
			}
			sets++
			// Another boot without encryption shows the record; it changes nothing.
			raw, err := (&gate{client: g.client, handler: d.boot(t)}).storage().ReadAll(1)
			if err != nil || len(raw) != 12+4+16 {
				t.Fatalf("%d bytes, %v", len(raw), err)
			}
			seen[string(raw[:12])] = true
		}
	}
	if len(seen) != sets {
		t.Errorf("%d nonces in %d sets", len(seen), sets)
	}
}

// failing is an engine without its key.
type failing struct{}

func (failing) DeriveMKEK(_, _, _ []byte) error { return errors.New("no key") }

func TestSealedWithoutKey(t *testing.T) {
	d := newDevice()
	g := &gate{client: -1, handler: d.bootWith(t, sealed)}
	if err := g.storage().Set(1, []byte("old"), 0); err != nil {
		t.Fatal(err)
	}
	g.handler = d.bootWith(t, its.Config{Engine: failing{}, Random: rand.Reader})
	if err := g.storage().Set(1, []byte("new"), 0); !errors.Is(err, veneer.ErrStorageFailure) {
		t.Errorf("set: %v", err)
	}
	if _, err := g.storage().ReadAll(1); !errors.Is(err, veneer.ErrStorageFailure) {
		t.Errorf("get: %v", err)
	}
	g.handler = d.bootWith(t, sealed)
	if data, err := g.storage().ReadAll(1); err != nil || string(data) != "old" {
		t.Errorf("afterwards: %q, %v", data, err)
	}
	for name, cfg := range map[string]its.Config{
		"no random source":   {Engine: sealed.Engine},
		"random bytes ended": {Engine: sealed.Engine, Random: strings.NewReader("short")},
	} {
		cfg.Internal, cfg.Protected = d.internal, d.protected
		if err := its.New(cfg).Init(nil); !errors.Is(err, veneer.ErrServiceFailure) {
			t.Errorf("%s: init: %v", name, err)
		}
	}
}
