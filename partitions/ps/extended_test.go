package ps

import (
	"bytes"
	"errors"
	"testing"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/ps"
)

// TestSetExtended follows one asset through its life.
func TestSetExtended(t *testing.T) {
	for name, flags := range map[string]contract.Flags{"encrypted": 4, "in the clear": 2} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.client(-1)
			want, size := make([]byte, 100), 0
			check := func(capacity int) {
				t.Helper()
				info, err := c.Info(1)
				if err != nil || info != (contract.Info{Capacity: uint32(capacity), Size: uint32(size), Flags: flags}) {
					t.Errorf("info %+v, %v", info, err)
				}
				if data, err := c.ReadAll(1); err != nil || !bytes.Equal(data, want[:size]) {
					t.Errorf("contents %q, %v; want %q", data, err, want[:size])
				}
			}
			if err := c.Create(1, 100, flags); err != nil {
				t.Fatal(err)
			}
			check(100)
			for _, part := range []struct {
				offset int
				data   string
			}{{0, "one"}, {3, "two three"}, {1, "NE"}, {12, ""}, {0, ""}, {10, "grows again"}, {0, string(bytes.Repeat([]byte{'x'}, 100))}, {99, "y"}} {
				if err := c.SetExtended(1, uint32(part.offset), []byte(part.data)); err != nil {
					t.Fatalf("%d bytes at %d: %v", len(part.data), part.offset, err)
				}
				size = max(size, part.offset+copy(want[part.offset:], part.data))
				check(100)
				if err := w.boot(); err != nil {
					t.Fatal(err)
				}
				check(100)
			}
			// A set makes an ordinary asset of it (API 1.0.4, psa_ps_set).
			if err := c.Set(1, []byte("short"), flags); err != nil {
				t.Fatal(err)
			}
			size = copy(want, "short")
			check(5)
			if err := c.SetExtended(1, 5, []byte("x")); !errors.Is(err, veneer.ErrInvalidArgument) {
				t.Errorf("past the new capacity: %v", err)
			}
		})
	}
}

// TestCreateTooMuch reserves more than any asset can have: there is no room for it,
// whether or not the uid is free (PSA architecture tests, test 416).
func TestCreateTooMuch(t *testing.T) {
	w := newWorld(t)
	c := w.client(-1)
	if err := c.Set(1, []byte("set"), 0); err != nil {
		t.Fatal(err)
	}
	for uid := contract.UID(1); uid <= 2; uid++ {
		for _, capacity := range []uint32{maxCapacity + 1, 1<<32 - 1} {
			if err := c.Create(uid, capacity, 0); !errors.Is(err, veneer.ErrInsufficientStorage) {
				t.Errorf("uid %d, %d bytes: %v", uid, capacity, err)
			}
		}
	}
	if data, err := c.ReadAll(1); err != nil || string(data) != "set" {
		t.Errorf("contents %q, %v", data, err)
	}
}

