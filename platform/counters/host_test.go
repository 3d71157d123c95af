package counters

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/postern-spe/postern/platform/cells"
)

const (
	hostPage   = 1024 // two sectors: banks of 64 records
	hostSector = 512
)

var errHost = errors.New("the host has no power")

// host is flash in a file: what the kernel has of it, and what the disk has. Its
// power fails after some number of steps, each a program, an erase or a sync.
type host struct {
	*cells.Flash
	disk  []byte
	steps int
}

func newHost(image []byte) *host {
	h := &host{cells.NewFlash(cells.Memory(len(image)), cells.Options{Page: hostPage}), slices.Clone(image), -1}
	if err := h.Flash.Program(0, image); err != nil {
		panic(err)
	}
	return h
}

func (h *host) step(do func() error) error {
	if h.steps == 0 {
		return errHost
	}
	h.steps--
	return do()
}

func (h *host) Program(off int, p []byte) error {
	return h.step(func() error { return h.Flash.Program(off, p) })
}
func (h *host) Erase(off int) error { return h.step(func() error { return h.Flash.Erase(off) }) }
func (h *host) Sync(from, to int) error {
	return h.step(func() error { copy(h.disk[from:to], h.image()[from:to]); return nil })
}

func (h *host) image() []byte {
	p := make([]byte, h.Size())
	if err := h.Read(0, p); err != nil {
		panic(err)
	}
	return p
}

// lost calls f with each of the images that the disk may have: of every sector
// that has changed since it was synced, the old or the new.
func (h *host) lost(f func(image []byte)) (images int) {
	now := h.image()
	var dirty []int
	for at := 0; at < len(now); at += hostSector {
		if !bytes.Equal(now[at:at+hostSector], h.disk[at:at+hostSector]) {
			dirty = append(dirty, at)
		}
	}
	for subset := range 1 << len(dirty) {
		image := slices.Clone(h.disk)
		for i, at := range dirty {
			if subset>>i&1 != 0 {
				copy(image[at:at+hostSector], now[at:])
			}
		}
		f(image)
		images++
	}
	return images
}

// TestHostPowerCut takes the power from the host after every step of a history
// that moves from bank to bank, and of the recovery after it, with every set of
// unsynced sectors.
func TestHostPowerCut(t *testing.T) {
	const increments = 200
	blank := bytes.Repeat([]byte{cells.Erased}, 2*hostPage)
	images := 0
	for n := 0; ; n++ {
		h := newHost(blank)
		c := formatted(t, h)
		h.steps = n
		var want [Count]uint32
		i, err := 0, error(nil)
		for ; i < increments; i++ {
			if err = c.Increment(step(i)); err != nil {
				break
			}
			want[step(i)]++
		}
		if err == nil {
			break
		}
		if !errors.Is(err, errHost) {
			t.Fatal(err)
		}
		images += h.lost(func(image []byte) {
			for m := 0; ; m++ {
				again := newHost(image)
				again.steps = m
				c, err := Open(again)
				if err != nil {
					if !errors.Is(err, errHost) {
						t.Fatalf("after %d steps: %v", n, err)
					}
					images += again.lost(func(image []byte) { check(t, values(t, open(t, newHost(image))), want, step(i)) })
					continue
				}
				again.steps = -1
				next := want
				if check(t, values(t, c), want, step(i)) {
					next[step(i)]++
				}
				// What has been read stays, and there is a way on.
				if err := c.Increment(NS2); err != nil {
					t.Fatalf("after %d steps: counting on: %v", n, err)
				}
				next[NS2]++
				images += again.lost(func(image []byte) {
					if got := values(t, open(t, newHost(image))); got != next {
						t.Fatalf("after %d steps: %v, acknowledged %v", n, got, next)
					}
				})
				return
			}
		})
	}
	t.Logf("%d images", images)
	if images < 500 {
		t.Error("too few")
	}
}
