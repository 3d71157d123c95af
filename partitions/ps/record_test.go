package ps

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	contract "github.com/postern-spe/postern/veneer/ps"
)

// medium opens the medium below Internal Trusted Storage, while the device is off.
func (w *world) medium(t testing.TB) *flashlog.Store {
	t.Helper()
	s, err := flashlog.Open(w.protected)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func key(at its.UID) flashlog.Key { return flashlog.Key{Owner: psID, UID: uint64(at)} }

// slotOf is the first slot of an asset of client -1.
func slotOf(uid contract.UID) its.UID { return slotHash(Asset{-1, uint64(uid)}) }

// TestOneRecord puts every earlier object of every asset back, or takes the object
// away, while the device runs and while it is off: that asset is refused from then
// on, all others are as they were, and the next such thing is told apart again.
func TestOneRecord(t *testing.T) {
	w := newWorld(t)
	versions := history(t, w, 60)
	last := &versions[len(versions)-1]
	tried := 0
	for uid := contract.UID(1); uid <= 5; uid++ {
		at, only := slotOf(uid), func(u contract.UID) bool { return u == uid }
		seen := map[string]bool{string(last.objects[at]): true}
		for i := range versions {
			object, there := versions[i].objects[at]
			if seen[string(object)] {
				continue // nil is one of them: the object taken away
			}
			seen[string(object)] = true
			for name, put := range map[string]func(){
				"running": func() {
					holds(t, w, last, none)
					err := error(nil)
					if there {
						err = w.objects().Set(at, object, 0)
					} else {
						err = w.objects().Remove(at)
					}
					if err != nil {
						t.Fatal(err)
					}
				},
				"off": func() {
					err, s := error(nil), w.medium(t)
					if there {
						err = s.Set(key(at), object, 0)
					} else {
						err = s.Remove(key(at))
					}
					if err != nil {
						t.Fatal(err)
					}
					reboot(t, w)
				},
			} {
				name = fmt.Sprintf("uid %d, state %d, %s", uid, i, name)
				w.restore(last.saved)
				reboot(t, w)
				put()
				tried++
				for range 3 {
					holds(t, w, last, only)
					if err := tampered(w, Asset{-1, uint64(uid)}); err != nil {
						t.Errorf("%s: %v", name, err)
					}
					if err := w.client(-1).SetExtended(uid, 0, nil); !errors.Is(err, veneer.ErrInvalidSignature) {
						t.Errorf("%s: set_extended: %v", name, err)
					}
					if err := w.client(-1).Create(uid, 1, 0); !errors.Is(err, veneer.ErrAlreadyExists) {
						t.Errorf("%s: create: %v", name, err)
					}
					reboot(t, w)
				}
				// Another one, once the first has been dealt with.
				second := uid%5 + 1
				if _, ok := last.held[second]; ok {
					holds(t, w, last, only)
					if err := w.medium(t).Remove(key(slotOf(second))); err != nil {
						t.Fatal(err)
					}
					reboot(t, w)
					holds(t, w, last, func(u contract.UID) bool { return u == uid || u == second })
					if err := tampered(w, Asset{-1, uint64(second)}); err != nil {
						t.Errorf("%s, and uid %d: %v", name, second, err)
					}
					if err := w.client(-1).Set(second, []byte(last.held[second]), 0); err != nil {
						t.Errorf("%s, and uid %d: %v", name, second, err)
					}
				}
				// The asset can be used again.
				if err := w.client(-1).Set(uid, []byte("anew"), 0); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if data, err := w.client(-1).ReadAll(uid); string(data) != "anew" {
					t.Errorf("%s: %q, %v", name, data, err)
				}
				if err := w.client(-1).Remove(uid); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				reboot(t, w)
				holds(t, w, last, only)
				if t.Failed() {
					t.FailNow()
				}
			}
		}
	}
	if tried < 60 {
		t.Errorf("only %d objects were put back", tried)
	}
}

// TestRemovedFirst removes an asset whose object has been put back, was taken away
// or is marked, instead of setting it.
func TestRemovedFirst(t *testing.T) {
	for _, restart := range []bool{false, true} {
		for _, taken := range []bool{false, true} {
			w := newWorld(t)
			c := w.client(-1)
			if err := c.Set(1, []byte("old"), 0); err != nil {
				t.Fatal(err)
			}
			old := w.stored(t, Asset{-1, 1})
			err := c.Set(1, []byte("new"), 0)
			if taken {
				err = errors.Join(err, w.objects().Remove(slotOf(1)))
			} else {
				err = errors.Join(err, w.objects().Set(slotOf(1), old, 0))
			}
			if err != nil {
				t.Fatal(err)
			}
			if restart {
				reboot(t, w)
			}
			if err := c.Remove(1); err != nil {
				t.Errorf("restart %v, taken %v: %v", restart, taken, err)
			}
			w.noticed = nil
			reboot(t, w)
			if _, err := c.Info(1); !errors.Is(err, veneer.ErrDoesNotExist) || len(w.noticed) > 0 {
				t.Errorf("restart %v, taken %v: %v, noticed %q", restart, taken, err, w.noticed)
			}
		}
	}
}

// TestTwoRecords puts two objects back: which they are cannot be told, so nothing
// that is protected is believed.
func TestTwoRecords(t *testing.T) {
	w := newWorld(t)
	versions := history(t, w, 60)
	last := &versions[len(versions)-1]
	tried := 0
	for i := range versions {
		for a := contract.UID(1); a <= 5; a++ {
			for b := a + 1; b <= 5; b++ {
				one, two := versions[i].objects[slotOf(a)], versions[(i*7)%len(versions)].objects[slotOf(b)]
				if one == nil || two == nil || bytes.Equal(one, last.objects[slotOf(a)]) || bytes.Equal(two, last.objects[slotOf(b)]) {
					continue
				}
				w.restore(last.saved)
				s := w.medium(t)
				if err := errors.Join(s.Set(key(slotOf(a)), one, 0), s.Set(key(slotOf(b)), two, 0)); err != nil {
					t.Fatal(err)
				}
				reboot(t, w)
				holds(t, w, last, protected)
				tried++
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d pairs", tried)
	}
}

// TestUnprotectedInPlace puts an object of when the asset was not protected in the
// place of one that is.
func TestUnprotectedInPlace(t *testing.T) {
	for _, restart := range []bool{false, true} {
		for _, flags := range []contract.Flags{4, 0} {
			w := newWorld(t)
			c := w.client(-1)
			if err := errors.Join(c.Set(1, []byte("old"), 4-flags), c.Set(2, []byte("other"), 0)); err != nil {
				t.Fatal(err)
			}
			old := w.stored(t, Asset{-1, 1})
			if err := errors.Join(c.Set(1, []byte("new"), flags), w.objects().Set(slotOf(1), old, 0)); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := tampered(w, Asset{-1, 1}); err != nil {
					t.Errorf("flags %d: %v", flags, err)
				}
				if data, err := c.ReadAll(2); string(data) != "other" {
					t.Errorf("the other asset: %q, %v", data, err)
				}
				if restart {
					reboot(t, w)
				}
			}
		}
	}
}
