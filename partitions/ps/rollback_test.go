package ps

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	contract "github.com/postern-spe/postern/veneer/ps"
	"github.com/postern-spe/postern/veneer/psa"
)

// version is a state of a history: the device, and what its assets are.
type version struct {
	saved
	held    map[contract.UID]string
	objects map[its.UID][]byte
}

// lax is the asset of a history that is not protected against being put back.
const lax contract.UID = 6

// history makes a run of changes to six assets and returns all states, the first
// being the empty store.
func history(t testing.TB, w *world, steps int) []version {
	t.Helper()
	held := map[contract.UID]string{}
	take := func() version {
		v := version{w.save(), map[contract.UID]string{}, map[its.UID][]byte{}}
		for uid, data := range held {
			v.held[uid] = data
		}
		err := w.objects().List(func(e *its.Entry) error { v.objects[e.UID] = nil; return nil })
		if err != nil {
			t.Fatal(err)
		}
		for at := range v.objects {
			v.objects[at] = w.storedAt(t, at)
		}
		return v
	}
	versions := []version{take()}
	for step := range steps {
		uid := contract.UID((step+step/6)%6 + 1)
		flags := contract.Flags(step % 3 & 2)
		if uid == lax {
			flags |= 4
		}
		data := fmt.Sprintf("uid %d, step %d", uid, step)
		c, err := w.client(-1), error(nil)
		switch _, there := held[uid]; {
		case there && step%7 == 3:
			err = c.Remove(uid)
			delete(held, uid)
		case there && step%5 == 4:
			err = c.SetExtended(uid, 0, []byte("UID"))
			held[uid] = "UID" + held[uid][3:]
		default:
			err = c.Set(uid, []byte(data), flags)
			held[uid] = data
		}
		if err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		versions = append(versions, take())
	}
	return versions
}

// holds checks that the store is a state, but for the assets of which refused is
// true: these answer that something is wrong, or that there is nothing.
func holds(t testing.TB, w *world, v *version, refused func(contract.UID) bool) {
	t.Helper()
	for uid := contract.UID(1); uid <= 6; uid++ {
		got, err := w.client(-1).ReadAll(uid)
		want, ok := v.held[uid]
		switch {
		case refused(uid):
			if err == nil {
				t.Errorf("uid %d: read %q", uid, got)
			}
		case ok && (err != nil || string(got) != want), !ok && !errors.Is(err, veneer.ErrDoesNotExist):
			t.Errorf("uid %d: %q, %v; want %q, %v", uid, got, err, want, ok)
		}
	}
}

func none(contract.UID) bool        { return false }
func protected(u contract.UID) bool { return u != lax }

func reboot(t testing.TB, w *world) {
	t.Helper()
	if err := w.boot(); err != nil {
		t.Fatal(err)
	}
}

// TestRollBackOfMedium puts every earlier medium back under the device of a later
// counter: no protected asset is believed any more, at no later start, until it is
// set anew. Until then nothing is written, and the right medium can come back.
func TestRollBackOfMedium(t *testing.T) {
	w := newWorld(t)
	versions := history(t, w, 60)
	last := &versions[len(versions)-1]
	for i := range versions[:len(versions)-1] {
		if versions[i].count == last.count {
			continue // only what is not protected has changed since
		}
		old := &versions[i]
		w.restore(last.saved)
		w.rollBack(old.saved)
		for n := range 3 {
			w.noticed = nil
			reboot(t, w)
			if len(w.noticed) != 1 || !strings.Contains(w.noticed[0], "rolled back") {
				t.Errorf("state %d: start %d noticed %q", i, n, w.noticed)
			}
			holds(t, w, old, protected)
			for uid := range old.held {
				if protected(uid) {
					if err := tampered(w, Asset{-1, uint64(uid)}); err != nil {
						t.Errorf("state %d, uid %d: %v", i, uid, err)
					}
				}
			}
		}
		if now := w.save(); !bytes.Equal(now.mem, old.mem) || now.count != last.count {
			t.Errorf("state %d: reading has changed the medium", i)
		}
		w.rollBack(last.saved)
		w.noticed = nil
		reboot(t, w)
		if holds(t, w, last, none); len(w.noticed) != 0 {
			t.Errorf("state %d: the right medium came back: %q", i, w.noticed)
		}
		w.rollBack(old.saved)
		reboot(t, w)
		if err := errors.Join(w.client(-1).Set(1, []byte("anew"), 0), w.client(-2).Set(1, []byte("other"), 0)); err != nil {
			t.Errorf("state %d: %v", i, err)
		}
		now := &version{held: map[contract.UID]string{1: "anew"}}
		if data, ok := old.held[lax]; ok {
			now.held[lax] = data
		}
		w.noticed = nil
		for range 2 {
			holds(t, w, now, func(uid contract.UID) bool { _, was := old.held[uid]; return was && uid != 1 && uid != lax })
			reboot(t, w)
		}
		if len(w.noticed) != 0 {
			t.Errorf("state %d, changed: noticed %q", i, w.noticed)
		}
		if _, ok := old.held[2]; ok {
			if err := w.client(-1).Remove(2); err != nil {
				t.Errorf("state %d: %v", i, err)
			}
		}
		if _, err := w.client(-1).Info(2); !errors.Is(err, veneer.ErrDoesNotExist) {
			t.Errorf("state %d, removed: %v", i, err)
		}
		// Not even after a second time, with what was set since.
		w.rollBack(old.saved)
		reboot(t, w)
		holds(t, w, old, protected)
	}
	w.restore(last.saved)
	w.noticed = nil
	reboot(t, w)
	holds(t, w, last, none)
	if len(w.noticed) != 0 {
		t.Errorf("nothing was put back: %q", w.noticed)
	}
}

