package ps

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/ps"
)

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

// kinds are the ways in which "some contents" gets under uid 1.
var kinds = map[string]func(*contract.Client) error{
	"set":               func(c *contract.Client) error { return c.Set(1, []byte("some contents"), 0) },
	"set, in the clear": func(c *contract.Client) error { return c.Set(1, []byte("some contents"), 2) },
	"created": func(c *contract.Client) error {
		return errors.Join(c.Create(1, 20, 0), c.SetExtended(1, 0, []byte("some contents")))
	},
	"created, in the clear": func(c *contract.Client) error {
		return errors.Join(c.Create(1, 20, 6), c.SetExtended(1, 0, []byte("some contents")))
	},
}

func TestEveryBitIsAuthentic(t *testing.T) {
	for name, set := range kinds {
		t.Run(name, func(t *testing.T) { testEveryBit(t, set) })
	}
}

func testEveryBit(t *testing.T, set func(*contract.Client) error) {
	w := newWorld(t)
	a := Asset{-1, 1}
	if err := set(w.client(-1)); err != nil {
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

// TestEveryBitOfFlash flips every bit of the record that an asset has in flash,
// below Internal Trusted Storage, while the device runs and before it boots: what
// comes back is right, or one of the two statuses. A header that Internal Trusted
// Storage corrects is right.
func TestEveryBitOfFlash(t *testing.T) {
	for name, set := range kinds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := set(w.client(-1)); err != nil {
				t.Fatal(err)
			}
			good := w.save()
			start := bytes.LastIndex(good.mem, []byte("PO02"))
			end := start + len(w.stored(t, Asset{-1, 1}))
			refused, stride := 0, 1
			if raceEnabled {
				stride = 7 // one goroutine, and slow: nothing for the detector
			}
			for bit := 8 * (start - 28); bit < 8*(end+4); bit += stride {
				for _, reboot := range []bool{false, true} {
					w.restore(good)
					if err := w.boot(); err != nil {
						t.Fatal(err)
					}
					w.protected.mem[bit/8] ^= 1 << (bit % 8)
					if reboot {
						if err := w.boot(); err != nil {
							t.Fatalf("bit %d: %v", bit, err)
						}
					}
					data, err := w.client(-1).ReadAll(1)
					if err == nil && string(data) == "some contents" {
						continue
					}
					if err := tampered(w, Asset{-1, 1}); err != nil || data != nil {
						t.Errorf("bit %d, reboot %v: read %q, %v", bit, reboot, data, err)
					}
					refused++
				}
			}
			if refused < 16*(end-start)/stride {
				t.Errorf("only %d of %d flips in the object were refused", refused, 16*(end-start)/stride)
			}
		})
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
			if err := tampered(w, a); err != nil {
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
	at := bytes.Index(w.protected.mem, []byte("PO02"))
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
