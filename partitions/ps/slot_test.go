package ps

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	contract "github.com/postern-spe/postern/veneer/ps"
)

func TestSlotHash(t *testing.T) {
	seen := map[its.UID]bool{}
	for owner := int32(-50); owner < 50; owner++ {
		for uid := range uint64(50) {
			at := slotHash(Asset{owner, uid + 1})
			if at%slots != 0 || seen[at] {
				t.Errorf("owner %d uid %d: slot %#x", owner, uid+1, uint64(at))
			}
			seen[at] = true
		}
	}
}

// TestCollisions gives many assets the same hash, protected and not, and drives
// them against a map, with restarts: holes are left and filled, nothing is taken
// for another's.
func TestCollisions(t *testing.T) {
	for name, slot := range map[string]func(Asset) its.UID{
		"one hash":   func(Asset) its.UID { return 0x1200 },
		"two hashes": func(a Asset) its.UID { return its.UID(a.UID%2+1) << 8 },
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				w := newWorld(t)
				w.part.store.slot = slot
				m := map[Asset]string{}
				draw := func(t *rapid.T) (Asset, *contract.Client) {
					a := Asset{rapid.SampledFrom([]int32{-1, -2, 300}).Draw(t, "owner"), rapid.Uint64Range(1, 3).Draw(t, "uid")}
					return a, w.client(a.Owner)
				}
				rt.Repeat(map[string]func(*rapid.T){
					"set": func(t *rapid.T) {
						a, c := draw(t)
						data := string(rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "data"))
						flags := rapid.SampledFrom([]contract.Flags{0, 4}).Draw(t, "flags")
						if err := c.Set(contract.UID(a.UID), []byte(data), flags); err != nil {
							t.Fatal(err)
						}
						m[a] = data
					},
					"remove": func(t *rapid.T) {
						a, c := draw(t)
						err := c.Remove(contract.UID(a.UID))
						if _, ok := m[a]; ok != (err == nil) || !ok && !errors.Is(err, veneer.ErrDoesNotExist) {
							t.Fatal(err)
						}
						delete(m, a)
					},
					"restart": func(t *rapid.T) {
						if err := w.boot(); err != nil {
							t.Fatal(err)
						}
						w.part.store.slot = slot
					},
					"": func(t *rapid.T) {
						for _, owner := range []int32{-1, -2, 300} {
							for uid := uint64(1); uid <= 3; uid++ {
								want, ok := m[Asset{owner, uid}]
								got, err := w.client(owner).ReadAll(contract.UID(uid))
								if ok != (err == nil) || string(got) != want || !ok && !errors.Is(err, veneer.ErrDoesNotExist) {
									t.Fatalf("owner %d uid %d: %q, %v; want %q, %v", owner, uid, got, err, want, ok)
								}
							}
						}
					},
				})
			})
		})
	}
}

// TestCollidingObjectIsAuthenticated puts an object of the right hash, but not
// authentic, before an asset: it is not a reason to answer that there is nothing,
// but to no asset that is there.
func TestCollidingObjectIsAuthenticated(t *testing.T) {
	w := newWorld(t)
	w.part.store.slot = func(Asset) its.UID { return 0x1200 }
	for uid := range contract.UID(2) {
		if err := w.client(-1).Set(uid+1, []byte("contents"), 0); err != nil {
			t.Fatal(err)
		}
	}
	first, second := w.storedAt(t, 0x1200), w.storedAt(t, 0x1201)
	first[headerSize] ^= 1
	for name, b := range map[string][]byte{"changed": first, "of another slot": second} {
		if err := w.objects().Set(0x1200, b, 0); err != nil {
			t.Fatal(err)
		}
		for _, uid := range []uint64{1, 3} {
			if err := tampered(w, Asset{-1, uid}); err != nil {
				t.Errorf("%s, uid %d: %v", name, uid, err)
			}
		}
		if data, err := w.client(-1).ReadAll(2); err != nil || string(data) != "contents" {
			t.Errorf("%s, uid 2: %q, %v", name, data, err)
		}
	}
}

// TestCutOffChain takes an unprotected object away that another asset lies behind:
// that one is still found, changed and removed, and neither its old contents come
// back nor those of when it was not protected.
func TestCutOffChain(t *testing.T) {
	w := newWorld(t)
	slot := func(Asset) its.UID { return 0x1200 }
	w.part.store.slot = slot
	c := w.client(-1)
	if err := c.Set(2, []byte("lax"), 4); err != nil {
		t.Fatal(err)
	}
	lax := w.storedAt(t, 0x1200)
	if err := errors.Join(c.Remove(2), c.Set(1, nil, 4), c.Set(2, []byte("old"), 0)); err != nil {
		t.Fatal(err)
	}
	front := w.storedAt(t, 0x1200)
	if err := w.objects().Remove(0x1200); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if data, err := c.ReadAll(2); err != nil || string(data) != "old" {
			t.Fatalf("%q, %v", data, err)
		}
		if err := w.boot(); err != nil {
			t.Fatal(err)
		}
		w.part.store.slot = slot
	}
	if err := c.Set(2, []byte("new"), 0); err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{lax, front} {
		if err := w.objects().Set(0x1200, b, 0); err != nil {
			t.Fatal(err)
		}
		if data, err := c.ReadAll(2); err != nil || string(data) != "new" {
			t.Errorf("%q, %v", data, err)
		}
	}
	if err := c.Remove(2); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Info(2); !errors.Is(err, veneer.ErrDoesNotExist) {
		t.Error(err)
	}
}