// TestForkOfMedium starts from one state in two ways, of which the first is cut
// off before it is acknowledged, and puts that one back over the second. It must
// not undo what the second has answered, be it a change or what there is.
func TestForkOfMedium(t *testing.T) {
	for _, changed := range []bool{false, true} {
		forks, stride := 0, 1
		if raceEnabled {
			stride = 7 // one goroutine, and slow: nothing for the detector
		}
		for cut := 0; ; cut += stride {
			w := newWorld(t)
			c := w.client(-1)
			if err := errors.Join(c.Set(1, []byte("three tries"), 0), c.Set(2, []byte("other"), 0)); err != nil {
				t.Fatal(err)
			}
			start := w.save()
			w.protected.cut = cut
			err := c.Remove(2)
			if err == nil {
				if cut < 30 || forks == 0 {
					t.Errorf("%d cuts", cut)
				}
				break
			}
			*w.protected.supply = supply{cut: -1}
			fork := w.save()
			if fork.count == start.count {
				w.rollBack(start)
				forks++
			}
			reboot(t, w)
			if changed {
				if err := w.client(-1).Set(1, []byte("two tries"), 0); err != nil {
					t.Fatal(err)
				}
			} else if _, err := w.client(-1).Info(2); err != nil && fork.count == start.count {
				t.Fatal(err)
			}
			w.rollBack(fork)
			reboot(t, w)
			if data, err := w.client(-1).ReadAll(1); err == nil {
				t.Errorf("cut %d: %q", cut, data)
			}
		}
	}
}

// TestForkOfFailure is the same with a change that is refused, whose root stays
// behind until the next.
func TestForkOfFailure(t *testing.T) {
	w := newWorld(t)
	c := w.client(-1)
	if err := errors.Join(c.Set(1, []byte("three tries"), 0), c.Set(2, []byte("other"), 0)); err != nil {
		t.Fatal(err)
	}
	// Too large, and not protected: as if uid 2 were removed, were it there.
	if err := c.Set(2, make([]byte, 20000), 4); !errors.Is(err, veneer.ErrInsufficientStorage) {
		t.Fatal(err)
	}
	if err := w.objects().Remove(w.at(Asset{-1, 2})); err != nil {
		t.Fatal(err)
	}
	fork := w.save()
	if err := c.Set(1, []byte("two tries"), 0); err != nil {
		t.Fatal(err)
	}
	w.rollBack(fork)
	reboot(t, w)
	if data, err := w.client(-1).ReadAll(1); err == nil {
		t.Errorf("%q", data)
	}
}

// TestRootAlone does to the root what can be done to it.
func TestRootAlone(t *testing.T) {
	w := newWorld(t)
	versions := history(t, w, 40)
	last := &versions[len(versions)-1]
	good := last.objects[rootUID]
	check := func(name string, change func() error) {
		t.Helper()
		w.restore(last.saved)
		w.noticed = nil
		reboot(t, w)
		holds(t, w, last, none)
		if err := change(); err != nil {
			t.Fatal(err)
		}
		holds(t, w, last, none) // what runs knows better
		reboot(t, w)
		if len(w.noticed) != 1 {
			t.Errorf("%s: noticed %q", name, w.noticed)
		}
		holds(t, w, last, protected)
		if data, err := w.client(-1).ReadAll(lax); err != nil || string(data) != last.held[lax] {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	put := func(b []byte) func() error {
		return func() error { return w.objects().Set(rootUID, b, 0) }
	}
	check("removed", func() error { return w.objects().Remove(rootUID) })
	check("empty", put(nil))
	for i := range versions[:len(versions)-1] {
		check(fmt.Sprint("that of state ", i), put(versions[i].objects[rootUID]))
	}
	stride := 1
	if raceEnabled {
		stride = 13 // one goroutine, and slow: nothing for the detector
	}
	for bit := 0; bit < 8*len(good); bit += stride {
		b := bytes.Clone(good)
		b[bit/8] ^= 1 << (bit % 8)
		check(fmt.Sprint("bit ", bit), put(b))
	}
}

// TestRootIsNoAsset checks that who has a call to the service has no way
// to the root's place.
func TestRootIsNoAsset(t *testing.T) {
	for owner := range int32(2000) {
		if at := slotHash(Asset{-owner, 1}); at < slots {
			t.Fatalf("owner %d: %d", -owner, at)
		}
	}
}

// TestFlippedFlags says in the headers of write-once assets that they are not, in
// so many that what the flag alone would add to the sums is nothing: a start, which
// only looks at headers, does not take that for what was stored last, or the assets
// could be changed.
func TestFlippedFlags(t *testing.T) {
	w := newWorld(t)
	slot := func(a Asset) its.UID { return its.UID(a.UID) * slots }
	w.part.store.slot = slot
	uids := []contract.UID{4, 5, 6, 7} // an even number, of which the places add up to 0
	for _, uid := range uids {
		if err := w.client(-1).Set(uid, []byte("contents"), psa.StorageWriteOnce); err != nil {
			t.Fatal(err)
		}
	}
	for _, uid := range uids {
		at := slot(Asset{-1, uint64(uid)})
		b := w.storedAt(t, at)
		b[16] ^= byte(psa.StorageWriteOnce)
		if err := w.objects().Set(at, b, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.boot(); err != nil {
		t.Fatal(err)
	}
	if len(w.noticed) == 0 {
		t.Error("a start has not noticed that flags were flipped")
	}
}
