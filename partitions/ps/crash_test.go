package ps

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	contract "github.com/postern-spe/postern/veneer/ps"
)

func TestFillRemoveFill(t *testing.T) {
	w := newWorld(t)
	want := 0
	for round := range 3 {
		n := 0
		for ; w.client(-1).Set(contract.UID(100*round+n+1), make([]byte, 512), 0) == nil; n++ {
		}
		if round == 0 {
			want = n
		}
		if n == 0 || n != want {
			t.Fatalf("round %d took %d assets, the first %d", round, n, want)
		}
		if err := w.client(-1).Set(99999, make([]byte, 512), 0); !errors.Is(err, veneer.ErrInsufficientStorage) {
			t.Fatalf("full: %v", err)
		}
		for i := range n {
			if err := w.client(-1).Remove(contract.UID(100*round + i + 1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d assets of 512 bytes in %d pages", want, len(w.protected.mem)/norPage)
}

// TestRefusalsCostNothing asks a full store for more, again and again: nothing is
// written, and nothing counted, for what was refused and has no more room than
// then. A smaller asset still fits, and so does the same after one is removed.
func TestRefusalsCostNothing(t *testing.T) {
	w := newWorld(t)
	c, n := w.client(-1), contract.UID(0)
	for c.Set(n+1, make([]byte, 512), 0) == nil {
		n++
	}
	refused := func(uid contract.UID) {
		t.Helper()
		for _, err := range []error{
			c.Set(uid, make([]byte, 520), 0), c.Create(uid, 530, 0), c.Set(1, make([]byte, 2000), 0),
		} {
			if !errors.Is(err, veneer.ErrInsufficientStorage) {
				t.Fatal(err)
			}
		}
	}
	refused(1000) // once each
	before := w.save()
	for uid := range contract.UID(20) {
		refused(1001 + uid)
	}
	if after := w.save(); after.count != before.count || !bytes.Equal(after.mem, before.mem) {
		t.Errorf("sets that are refused: %d counts, medium changed: %t", after.count-before.count, !bytes.Equal(after.mem, before.mem))
	}
	if err := errors.Join(c.Set(1, nil, 0), c.Remove(2), c.Set(1000, make([]byte, 512), 0)); err != nil {
		t.Error(err)
	}
}

// TestPowerCuts cuts power at every word and erase of a run of sets and
// removals: the asset is the old one or the new one.
func TestPowerCuts(t *testing.T) {
	w := newWorld(t)
	cuts := 0
	held := map[contract.UID]string{}
	for step := range 60 {
		uid, data := contract.UID(step%5+1), string(bytes.Repeat([]byte{byte(step)}, 37*step%700))
		do := func() error {
			if step%7 == 6 {
				return w.client(-1).Remove(uid)
			}
			return w.client(-1).Set(uid, []byte(data), 0)
		}
		before, stride := w.save(), 1+step%11
		if raceEnabled {
			stride *= 8 // one goroutine, and slow: nothing for the detector
		}
		for cut := 0; ; cut += stride {
			off, err := w.cutAt(t, before, cut, do)
			if err != nil && !off && !errors.Is(err, veneer.ErrDoesNotExist) {
				t.Fatalf("step %d: %v", step, err)
			}
			for id := contract.UID(1); id <= 5; id++ {
				got, err := w.client(-1).ReadAll(id)
				old, ok := held[id]
				same := ok == (err == nil) && old == string(got) && (ok || errors.Is(err, veneer.ErrDoesNotExist))
				done := id == uid && (step%7 == 6 && errors.Is(err, veneer.ErrDoesNotExist) || step%7 != 6 && err == nil && string(got) == data)
				if !same && !done {
					t.Fatalf("step %d, cut %d, uid %d: %d bytes, %v", step, cut, id, len(got), err)
				}
			}
			if !off {
				break
			}
			cuts++
		}
		if step%7 == 6 {
			delete(held, uid)
		} else {
			held[uid] = data
		}
	}
	t.Logf("%d cuts", cuts)
}

// TestPowerCutsOfRecovery cuts power at the words, erases and increments of a run
// of all kinds of changes, and again at those of the start that follows: what was
// answered is there, the rest wholly or not at all, and nobody is blamed for it.
func TestPowerCutsOfRecovery(t *testing.T) {
	w := newWorld(t)
	slot := func(a Asset) its.UID { return its.UID(a.UID%2+1) << 8 }
	start := func() {
		t.Helper()
		reboot(t, w)
		w.part.store.slot = slot
	}
	start()
	before, cuts := &version{held: map[contract.UID]string{}}, 0
	for step := range 30 {
		uid, data := contract.UID(step*5%6+1), fmt.Sprintf("step %d", step)
		after := &version{held: maps.Clone(before.held)}
		var do func(*contract.Client) error
		switch _, there := before.held[uid]; {
		case there && step%4 == 3:
			do = func(c *contract.Client) error { return c.Remove(uid) }
			delete(after.held, uid)
		case there && step%4 == 2:
			do = func(c *contract.Client) error { return c.SetExtended(uid, 0, []byte(data)) }
			after.held[uid] = data + before.held[uid][min(len(data), len(before.held[uid])):]
		default:
			do = func(c *contract.Client) error {
				return c.Set(uid, append([]byte(data), bytes.Repeat([]byte{7}, 500)...), contract.Flags(step%5&4))
			}
			after.held[uid] = data + strings.Repeat("\x07", 500)
		}
		stride := 1 + step%5
		if raceEnabled {
			stride *= 8 // one goroutine, and slow: nothing for the detector
		}
		saved := w.save()
		for cut := step % stride; ; cut += stride {
			w.restore(saved)
			start()
			w.protected.cut = cut
			err := do(w.client(-1))
			if err == nil {
				break
			} else if !w.protected.off {
				t.Fatalf("step %d: %v", step, err)
			}
			*w.protected.supply = supply{cut: -1}
			torn := w.save()
			for again := cut % (29 * stride); ; again += 29 * stride {
				w.restore(torn)
				w.noticed = nil
				w.protected.cut = again
				if err := w.boot(); err == nil {
					_, _ = w.client(-1).Info(1)
				}
				off := w.protected.off
				*w.protected.supply = supply{cut: -1}
				start()
				if len(w.noticed) > 0 {
					t.Fatalf("step %d, cut %d, again %d: %q", step, cut, again, w.noticed)
				}
				now := after
				if got, err := w.client(-1).ReadAll(uid); (err == nil) != (before.held[uid] == "") && string(got) == before.held[uid] {
					now = before
				}
				holds(t, w, now, none)
				if t.Failed() {
					t.Fatalf("step %d, cut %d, again %d", step, cut, again)
				}
				cuts++
				if !off {
					break
				}
			}
		}
		before = after
	}
	t.Logf("%d cuts", cuts)
}

// TestFailureWithoutRestart has the flash and the counter fail at every point, and
// work again while the device runs on.
func TestFailureWithoutRestart(t *testing.T) {
	for name, do := range map[string]func(*contract.Client) error{
		"set":       func(c *contract.Client) error { return c.Set(1, []byte("new"), 0) },
		"set, lax":  func(c *contract.Client) error { return c.Set(1, []byte("new"), 4) },
		"set first": func(c *contract.Client) error { return c.Set(3, []byte("new"), 0) },
		"remove":    func(c *contract.Client) error { return c.Remove(1) },
	} {
		stride := 1
		if raceEnabled {
			stride = 7 // one goroutine, and slow: nothing for the detector
		}
		for cut, done := 0, false; !done; cut += stride {
			w := newWorld(t)
			c := w.client(-1)
			if err := errors.Join(c.Set(1, []byte("old"), 0), c.Set(2, []byte("other"), 0)); err != nil {
				t.Fatal(err)
			}
			w.protected.cut = cut
			err := do(c)
			done = !w.protected.off
			if done != (err == nil) {
				t.Fatalf("%s, cut %d: %v", name, cut, err)
			}
			*w.protected.supply = supply{cut: -1}
			check := func() {
				t.Helper()
				for uid, want := range map[contract.UID]string{1: "old", 2: "other", 3: ""} {
					data, err := c.ReadAll(uid)
					if err != nil && !errors.Is(err, veneer.ErrDoesNotExist) || uid == 2 && string(data) != want || string(data) != want && string(data) != "new" && string(data) != "" {
						t.Errorf("%s, cut %d, uid %d: %q, %v", name, cut, uid, data, err)
					}
				}
			}
			check()
			if err := errors.Join(c.Set(4, nil, 0), c.Remove(4)); err != nil {
				t.Errorf("%s, cut %d: %v", name, cut, err)
			}
			reboot(t, w)
			check()
			if len(w.noticed) > 0 {
				t.Errorf("%s, cut %d: noticed %q", name, cut, w.noticed)
			}
		}
	}
}
