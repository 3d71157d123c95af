package crypto

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

func TestPersistentKeys(t *testing.T) {
	w := newWorld(t)
	c := w.client(appOwner)
	id, err := c.Import(persistent(7), secret)
	if err != nil || id != 7 {
		t.Fatal(id, err)
	}
	_, err = c.Import(persistent(7), secret)
	wantStatus(t, "the same identifier", err, veneer.ErrAlreadyExists)

	w = boot(t, w.store)
	c = w.client(veneer.Owner{ClientID: appOwner.ClientID, Session: 55})
	_, err = c.Import(persistent(7), secret)
	wantStatus(t, "the same identifier after a restart", err, veneer.ErrAlreadyExists)
	if got, err := c.Attributes(7); err != nil || got != persistent(7) {
		t.Errorf("attributes after a restart: %+v, %v", got, err)
	}
	if got, err := c.Export(7); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("export after a restart: %x, %v", got, err)
	}
	wantStatus(t, "purge", c.Purge(7), veneer.Success)
	if got, err := c.Export(7); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("export after purge: %x, %v", got, err)
	}
	wantStatus(t, "destroy", c.Destroy(7), veneer.Success)
	for name, err := range map[string]error{"destroy": c.Destroy(7), "purge": c.Purge(7)} {
		wantStatus(t, name+" of a key that is gone", err, veneer.ErrInvalidHandle)
	}
	_, err = boot(t, w.store).client(appOwner).Attributes(7)
	wantStatus(t, "a destroyed key after a restart", err, veneer.ErrInvalidHandle)
}

// A persistent key is stored as Mbed TLS stores it, under owner<<32 | id.
func TestKeyFile(t *testing.T) {
	w := newWorld(t)
	if _, err := w.client(appOwner).Import(persistent(7), secret); err != nil {
		t.Fatal(err)
	}
	want := append([]byte("PSA\x00KEY\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x12\x00\x01"+
		"\x03\x40\x00\x00\x09\x01\x00\x08\x00\x00\x00\x00\x20\x00\x00\x00"), secret...)
	if got := w.store.objects[0xffffffff_00000007]; !bytes.Equal(got, want) {
		t.Errorf("%x\nwant %x", got, want)
	}
}

func TestDamagedKeyFile(t *testing.T) {
	whole := appendKeyFile(nil, &psa.KeyAttributes{Type: psa.KeyAES, Bits: 128, Lifetime: 1, ID: 7}, make([]byte, 16))
	change := func(at int, b byte) []byte {
		c := bytes.Clone(whole)
		c[at] = b
		return c
	}
	for name, file := range map[string][]byte{
		"empty": {}, "short header": whole[:35], "short key": whole[:51], "bytes too many": append(bytes.Clone(whole), 0),
		"magic": change(0, 'Q'), "version": change(8, 1), "volatile": change(12, 0), "location": change(13, 1),
		"odd type": change(16, 1), "bits": change(18, 64), "usage": change(23, 0x80), "length": change(32, 15),
	} {
		w := newWorld(t)
		w.store.objects[0xffffffff_00000007] = file
		w.store.objects[0xffffffff_00000000] = appendIndex(nil, []psa.KeyID{7})
		c := w.client(appOwner)
		_, err := c.Attributes(7)
		wantStatus(t, name, err, veneer.ErrDataInvalid)
		if keys, err := c.List(); err != nil || len(keys) != 1 || keys[0].ID != 7 || keys[0].Type != psa.KeyNone {
			t.Errorf("%s: list %v, %v", name, keys, err)
		}
		wantStatus(t, name+": destroy", c.Destroy(7), veneer.Success)
	}
}

