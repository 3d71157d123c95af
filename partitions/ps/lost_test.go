package ps

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	contract "github.com/postern-spe/postern/veneer/ps"
)

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

// TestCutsOfMarking cuts the power while the mark of a lost object is written, and
// again: no other asset is refused.
func TestCutsOfMarking(t *testing.T) {
	w := newWorld(t)
	versions := history(t, w, 30)
	last := &versions[len(versions)-1]
	const uid = 2
	only := func(u contract.UID) bool { return u == uid }
	if err := w.medium(t).Set(key(slotOf(uid)), versions[len(versions)/2].objects[slotOf(uid)], 0); err != nil {
		t.Fatal(err)
	}
	start := w.save()
	stride := 1
	if raceEnabled {
		stride = 11 // one goroutine, and slow: nothing for the detector
	}
	for cut := 0; ; cut += stride {
		w.restore(start)
		reboot(t, w)
		w.protected.cut = cut
		_, _ = w.client(-1).Info(1)
		if !w.protected.off {
			if cut < 80 {
				t.Errorf("only %d cuts", cut)
			}
			break
		}
		*w.protected.supply = supply{cut: -1}
		torn := w.save()
		for again := cut % 7; again < 200; again += 23 {
			w.restore(torn)
			reboot(t, w)
			w.protected.cut = again
			_, _ = w.client(-1).Info(1)
			*w.protected.supply = supply{cut: -1}
			reboot(t, w)
			holds(t, w, last, only)
			if err := tampered(w, Asset{-1, uid}); err != nil {
				t.Error(err)
			}
			if t.Failed() {
				t.Fatalf("cut %d, again %d", cut, again)
			}
		}
	}
}

// TestInterruptedAndPutBack cuts the power in a change, and puts an older object in
// its place, or in another's.
func TestInterruptedAndPutBack(t *testing.T) {
	w := newWorld(t)
	versions := history(t, w, 30)
	last := &versions[len(versions)-1]
	for _, victim := range []contract.UID{1, 2} {
		object := versions[len(versions)/2].objects[slotOf(victim)]
		if object == nil || bytes.Equal(object, last.objects[slotOf(victim)]) {
			t.Fatal("nothing to put back")
		}
		stride := 1
		if raceEnabled {
			stride = 11
		}
		for cut := 0; ; cut += stride {
			w.restore(last.saved)
			reboot(t, w)
			w.protected.cut = cut
			err := w.client(-1).Set(1, []byte("in flight"), 0)
			off := w.protected.off
			*w.protected.supply = supply{cut: -1}
			if !off {
				if err != nil || cut < 100 {
					t.Errorf("only %d cuts, %v", cut, err)
				}
				break
			}
			if err := w.medium(t).Set(key(slotOf(victim)), object, 0); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				reboot(t, w)
				now := &version{held: maps.Clone(last.held)}
				if data, _ := w.client(-1).ReadAll(1); string(data) == "in flight" {
					now.held[1] = "in flight"
				}
				holds(t, w, now, func(u contract.UID) bool { return u == victim })
				if err := tampered(w, Asset{-1, uint64(victim)}); err != nil {
					t.Error(err)
				}
			}
			if t.Failed() {
				t.Fatalf("uid %d, cut %d", victim, cut)
			}
		}
	}
}
