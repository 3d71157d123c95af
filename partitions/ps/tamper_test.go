package ps

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/ps"
)

// TestObjectFormat opens a stored object with Go's own cryptography.
func TestObjectFormat(t *testing.T) {
	w := newWorld(t)
	a, data := Asset{-1, 0x0102030405060708}, []byte("the contents of the asset")
	if err := w.client(a.Owner).Set(contract.UID(a.UID), data, 2); err != nil {
		t.Fatal(err)
	}
	b := w.stored(t, a)
	info := append(u32(0xffffffff), u64(a.UID)...)
	key, err := hkdf.Key(sha256.New, w.huk[:], nil, string(info), 32)
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
	ad := slices.Concat([]byte("PO01"), u32(0xffffffff), u64(a.UID), u32(2), u32(25), u32(25), u64(uint64(w.at(a))))
	if !bytes.Equal(b[:28], ad[:28]) {
		t.Errorf("header %x, want %x", b[:28], ad[:28])
	}
	plain, err := gcm.Open(nil, b[28:40], b[40:], ad)
	if err != nil || !bytes.Equal(plain, data) {
		t.Errorf("contents %q, %v", plain, err)
	}
	if bytes.Contains(w.protected.mem, data) || bytes.Contains(w.protected.mem, data[:8]) {
		t.Error("contents are in flash in the clear")
	}
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

// tampered reports whether both ways to learn something of an asset refuse.
func tampered(w *world, a Asset) error {
	buf := bytes.Repeat([]byte{0xaa}, 64)
	out := []veneer.OutVec{buf}
	status := w.gate(a.Owner).Call(contract.Handle, contract.CallGet, []veneer.InVec{u64(a.UID), u32(0)}, out)
	if status != veneer.ErrInvalidSignature && status != veneer.ErrDataCorrupt {
		return fmt.Errorf("get: status %d", status)
	}
	if len(out[0]) != 0 || !bytes.Equal(buf, bytes.Repeat([]byte{0xaa}, 64)) {
		return errors.New("get gave bytes")
	}
	_, err := w.client(a.Owner).Info(contract.UID(a.UID))
	if !errors.Is(err, veneer.ErrInvalidSignature) && !errors.Is(err, veneer.ErrDataCorrupt) {
		return fmt.Errorf("info: %w", err)
	}
	return nil
}

func TestEveryBitIsAuthentic(t *testing.T) {
	w := newWorld(t)
	a := Asset{-1, 1}
	if err := w.client(-1).Set(1, []byte("some contents"), 2); err != nil {
		t.Fatal(err)
	}
	good := w.stored(t, a)
	put := func(b []byte) {
		if err := w.objects().Set(w.at(a), b, 0); err != nil {
			t.Fatal(err)
		}
	}
	for bit := range 8 * len(good) {
		b := bytes.Clone(good)
		b[bit/8] ^= 1 << (bit % 8)
		put(b)
		if err := tampered(w, a); err != nil {
			t.Errorf("bit %d: %v", bit, err)
		}
	}
	for n := range len(good) {
		put(good[:n])
		if err := tampered(w, a); err != nil {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	put(append(bytes.Clone(good), 0))
	if err := tampered(w, a); err != nil {
		t.Errorf("one byte more: %v", err)
	}
	put(good)
	if data, err := w.client(-1).ReadAll(1); err != nil || string(data) != "some contents" {
		t.Errorf("put back: %q, %v", data, err)
	}
}

func TestObjectsCannotBeSwapped(t *testing.T) {
	for name, other := range map[string]Asset{"another owner's": {-2, 1}, "another uid's": {-1, 2}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := Asset{-1, 1}
			for _, x := range []Asset{a, other} {
				if err := w.client(x.Owner).Set(contract.UID(x.UID), []byte("contents"), 0); err != nil {
					t.Fatal(err)
				}
			}
			forA, forOther := w.stored(t, a), w.stored(t, other)
			if err := errors.Join(w.objects().Set(w.at(a), forOther, 0), w.objects().Set(w.at(other), forA, 0)); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(tampered(w, a), tampered(w, other)); err != nil {
				t.Error(err)
			}
			// As if it were the other's, in the next slot.
			if err := errors.Join(w.objects().Set(w.at(a), forA, 0), w.objects().Remove(w.at(other)),
				w.objects().Set(w.at(a)+1, forA, 0), w.objects().Remove(w.at(a))); err != nil {
				t.Fatal(err)
			}
			if _, err := w.client(-1).Info(1); !errors.Is(err, veneer.ErrDoesNotExist) {
				t.Errorf("moved to the next slot: %v", err)
			}
		})
	}
}

// TestDamagedObjectCanBeReplaced and removed, for it would be in the way for
// ever; but not where it was write-once.
func TestDamagedObjectCanBeReplaced(t *testing.T) {
	for _, size := range []int{0, 5, 200} {
		w := newWorld(t)
		a := Asset{-1, 1}
		damage := func() {
			if err := w.objects().Set(w.at(a), bytes.Repeat([]byte{7}, size), 0); err != nil {
				t.Fatal(err)
			}
			if err := tampered(w, a); err != nil {
				t.Fatal(err)
			}
		}
		damage()
		if err := w.client(-1).Set(1, []byte("new"), 0); err != nil {
			t.Error(err)
		}
		if data, err := w.client(-1).ReadAll(1); string(data) != "new" {
			t.Errorf("%q, %v", data, err)
		}
		damage()
		if err := w.client(-1).Remove(1); err != nil {
			t.Error(err)
		}
		if _, err := w.client(-1).Info(1); !errors.Is(err, veneer.ErrDoesNotExist) {
			t.Error(err)
		}
	}
	w := newWorld(t)
	if err := w.client(-1).Set(1, []byte("once"), 1); err != nil {
		t.Fatal(err)
	}
	// Damage in flash, below Internal Trusted Storage.
	at := bytes.Index(w.protected.mem, []byte("PO01"))
	w.protected.mem[at+headerSize] ^= 0x10
	if err := tampered(w, Asset{-1, 1}); err != nil {
		t.Error(err)
	}
	if err := w.client(-1).Set(1, nil, 0); !errors.Is(err, veneer.ErrNotPermitted) {
		t.Errorf("set: %v", err)
	}
	if err := w.client(-1).Remove(1); !errors.Is(err, veneer.ErrNotPermitted) {
		t.Errorf("remove: %v", err)
	}
}

// FuzzParseObject checks that what is accepted is what would be written.
func FuzzParseObject(f *testing.F) {
	o := object{asset: Asset{-1, 7}, size: 3}
	f.Add(append(o.appendTo(nil), make([]byte, nonceSize+3+tagSize)...))
	f.Add([]byte("PO01"))
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
