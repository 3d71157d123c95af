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

// TestCollisions gives many assets the same hash, down to the one that begins
// with an object uid that does not exist, and drives them against a map, with
// restarts: holes are left and filled, nothing is taken for another's.
func TestCollisions(t *testing.T) {
	for name, slot := range map[string]func(Asset) its.UID{
		"one hash":   func(Asset) its.UID { return 0x1200 },
		"hash 0":     func(Asset) its.UID { return 0 },
		"two hashes": func(a Asset) its.UID { return its.UID(a.UID%2) << 8 },
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
						if err := c.Set(contract.UID(a.UID), []byte(data), 0); err != nil {
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
// authentic, before an asset: it is not a reason to look further, nor to answer
// that there is nothing.
func TestCollidingObjectIsAuthenticated(t *testing.T) {
	w := newWorld(t)
	w.part.store.slot = func(Asset) its.UID { return 0x1200 }
	for uid := range contract.UID(2) {
		if err := w.client(-1).Set(uid+1, []byte("contents"), 0); err != nil {
			t.Fatal(err)
		}
	}
	first := w.storedAt(t, 0x1200)
	first[headerSize] ^= 1
	if err := w.objects().Set(0x1200, first, 0); err != nil {
		t.Fatal(err)
	}
	for uid := range uint64(3) {
		if err := tampered(w, Asset{-1, uid + 1}); err != nil {
			t.Errorf("uid %d: %v", uid+1, err)
		}
	}
	// An object in another slot of its hash.
	second := w.storedAt(t, 0x1201)
	if err := w.objects().Set(0x1200, second, 0); err != nil {
		t.Fatal(err)
	}
	if err := tampered(w, Asset{-1, 2}); err != nil {
		t.Error(err)
	}
}
