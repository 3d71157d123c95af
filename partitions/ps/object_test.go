package ps

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"

	contract "github.com/postern-spe/postern/veneer/ps"
	"github.com/postern-spe/postern/veneer/psa"
)

// TestObjectFormat opens stored objects with Go's own cryptography.
func TestObjectFormat(t *testing.T) {
	a, data := Asset{-1, 0x0102030405060708}, []byte("the contents of the asset")
	const created = 1 << 30
	for _, c := range []struct {
		name          string
		set           func(*contract.Client) error
		flags         uint32
		epoch         uint32
		capacity      int
		inClear, once bool
	}{
		{"set", func(c *contract.Client) error { return c.Set(contract.UID(a.UID), data, 4) }, 4, 0, 25, false, false},
		{"write-once", func(c *contract.Client) error { return c.Set(contract.UID(a.UID), data, 1) }, 1, 1, 25, false, false},
		{"write-once, not protected", func(c *contract.Client) error { return c.Set(contract.UID(a.UID), data, 5) }, 5, 0, 25, false, true},
		{"set, in the clear", func(c *contract.Client) error { return c.Set(contract.UID(a.UID), data, 2) }, 2, 1, 25, true, false},
		{"created", func(c *contract.Client) error {
			return errors.Join(c.Create(contract.UID(a.UID), 40, 0), c.SetExtended(contract.UID(a.UID), 0, data))
		}, created, 1, 40, false, false},
		{"created, in the clear", func(c *contract.Client) error {
			return errors.Join(c.Create(contract.UID(a.UID), 40, 6), c.SetExtended(contract.UID(a.UID), 0, data))
		}, created | 6, 0, 40, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if err := c.set(w.client(a.Owner)); err != nil {
				t.Fatal(err)
			}
			b := w.stored(t, a)
			header := slices.Concat([]byte("PO02"), u32(0xffffffff), u64(a.UID), u32(c.flags), u32(25), u32(uint32(c.capacity)), u32(c.epoch))
			if !bytes.Equal(b[:32], header) {
				t.Errorf("header %x, want %x", b[:32], header)
			}
			ad := slices.Concat(header, u64(uint64(w.at(a))))
			want := append(bytes.Clone(data), make([]byte, c.capacity-len(data))...)
			sealed := b[44:]
			if c.inClear {
				ad, sealed = append(ad, b[44:44+c.capacity]...), b[44+c.capacity:]
			}
			plain, err := ownGCM(t, w, a.Owner).Open(nil, b[32:44], sealed, ad)
			if err != nil {
				t.Error(err)
			}
			if c.inClear {
				plain = b[44 : 44+c.capacity]
			}
			if !bytes.Equal(plain, want) {
				t.Errorf("contents %q", plain)
			}
			if got := bytes.Contains(w.protected.mem, data[:8]); got != c.inClear {
				t.Errorf("contents are in flash in the clear: %v", got)
			}
			info, err := w.objects().Info(w.at(a))
			if err != nil || (info.Flags&1 != 0) != c.once {
				t.Errorf("Internal Trusted Storage knows %+v, %v", info, err)
			}
		})
	}
}

// ownGCM returns the cipher of an owner without the partitions.
func ownGCM(t *testing.T, w *world, owner int32) cipher.AEAD {
	t.Helper()
	key, err := hkdf.Key(sha256.New, w.huk[:], nil, "PS owner"+string(u32(uint32(owner))), 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return gcm
}

func TestNoncesDiffer(t *testing.T) {
	w := newWorld(t)
	seen := map[string]bool{}
	for range 200 {
		if err := w.client(-1).Set(1, []byte("same"), 0); err != nil {
			t.Fatal(err)
		}
		seen[string(w.stored(t, Asset{-1, 1})[nonceAt:headerSize])] = true
	}
	if len(seen) != 200 {
		t.Errorf("%d nonces in 200 sets", len(seen))
	}
}

// FuzzParseObject checks that what is accepted is what would be written.
func FuzzParseObject(f *testing.F) {
	o := object{asset: Asset{-1, 7}, epoch: 1, size: 3, capacity: 3}
	f.Add(append(o.appendTo(nil), make([]byte, nonceSize+3+tagSize)...))
	o = object{asset: Asset{-1, 7}, flags: flagCreated | psa.StorageNoReplayProtection, size: 3, capacity: 9}
	f.Add(append(o.appendTo(nil), make([]byte, nonceSize+9+tagSize)...))
	o = object{flags: flagLost | psa.StorageWriteOnce, epoch: 1}
	f.Add(append(o.appendTo(nil), make([]byte, nonceSize+tagSize)...))
	f.Add([]byte("PO02"))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, nonce, sealed, err := parseObject(b)
		if err != nil {
			return
		}
		if again := slices.Concat(o.appendTo(nil), nonce, sealed); !bytes.Equal(again, b) {
			t.Errorf("%x is taken for %x", b, again)
		}
	})
}
