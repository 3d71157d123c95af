package spe_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spetest/oracle"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/ps"
	"github.com/postern-spe/postern/veneer/psa"
)

// history is a life of a device, and what its clients have been told.
type history struct {
	*machine
	m      map[oracle.Place]oracle.Held
	copies int
	tally  *tally
}

// tally counts what the histories of a test have met.
type tally struct{ operations, resets, cuts, cutsInBoot int }

// TestHistories leads devices through random lives, of several clients with
// assets and keys, with resets, copies of the running device, and power cuts at
// any flash word of any operation and of the boot after it. What was
// acknowledged is there; what the cut has interrupted is wholly done or not at
// all. (make soak: thousands of them.)
func TestHistories(t *testing.T) {
	names := slices.Sorted(maps.Keys(devices))
	templates := make(map[string]*machine)
	for _, name := range names {
		templates[name] = newMachine(t, devices[name])
	}
	var total tally
	dir := shortDir(t)
	rapid.Check(t, func(rt *rapid.T) {
		h := &history{m: make(map[oracle.Place]oracle.Held), tally: &total}
		h.machine = templates[rapid.SampledFrom(names).Draw(rt, "device")].clone(rt, filepath.Join(dir, "device"))
		defer func() { h.off() }()
		h.restart(rt)
		// A name for each time that an action is as likely as another.
		actions := make(map[string]func(*rapid.T))
		for i, do := range []func(*rapid.T){
			h.set, h.set, h.set, h.set, h.set, h.set, h.create, h.create, h.extend, h.extend, h.extend,
			h.remove, h.remove, h.remove, h.get, h.get, h.restart, h.abandon,
		} {
			actions[fmt.Sprint(i)] = do
		}
		rt.Repeat(actions)
		h.restart(rt)
	})
	t.Logf("%d operations, %d resets, %d power cuts in operations and %d in boots", total.operations, total.resets, total.cuts, total.cutsInBoot)
}

// place draws one, in a fifth of all cases with a uid that is none.
func (h *history) place(t *rapid.T) oracle.Place {
	p := at(
		rapid.SampledFrom([]oracle.Service{oracle.Internal, oracle.Internal, oracle.Protected, oracle.Protected, oracle.Keys}).Draw(t, "service"),
		rapid.SampledFrom(clientIDs).Draw(t, "client"),
		rapid.Uint64Range(0, 4).Draw(t, "uid"),
	)
	if p.Service == oracle.Keys {
		p.UID = max(p.UID, 1)
	}
	return p
}

func (h *history) contents(t *rapid.T) string {
	n := rapid.SampledFrom([]int{0, 1, 4, 31, 32, 100, 333, 700, 1500}).Draw(t, "bytes")
	if rapid.IntRange(0, 19).Draw(t, "too many") == 19 {
		n = oracle.MoreThanAnArea
	}
	return oracle.Contents(n, rapid.Byte().Draw(t, "contents"))
}

func (h *history) flags(t *rapid.T) psa.StorageFlags {
	return rapid.SampledFrom([]psa.StorageFlags{0, 0, 0, 0, 2, 4, 6, 0, 2, 0, 0, 1, 8, 1 << 31}).Draw(t, "flags")
}

func (h *history) set(t *rapid.T) {
	o := oracle.Op{Kind: oracle.Set, Place: h.place(t)}
	if o.Service == oracle.Keys {
		o.Data = oracle.Contents(rapid.SampledFrom([]int{16, 32}).Draw(t, "bytes of key"), rapid.Byte().Draw(t, "key"))
	} else {
		o.Data, o.Flags = h.contents(t), h.flags(t)
	}
	h.step(t, o)
}

func (h *history) create(t *rapid.T) {
	o := oracle.Op{Kind: oracle.Create, Place: h.place(t), Flags: h.flags(t)}
	o.Service = oracle.Protected
	o.Capacity = rapid.SampledFrom([]uint32{0, 10, 200, 900, 2000, oracle.MoreThanAnArea}).Draw(t, "capacity")
	h.step(t, o)
}

func (h *history) extend(t *rapid.T) {
	o := oracle.Op{Kind: oracle.Extend, Place: h.place(t), Data: h.contents(t)}
	o.Service = oracle.Protected
	o.Offset = rapid.Uint32Range(0, 1000).Draw(t, "offset")
	if old := h.m[o.Place]; old.There && rapid.IntRange(0, 3).Draw(t, "fits") > 0 {
		o.Offset = min(o.Offset, uint32(len(old.Data)))
		o.Data = o.Data[:min(len(o.Data), old.Capacity-int(o.Offset))]
	}
	h.step(t, o)
}

func (h *history) remove(t *rapid.T) { h.step(t, oracle.Op{Kind: oracle.Remove, Place: h.place(t)}) }

// step carries an operation out, and holds the answer against the oracle's.
func (h *history) step(t *rapid.T, o oracle.Op) {
	old := h.m[o.Place]
	want, next, full := o.Expect(old)
	got := o.Do(h.clients[o.Client])
	h.tally.operations++
	switch {
	case h.world.PowerLost():
		h.tally.cuts++
		if got != veneer.Success || want != veneer.Success {
			h.recover(t, o, old, next)
			return
		}
		h.m[o.Place] = next
		h.restart(t)
	case got == want:
		h.m[o.Place] = next
	case full && got == veneer.ErrInsufficientStorage:
	default:
		t.Fatalf("%v on %v: %v; want %v", o, old, got, want)
	}
}

