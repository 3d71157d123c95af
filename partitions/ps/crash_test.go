package ps

import (
	"bytes"
	"errors"
	"testing"

	"github.com/postern-spe/postern/veneer"
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
		before, stride := w.protected.clone(), 1+step%11
		if raceEnabled {
			stride *= 8 // one goroutine, and slow: nothing for the detector
		}
		for cut := 0; ; cut += stride {
			w.protected = before.clone()
			if err := w.boot(); err != nil {
				t.Fatal(err)
			}
			w.protected.cut = cut
			err := do()
			off := w.protected.off
			w.protected.cut, w.protected.off = -1, false
			if err != nil && !off && !errors.Is(err, veneer.ErrDoesNotExist) {
				t.Fatalf("step %d: %v", step, err)
			}
			if err := w.boot(); err != nil {
				t.Fatalf("step %d, cut %d: %v", step, cut, err)
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

func BenchmarkSet512(b *testing.B) {
	c, data := newWorld(b).client(-1), make([]byte, 512)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Set(1, data, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet512(b *testing.B) {
	c, buf := newWorld(b).client(-1), make([]byte, 512)
	if err := c.Set(1, buf, 0); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Get(1, 0, buf); err != nil {
			b.Fatal(err)
		}
	}
}
