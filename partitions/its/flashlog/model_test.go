package flashlog_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/partitions/its/internal/flashtest"
	"github.com/postern-spe/postern/veneer"
)

type asset struct {
	data  []byte
	flags flashlog.Flags
}

// model is the oracle: what a store should hold.
type model map[flashlog.Key]asset

func open(t testing.TB, f *flashtest.Flash) *flashlog.Store {
	t.Helper()
	s, err := flashlog.Open(f)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

// get returns all of an asset.
func get(s *flashlog.Store, k flashlog.Key) (asset, error) {
	info, err := s.Stat(k)
	if err != nil {
		return asset{}, err
	}
	a := asset{make([]byte, info.Size), info.Flags}
	n, err := s.Read(k, 0, a.data)
	if err == nil && n != info.Size {
		err = fmt.Errorf("read %d bytes of %d", n, info.Size)
	}
	return a, err
}

// differs returns how the asset k of s is not what m says, nil if it is.
func (m model) differs(s *flashlog.Store, k flashlog.Key) error {
	got, err := get(s, k)
	want, ok := m[k]
	switch {
	case !ok && errors.Is(err, veneer.ErrDoesNotExist):
		return nil
	case !ok:
		return fmt.Errorf("%v: got %d bytes, error %v; want none", k, len(got.data), err)
	case err != nil:
		return fmt.Errorf("%v: %w", k, err)
	case !bytes.Equal(got.data, want.data) || got.flags != want.flags:
		return fmt.Errorf("%v: got %d bytes %.8x flags %d; want %d bytes %.8x flags %d",
			k, len(got.data), got.data, got.flags, len(want.data), want.data, want.flags)
	}
	return nil
}

// op is one step of a workload.
type op struct {
	key    flashlog.Key
	data   []byte
	flags  flashlog.Flags
	remove bool
}

func (o op) do(s *flashlog.Store) error {
	if o.remove {
		return s.Remove(o.key)
	}
	return s.Set(o.key, o.data, o.flags)
}

// apply does to the model what a successful op does to the store.
func (m model) apply(o op) {
	if o.remove {
		delete(m, o.key)
	} else {
		m[o.key] = asset{o.data, o.flags}
	}
}

// allowed returns whether the op can succeed, room apart.
func (m model) allowed(o op) bool {
	old, ok := m[o.key]
	return (!ok || old.flags&flashlog.WriteOnce == 0) && (ok || !o.remove)
}

// keys are few, so that a workload comes back to them.
func keys() []flashlog.Key {
	var ks []flashlog.Key
	for _, owner := range []int32{-1, -0x3c000000, 257} {
		for uid := range uint64(4) {
			ks = append(ks, flashlog.Key{Owner: owner, UID: uid + 1})
		}
	}
	return ks
}

// workload returns n steps that a store of some size will mostly accept: small
// assets, some of several records, removals, a few write-once ones.
func workload(seed uint64, n int) []op {
	rng := rand.New(rand.NewPCG(seed, 7))
	ks := keys()
	ops := make([]op, n)
	for i := range ops {
		o := op{key: ks[rng.IntN(len(ks))]}
		size := 0
		switch rng.IntN(8) {
		case 0:
			o.remove = true
		case 1:
			size = 1000 + rng.IntN(600)
		case 2:
			size = rng.IntN(4)
		default:
			size = rng.IntN(300)
		}
		if i%97 == 96 {
			o.flags = flashlog.WriteOnce
		}
		o.data = make([]byte, size)
		for j := range o.data {
			o.data[j] = byte(rng.Uint32())
		}
		if rng.IntN(8) == 0 {
			for j := range o.data {
				o.data[j] = 0xff // words that a program leaves blank
			}
		}
		ops[i] = o
	}
	return ops
}

func workloadBytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// TestModel drives random histories, reopening and cutting power now and then,
// against the map.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := flashtest.Blank(
			rapid.SampledFrom([]flashtest.Kind{flashtest.NOR, flashtest.RRAM, flashtest.RRAMAbort}).Draw(t, "kind"),
			rapid.SampledFrom([]int{2, 3, 4, 7, 12}).Draw(t, "pages"),
			rapid.SampledFrom([]int{512, 1024, 4096}).Draw(t, "page size"))
		s, err := flashlog.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		m, ks := model{}, keys()
		largest := f.PageSize() / 3
		step := func(o op) {
			err := o.do(s)
			switch {
			case !m.allowed(o):
				if !errors.Is(err, veneer.ErrNotPermitted) && !errors.Is(err, veneer.ErrDoesNotExist) {
					t.Fatalf("forbidden step: %v", err)
				}
			case err == nil:
				m.apply(o)
			case o.remove || err != veneer.ErrInsufficientStorage:
				// Also that no page had room where the rule said so.
				t.Fatal(err)
			}
		}
		draw := func(t *rapid.T) op {
			o := op{key: rapid.SampledFrom(ks).Draw(t, "key"), data: workloadBytes(rapid.IntRange(0, largest).Draw(t, "size"))}
			if rapid.IntRange(0, 30).Draw(t, "flags") == 30 {
				o.flags = flashlog.WriteOnce
			}
			if len(o.data) >= 8 {
				binary.LittleEndian.PutUint64(o.data, rapid.Uint64().Draw(t, "data"))
			}
			return o
		}
		t.Repeat(map[string]func(*rapid.T){
			"set":    func(t *rapid.T) { step(draw(t)) },
			"remove": func(t *rapid.T) { step(op{key: rapid.SampledFrom(ks).Draw(t, "key"), remove: true}) },
			"many": func(t *rapid.T) {
				o := draw(t)
				o.flags = 0
				for i := range rapid.IntRange(1, 60).Draw(t, "times") {
					o.remove = i%3 == 2
					if m.allowed(o) {
						step(o)
					}
				}
			},
			"reopen": func(t *rapid.T) {
				if s, err = flashlog.Open(f); err != nil {
					t.Fatal(err)
				}
			},
			"cut": func(t *rapid.T) {
				o := draw(t)
				o.remove = rapid.Bool().Draw(t, "remove")
				if !m.allowed(o) {
					return
				}
				f.CutAt(rapid.IntRange(0, 300).Draw(t, "point"), rapid.Uint64().Draw(t, "seed"))
				err := o.do(s)
				off := f.Off()
				f.PowerOn()
				if !off {
					if err == nil {
						m.apply(o)
					}
					return
				}
				if s, m, err = checkAfterCut(f, m, o); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				for _, k := range ks {
					if err := m.differs(s, k); err != nil {
						t.Fatal(err)
					}
				}
				flashlog.CheckTable(t, s)
				if f.Twice() > 0 {
					t.Fatal("a word was programmed that was not erased")
				}
			},
		})
	})
}