// recover boots after a cut in an operation that was not acknowledged, and finds
// out what has become of it.
func (h *history) recover(t *rapid.T, o oracle.Op, old, next oracle.Held) {
	h.start(t)
	got, err := oracle.Held{}, error(nil)
	if o.UID != 0 {
		got, err = h.read(t, o.Place)
	}
	now, ok := o.Interrupted(old, got)
	if err != nil || !ok {
		t.Fatalf("%v, which a cut has interrupted: %v is there, %v; before %v, after %v", o, got, err, old, next)
	}
	h.m[o.Place] = now
	h.check(t)
}

// start turns the power off, and boots until that succeeds: the power may fail
// in the boot as well.
func (h *history) start(t *rapid.T) {
	h.off()
	h.tally.resets++
	for try := 0; ; try++ {
		o := spe.Options{
			Reset: rapid.SampledFrom([]platform.ResetReason{platform.PowerOn, platform.Software, platform.Watchdog, platform.Debug}).Draw(t, "reset by"),
		}
		if try < 3 {
			most := rapid.SampledFrom([]uint64{0, 4, 4, 300, 300, 3000}).Draw(t, "points at most")
			o.PowerFailAt, o.PowerFailSeed = rapid.Uint64Range(0, most).Draw(t, "power fails at"), rapid.Uint64().Draw(t, "torn as")
		}
		err := h.boot(o)
		if err == nil && !h.world.PowerLost() {
			return
		}
		// A boot that fails for another reason fails the last time as well.
		if o.PowerFailAt == 0 {
			t.Fatalf("boot: %v", err)
		}
		h.tally.cutsInBoot++
		h.off()
	}
}

func (h *history) restart(t *rapid.T) {
	h.start(t)
	h.check(t)
}

// abandon goes on with a copy of the files of the running device, which is what a
// SIGKILL would leave.
func (h *history) abandon(t *rapid.T) {
	h.copies++
	next := h.clone(t, filepath.Join(filepath.Dir(h.dir), [2]string{"device", "other"}[h.copies%2]))
	h.off()
	if err := os.RemoveAll(h.dir); err != nil {
		t.Fatal(err)
	}
	*h.machine = *next
	h.restart(t)
}

// get reads a part of an asset.
func (h *history) get(t *rapid.T) {
	p := h.place(t)
	if p.Service == oracle.Keys {
		return
	}
	was, want := h.m[p], veneer.Success
	offset, buf := rapid.Uint32Range(0, 1600).Draw(t, "offset"), make([]byte, rapid.IntRange(0, 1600).Draw(t, "bytes"))
	switch {
	case p.UID == 0:
		want = veneer.ErrInvalidArgument
	case !was.There:
		want = veneer.ErrDoesNotExist
	case int(offset) > len(was.Data):
		want = veneer.ErrInvalidArgument
	}
	var n int
	var err error
	if p.Service == oracle.Internal {
		n, err = h.clients[p.Client].ITS.Get(its.UID(p.UID), offset, buf)
	} else {
		n, err = h.clients[p.Client].PS.Get(ps.UID(p.UID), offset, buf)
	}
	if oracle.StatusOf(err) != want {
		t.Fatalf("get of %v at %d, which has %v: %v; want %v", p, offset, was, err, want)
	}
	if err == nil && string(buf[:n]) != was.Data[offset:min(len(was.Data), int(offset)+len(buf))] {
		t.Fatalf("get of %v: wrong bytes", p)
	}
}

// read reads a place. Protected Storage writes before it answers its first call, so
// that a cut that is set for the boot may come here.
func (h *history) read(t *rapid.T, p oracle.Place) (oracle.Held, error) {
	got, err := p.Read(h.clients[p.Client])
	if h.cutSince(t) {
		return p.Read(h.clients[p.Client])
	}
	return got, err
}

// check holds all that there is against the oracle.
func (h *history) check(t *rapid.T) {
	err := h.compare()
	if h.cutSince(t) {
		err = h.compare()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// cutSince boots without another cut if the power has failed since the boot, and
// reports whether it has.
func (h *history) cutSince(t *rapid.T) bool {
	if !h.world.PowerLost() {
		return false
	}
	h.tally.cutsInBoot++
	h.off()
	if err := h.boot(spe.Options{}); err != nil {
		t.Fatalf("boot: %v", err)
	}
	return true
}

func (h *history) compare() error {
	for _, p := range places() {
		if got, err := p.Read(h.clients[p.Client]); err != nil || got != h.m[p].Seen() {
			return fmt.Errorf("%v is %v, %v; want %v", p, got, err, h.m[p])
		}
	}
	for id, c := range h.clients {
		list, err := c.Keys.List()
		if err != nil {
			return fmt.Errorf("the keys of client %d: %v", id, err)
		}
		var got, want []uint64
		for _, a := range list {
			got = append(got, uint64(a.ID))
		}
		for uid := uint64(1); uid <= 4; uid++ {
			if h.m[at(oracle.Keys, id, uid)].There {
				want = append(want, uid)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			return fmt.Errorf("client %d has keys %v; want %v", id, got, want)
		}
	}
	return nil
}