// TestRoomIsKept fills the medium around created assets: they can be written, all
// over, as long as they are there.
func TestRoomIsKept(t *testing.T) {
	for _, pages := range []int{4, 9} {
		w := newWorldOf(t, pages)
		c := w.client(-1)
		created := map[contract.UID]int{1: 900, 2: 0, 3: 2000}
		for uid, capacity := range created {
			if err := c.Create(uid, uint32(capacity), 0); err != nil {
				t.Fatal(err)
			}
		}
		fill := func() (n int) {
			for _, size := range []int{1500, 300, 40, 0} {
				for uid := contract.UID(1000 * (size + 1)); ; uid++ {
					err := w.client(-2).Set(uid, make([]byte, size), 0)
					if errors.Is(err, veneer.ErrInsufficientStorage) {
						break
					} else if err != nil {
						t.Fatal(err)
					}
					n++
				}
			}
			return n
		}
		n := fill()
		for round := range 3 {
			for uid, capacity := range created {
				data := bytes.Repeat([]byte{byte(round)}, capacity)
				for _, at := range []int{0, capacity / 3} {
					if err := c.SetExtended(uid, uint32(at), data[at:]); err != nil {
						t.Fatalf("%d pages, %d assets around, %d bytes at %d: %v", pages, n, capacity, at, err)
					}
				}
				if got, err := c.ReadAll(uid); err != nil || !bytes.Equal(got, data) {
					t.Fatalf("uid %d: %d bytes, %v", uid, len(got), err)
				}
			}
			if err := w.boot(); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Create(4, 10, 0); !errors.Is(err, veneer.ErrInsufficientStorage) {
			t.Errorf("create in a full medium: %v", err)
		}
		// Nobody needs the room any more.
		if err := errors.Join(c.Remove(1), c.Set(3, nil, 0), c.Remove(2)); err != nil {
			t.Fatal(err)
		}
		if fill() == 0 {
			t.Error("the room that was kept is not given back")
		}
	}
}

// TestRoomIsKeptOverCuts cuts power while an asset is written in a full medium: it
// can be written again.
func TestRoomIsKeptOverCuts(t *testing.T) {
	w := newWorld(t)
	if err := w.client(-1).Create(1, 2000, 0); err != nil {
		t.Fatal(err)
	}
	for n := range contract.UID(400) {
		if err := w.client(-2).Set(n+1, make([]byte, 1024>>(n/8)), 0); err != nil && !errors.Is(err, veneer.ErrInsufficientStorage) {
			t.Fatal(err)
		}
	}
	data := bytes.Repeat([]byte{7}, 2000)
	full, stride, cuts := w.save(), 5, 0
	if raceEnabled {
		stride *= 8
	}
	for cut := 0; ; cut += stride {
		w.restore(full)
		if err := w.boot(); err != nil {
			t.Fatal(err)
		}
		w.protected.cut = cut
		err := w.client(-1).SetExtended(1, 0, data)
		off := w.protected.off
		w.protected.cut, w.protected.off = -1, false
		if !off && err != nil {
			t.Fatal(err)
		}
		if err := w.boot(); err != nil {
			t.Fatalf("cut %d: %v", cut, err)
		}
		for range 2 {
			if err := w.client(-1).SetExtended(1, 0, data); err != nil {
				t.Fatalf("after cut %d: %v", cut, err)
			}
		}
		if !off {
			break
		}
		cuts++
	}
	t.Logf("%d cuts", cuts)
}

// TestExtendedPowerCuts cuts power at words and erases of a run of creates and
// extensions: the asset is the old one or the new one.
func TestExtendedPowerCuts(t *testing.T) {
	w := newWorld(t)
	const capacity = 600
	var held []byte // nil: there is none
	cuts := 0
	for step := range 40 {
		want := bytes.Clone(held)
		var do func() error
		switch at := 53 * step % (len(held) + 1); {
		case held == nil:
			want = []byte{}
			do = func() error { return w.client(-1).Create(1, capacity, contract.Flags(step%2)<<1) }
		case step%13 == 12:
			want = nil
			do = func() error { return w.client(-1).Remove(1) }
		default:
			part := bytes.Repeat([]byte{byte(step + 1)}, min(97, capacity-at))
			want = append(want[:at], append(part, want[min(len(want), at+len(part)):]...)...)
			do = func() error { return w.client(-1).SetExtended(1, uint32(at), part) }
		}
		before, stride := w.save(), 1+step%7
		if raceEnabled {
			stride *= 8
		}
		for cut := 0; ; cut += stride {
			off, err := w.cutAt(t, before, cut, do)
			if err != nil && !off {
				t.Fatalf("step %d: %v", step, err)
			}
			got, err := w.client(-1).ReadAll(1)
			none := errors.Is(err, veneer.ErrDoesNotExist)
			is := func(want []byte) bool {
				return none && want == nil || err == nil && want != nil && bytes.Equal(got, want)
			}
			if !is(held) && !is(want) || !off && !is(want) {
				t.Fatalf("step %d, cut %d: %d bytes, %v", step, cut, len(got), err)
			}
			if info, err := w.client(-1).Info(1); err == nil && info.Capacity != capacity {
				t.Fatalf("step %d, cut %d: capacity %d", step, cut, info.Capacity)
			}
			if !off {
				break
			}
			cuts++
		}
		held = want
	}
	t.Logf("%d cuts", cuts)
}

// TestLargest fills what one call carries, in both ways.
func TestLargest(t *testing.T) {
	w := newWorldOf(t, 1200)
	for _, flags := range []contract.Flags{0, 2} {
		data := bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7}, maxCapacity/7+1)[:maxCapacity]
		if err := w.client(-1).Set(1, data, flags); err != nil {
			t.Fatalf("flags %d: %v", flags, err)
		}
		if got, err := w.client(-1).ReadAll(1); err != nil || !bytes.Equal(got, data) {
			t.Errorf("flags %d: read %d bytes, %v", flags, len(got), err)
		}
		if err := w.client(-1).Set(1, append(data, 0), flags); !errors.Is(err, veneer.ErrInsufficientStorage) {
			t.Errorf("one byte more: %v", err)
		}
		if err := w.client(-1).Create(2, maxCapacity+1, flags); !errors.Is(err, veneer.ErrInsufficientStorage) {
			t.Errorf("create one byte more: %v", err)
		}
	}
}
