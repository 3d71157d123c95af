package spe_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/disk/disktest"
	"github.com/postern-spe/postern/veneer"
)

// area is what Internal Trusted Storage gets of a durable device.
type area interface {
	flashlog.Flash
	flashlog.Syncer
}

// observed is an area that shows after every step, and once in the middle of a
// longer one, what the host's kernel has of it, and what its disk has at least.
type observed struct {
	area
	rng          *rand.Rand
	kernel, disk []byte
	step         func()
}

func observe(t *testing.T, a area) *observed {
	o := &observed{area: a, rng: rand.New(rand.NewPCG(1, 2)), kernel: make([]byte, a.Size())}
	if err := a.Read(0, o.kernel); err != nil {
		t.Fatal(err)
	}
	o.disk = slices.Clone(o.kernel)
	return o
}

func (o *observed) Program(off int, p []byte) error {
	if half := o.rng.IntN(len(p)) &^ 3; half > 0 {
		if err := o.program(off, p[:half]); err != nil {
			return err
		}
		off, p = off+half, p[half:]
	}
	return o.program(off, p)
}

func (o *observed) program(off int, p []byte) error {
	if err := o.area.Program(off, p); err != nil {
		return err
	}
	return o.changed(off, len(p))
}

func (o *observed) Erase(off int) error {
	if err := o.area.Erase(off); err != nil {
		return err
	}
	return o.changed(off, o.PageSize())
}

func (o *observed) changed(off, n int) error {
	err := o.area.Read(off, o.kernel[off:off+n])
	o.step()
	return err
}

func (o *observed) Sync(from, to int) error {
	if err := o.area.Sync(from, to); err != nil {
		return err
	}
	copy(o.disk[from:to], o.kernel[from:to])
	o.step()
	return nil
}

// lost calls f with what the disk may have when the host loses its power now: of
// every sector that was changed since it was synced, the old or the new. Of more
// than five such sectors it takes some of the sets.
func (o *observed) lost(f func(image)) {
	const sector, all = 512, 5
	var dirty []int
	for at := 0; at < len(o.kernel); at += sector {
		if !bytes.Equal(o.kernel[at:at+sector], o.disk[at:at+sector]) {
			dirty = append(dirty, at)
		}
	}
	sets := uint64(1) << len(dirty)
	for i := range min(sets, 1<<all) {
		set := i
		if len(dirty) > all && i > 1 { // none, one of them, and then any
			set = o.rng.Uint64N(sets)
		}
		img := slices.Clone(o.disk)
		for i, at := range dirty {
			if set>>i&1 != 0 {
				copy(img[at:at+sector], o.kernel[at:])
			}
		}
		f(img)
	}
}

// image is flash in memory: what a disk has left.
type image []byte

func (m image) Size() int                    { return len(m) }
func (m image) PageSize() int                { return 4096 }
func (m image) Read(off int, p []byte) error { copy(p, m[off:]); return nil }
func (m image) Erase(off int) error {
	copy(m[off:], bytes.Repeat([]byte{0xFF}, m.PageSize()))
	return nil
}
func (m image) Program(off int, p []byte) error {
	for i, b := range p {
		m[off+i] &= b
	}
	return nil
}

// holds compares what a store in m has with what was acknowledged, but for the
// asset under change, which may be as it is in next.
func (m image) holds(acknowledged, next map[flashlog.Key]string, changing flashlog.Key) error {
	s, err := flashlog.Open(m)
	if err != nil {
		return err
	}
	got := make(map[flashlog.Key]string)
	err = s.Walk(func(k flashlog.Key, i flashlog.Info) { got[k] = string(make([]byte, i.Size)) })
	if err != nil {
		return err
	}
	for k, v := range got {
		data := []byte(v)
		if _, err := s.Read(k, 0, data); err != nil {
			return fmt.Errorf("%v: %w", k, err)
		}
		got[k] = string(data)
	}
	if !maps.Equal(got, acknowledged) && !maps.Equal(got, next) {
		return fmt.Errorf("neither what was acknowledged nor, for %v, what was under way", changing)
	}
	return s.Set(changing, []byte("and on"), 0)
}

// TestDurableAreas runs the store of Internal Trusted Storage on the area that a
// durable device gives it, and takes the power from the host after every step.
func TestDurableAreas(t *testing.T) {
	for _, name := range []string{"nrf5340", "nrf54l15"} {
		t.Run(name, func(t *testing.T) {
			p, err := platform.Provision(filepath.Join(disktest.Dir(t), "device"), platform.ProvisionOptions{Board: name})
			if err != nil {
				t.Fatal(err)
			}
			soc, err := platform.Open(p.Dir, platform.OpenOptions{Durable: true})
			if err != nil {
				t.Fatal(err)
			}
			defer soc.Close()
			flash, err := soc.Area(board.ITS)
			if err != nil {
				t.Fatal(err)
			}
			durableArea(t, observe(t, flash.(area)))
		})
	}
}

func durableArea(t *testing.T, o *observed) {
	var changing flashlog.Key
	acknowledged, next := map[flashlog.Key]string{}, map[flashlog.Key]string{}
	images, seen, seed := 0, map[uint64]bool{}, maphash.MakeSeed()
	check := func() {
		o.lost(func(img image) {
			// The same image, with nothing acknowledged in between, is no news.
			if h := maphash.Bytes(seed, img); !seen[h] {
				seen[h] = true
				images++
				if err := img.holds(acknowledged, next, changing); err != nil {
					t.Fatalf("image %d: %v", images, err)
				}
			}
		})
	}
	o.step = check
	s, err := flashlog.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	const steps = 40
	for i := range steps {
		changing = flashlog.Key{Owner: int32(-1 - i%2), UID: uint64(1 + o.rng.IntN(4))}
		next = maps.Clone(acknowledged)
		if _, there := acknowledged[changing]; there && i%7 == 0 {
			delete(next, changing)
			err = s.Remove(changing)
		} else {
			data := fmt.Sprintf("%d%s", i, bytes.Repeat([]byte{byte(i)}, []int{0, 30, 500, 1300}[o.rng.IntN(4)]))
			next[changing] = data
			err = s.Set(changing, []byte(data), 0)
		}
		if errors.Is(err, veneer.ErrInsufficientStorage) {
			continue
		}
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		acknowledged = next
		clear(seen)
		check()
	}
	t.Logf("%d images", images)
	if images < 5000 {
		t.Error("too few")
	}
}
