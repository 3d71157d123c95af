package cryptocell

import (
	"encoding/binary"
	"runtime"
	"slices"
	"testing"

	"github.com/postern-spe/postern/platform/aescmac"
	"github.com/postern-spe/postern/platform/kmu"
	"github.com/postern-spe/postern/platform/secretmem"
	"github.com/postern-spe/postern/platform/secretmem/memscan"
)

// secretBytes fills n bytes of secret memory, eight at a time.
func secretBytes(t *testing.T, n int, seed uint64) *secretmem.Region {
	t.Helper()
	r, err := secretmem.Alloc(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Destroy)
	for i := 0; i < n; i += 8 {
		seed = seed*6364136223846793005 + 1442695040888963407
		binary.LittleEndian.PutUint64(r.Bytes()[i:], seed)
	}
	return r
}

// found counts the places of every 16 bytes of key in ordinary memory, as they
// are and in the order of a big number's words.
func found(t *testing.T, key *secretmem.Region) int {
	t.Helper()
	part, err := secretmem.Alloc(16)
	if err != nil {
		t.Fatal(err)
	}
	defer part.Destroy()
	n := 0
	for i := 0; i < len(key.Bytes()); i += 16 {
		copy(part.Bytes(), key.Bytes()[i:])
		for range 2 {
			hits, err := memscan.Search(part)
			if err != nil {
				t.Fatal(err)
			}
			n += len(hits)
			slices.Reverse(part.Bytes())
		}
	}
	return n
}

// TestRootKey derives from a root key, which goes through the key
// schedule of crypto/aes on the heap, and searches the memory for it.
func TestRootKey(t *testing.T) {
	for _, b := range boards {
		t.Run(b.name, func(t *testing.T) {
			c := newChip(t, b)
			if c.values.Kind() != secretmem.Secret {
				t.Skip("the kernel has no secret memory: the cells themselves would be found")
			}
			key := secretBytes(t, b.variant().HUKSize, uint64(len(b.name)))
			for _, slot := range []int{kmu.SlotMKEK, kmu.SlotMEXT} {
				if err := c.WriteRootKey(slot, key.Bytes()); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.DeriveHUK([]byte("label"), nil, make([]byte, 32)); err != nil {
				t.Fatal(err)
			}
			if err := c.WriteIdentity(nil); err != nil {
				t.Fatal(err)
			}
			if _, err := c.SignIdentity(make([]byte, 32)); err != nil {
				t.Fatal(err)
			}
			if n := found(t, key); n != 0 {
				t.Errorf("found %d times", n)
			}
			// The control: a schedule that is not wiped is found.
			m, err := aescmac.New(key.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if found(t, key) == 0 {
				t.Error("not found in a key schedule: the search shows nothing")
			}
			m.Wipe()
			if n := found(t, key); n != 0 {
				t.Errorf("found %d times in a wiped key schedule", n)
			}
			runtime.KeepAlive(m)
		})
	}
}

// TestIdentityKey writes an identity key, which goes no further than secret
// memory. Signing with it is crypto/ecdsa's work: it makes a few copies, and not
// more with each signature. After Close only the runtime can wipe them.
func TestIdentityKey(t *testing.T) {
	c := provisioned(t, nrf5340)
	if c.values.Kind() != secretmem.Secret {
		t.Skip("the kernel has no secret memory: the scalar itself would be found")
	}
	key := secretBytes(t, ScalarSize, 77)
	key.Bytes()[0] = 0x11 // below the order
	if err := c.WriteIdentity(key.Bytes()); err != nil {
		t.Fatal(err)
	}
	if n := found(t, key); n != 0 {
		t.Errorf("found %d times after writing", n)
	}
	for range 20 {
		if _, err := c.SignIdentity(make([]byte, 32)); err != nil {
			t.Fatal(err)
		}
	}
	if n := found(t, key); n == 0 || n > 10 { // two halves of each copy
		t.Errorf("found %d times after twenty signatures", n)
	}
	c.Close()
	for range 10 { // the cache of crypto/ecdsa lets go of a key some cycles after us
		runtime.GC()
	}
	n := found(t, key)
	t.Logf("found %d times after Close", n)
	if wipesHeap && n != 0 {
		t.Error("the runtime was to wipe them")
	}
}