func TestList(t *testing.T) {
	w := newWorld(t)
	c := w.client(appOwner)
	if keys, err := c.List(); err != nil || len(keys) != 0 {
		t.Errorf("no keys: %v, %v", keys, err)
	}
	var want []psa.KeyID
	for _, id := range []psa.KeyID{300, 7, 20} {
		if _, err := c.Import(persistent(id), secret); err != nil {
			t.Fatal(err)
		}
	}
	want = append(want, 7, 20, 300)
	for range 130 { // more than two pages
		id, err := c.Generate(psa.KeyAttributes{Type: psa.KeyRawData, Bits: 8})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, id)
	}
	keys, err := c.List()
	if err != nil || len(keys) != len(want) {
		t.Fatalf("%d keys, %v; want %d", len(keys), err, len(want))
	}
	for i, k := range keys {
		if k.ID != want[i] {
			t.Errorf("key %d is %v, want %v", i, k.ID, want[i])
		}
	}
	wantStatus(t, "destroy", c.Destroy(20), veneer.Success)
	keys, err = boot(t, w.store).client(appOwner).List()
	if err != nil || len(keys) != 2 || keys[0] != persistent(7) || keys[1] != persistent(300) {
		t.Errorf("after a restart: %v, %v", keys, err)
	}
}

// TestDamagedIndex: without the index keys cannot be listed, which the list says;
// all else goes on.
func TestDamagedIndex(t *testing.T) {
	w := newWorld(t)
	if _, err := w.client(appOwner).Import(persistent(7), secret); err != nil {
		t.Fatal(err)
	}
	w.store.objects[0xffffffff_00000000][0] ^= 1
	c := boot(t, w.store).client(appOwner)
	for range 2 {
		_, err := c.Import(persistent(8), secret)
		wantStatus(t, "import", err, veneer.Success)
		for _, id := range []psa.KeyID{7, 8} {
			if got, err := c.Export(id); err != nil || !bytes.Equal(got, secret) {
				t.Errorf("key %v: %x, %v", id, got, err)
			}
		}
		_, err = c.List()
		wantStatus(t, "list", err, veneer.ErrDataInvalid)
		wantStatus(t, "destroy", c.Destroy(8), veneer.Success)
		c = boot(t, w.store).client(appOwner)
	}
}

// TestPowerFailure cuts the power at every write to the storage while keys are
// made and destroyed: afterwards each key is as before or as asked for, and the
// list shows exactly those that are there.
func TestPowerFailure(t *testing.T) {
	for writes := 0; ; writes++ {
		left := writes
		store := &memoryITS{objects: make(map[uint64][]byte), writes: &left}
		c := boot(t, store).client(appOwner)
		done := map[psa.KeyID]bool{} // true: there; false: gone
		unsure := psa.NullKey
		try := func(id psa.KeyID, there bool, err error) bool {
			if err != nil {
				unsure = id
				return false
			}
			done[id] = there
			return true
		}
		finished := func() bool {
			for _, id := range []psa.KeyID{5, 9, 7} {
				if _, err := c.Import(persistent(id), secret); !try(id, true, err) {
					return false
				}
			}
			for _, id := range []psa.KeyID{9, 5} {
				if !try(id, false, c.Destroy(id)) {
					return false
				}
			}
			_, err := c.Import(persistent(9), secret)
			return try(9, true, err)
		}()
		store.writes = nil
		c = boot(t, store).client(appOwner)
		listed := map[psa.KeyID]bool{}
		keys, err := c.List()
		if err != nil {
			t.Fatalf("after %d writes: %v", writes, err)
		}
		for _, k := range keys {
			listed[k.ID] = true
		}
		for _, id := range []psa.KeyID{5, 7, 9} {
			_, err := c.Export(id)
			if there := err == nil; there != listed[id] {
				t.Errorf("after %d writes: key %v is there: %v, listed: %v", writes, id, there, listed[id])
			} else if id != unsure && there != done[id] {
				t.Errorf("after %d writes: key %v is there: %v", writes, id, there)
			}
		}
		// The identifier can be used whatever happened.
		if unsure != psa.NullKey && !listed[unsure] {
			_, err := c.Import(persistent(unsure), secret)
			wantStatus(t, fmt.Sprintf("after %d writes: a new key %v", writes, unsure), err, veneer.Success)
		}
		if finished {
			return
		}
	}
}
