package ps

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
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

// TestWriteOnceStays takes a write-once asset away: it is still known that it may
// not be set again.
func TestWriteOnceStays(t *testing.T) {
	w := newWorld(t)
	c := w.client(-1)
	if err := errors.Join(c.Set(1, []byte("once"), 1), c.Set(2, []byte("other"), 0)); err != nil {
		t.Fatal(err)
	}
	if err := w.objects().Remove(slotOf(1)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := tampered(w, Asset{-1, 1}); err != nil {
			t.Error(err)
		}
		if err := errors.Join(c.Set(1, nil, 0), c.Remove(1)); !errors.Is(err, veneer.ErrNotPermitted) || strings.Count(err.Error(), "-133") != 2 {
			t.Error(err)
		}
		if data, err := c.ReadAll(2); string(data) != "other" {
			t.Errorf("the other asset: %q, %v", data, err)
		}
		reboot(t, w)
	}
}

// TestMarkWithoutRoom fills the medium in the place of an object that is taken
// away: there is no room for the mark, and the asset is refused all the same.
func TestMarkWithoutRoom(t *testing.T) {
	w := newWorld(t)
	c := w.client(-1)
	if err := errors.Join(c.Set(1, []byte("some"), 0), c.Set(2, []byte("other"), 0)); err != nil {
		t.Fatal(err)
	}
	if err := w.objects().Remove(slotOf(1)); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{500, 60, 0} {
		for at := its.UID(10 + size); w.objects().Set(at, make([]byte, size), 0) == nil; at += 1000 {
		}
	}
	reboot(t, w)
	for range 3 {
		if err := tampered(w, Asset{-1, 1}); err != nil {
			t.Error(err)
		}
		if data, err := c.ReadAll(2); string(data) != "other" {
			t.Errorf("the other asset: %q, %v", data, err)
		}
		w.noticed = nil
		reboot(t, w)
		if len(w.noticed) != 1 {
			t.Errorf("noticed %q", w.noticed)
		}
	}
	if err := c.Set(2, []byte("OTHER"), 0); err != nil {
		t.Error(err)
	}
	if err := c.Remove(1); err != nil {
		t.Error(err)
	}
	w.noticed = nil
	reboot(t, w)
	if _, err := c.Info(1); !errors.Is(err, veneer.ErrDoesNotExist) || len(w.noticed) > 0 {
		t.Errorf("%v, noticed %q", err, w.noticed)
	}
}

// TestLostInChain loses objects of assets with the same hash. Whose they were is
// not known, so what is not found is refused, and what is found is right.
func TestLostInChain(t *testing.T) {
	w := newWorld(t)
	start := func() {
		reboot(t, w)
		w.part.store.slot = func(Asset) its.UID { return 0x1200 }
	}
	start()
	c := w.client(-1)
	for uid := range contract.UID(4) {
		if err := c.Set(uid+1, []byte{byte(uid)}, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.objects().Remove(0x1201); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, uid := range []contract.UID{1, 3, 4} {
			if data, err := c.ReadAll(uid); err != nil || data[0] != byte(uid-1) {
				t.Errorf("uid %d: %q, %v", uid, data, err)
			}
		}
		for _, uid := range []uint64{2, 5} {
			if err := tampered(w, Asset{-1, uid}); err != nil {
				t.Errorf("uid %d: %v", uid, err)
			}
		}
		start()
	}
	if err := c.Set(2, []byte("anew"), 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if data, err := c.ReadAll(2); string(data) != "anew" {
			t.Errorf("%q, %v", data, err)
		}
		if _, err := c.Info(5); !errors.Is(err, veneer.ErrDoesNotExist) {
			t.Error(err)
		}
		start()
	}
	if err := errors.Join(c.Remove(2), c.Remove(1), c.Remove(4), c.Remove(3)); err != nil {
		t.Fatal(err)
	}
	// A hole that comes back is not in the way.
	for uid := range contract.UID(4) {
		if _, err := c.Info(uid + 1); !errors.Is(err, veneer.ErrDoesNotExist) {
			t.Error(err)
		}
	}
}

// TestCounterAtItsEnd: what is there can be read, what is not protected changed.
func TestCounterAtItsEnd(t *testing.T) {
	for left := range uint32(5) {
		w := newWorld(t)
		w.counter.count = math.MaxUint32 - 4 - left
		reboot(t, w) // a new epoch
		c, changes := w.client(-1), 0
		if err := errors.Join(c.Set(1, []byte("0"), 0), c.Set(2, nil, 4)); err != nil {
			t.Fatal(err)
		}
		err := error(nil)
		for ; err == nil; changes++ {
			err = c.Set(1, []byte(fmt.Sprint(changes+1)), 0)
		}
		if !errors.Is(err, veneer.ErrInsufficientStorage) || w.counter.count != math.MaxUint32 {
			t.Errorf("%v, counter %#x", err, w.counter.count)
		}
		for range 3 {
			if data, err := c.ReadAll(1); string(data) != fmt.Sprint(changes-1) {
				t.Errorf("%q, %v", data, err)
			}
			if err := errors.Join(c.Set(1, nil, 0), c.Remove(1), c.Set(3, nil, 0), c.Create(3, 5, 0)); strings.Count(fmt.Sprint(err), "-142") != 4 {
				t.Error(err)
			}
			if err := errors.Join(c.Set(2, []byte("x"), 4), c.Set(4, nil, 4), c.Remove(4)); err != nil {
				t.Error(err)
			}
			reboot(t, w)
		}
	}
}
