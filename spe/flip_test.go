package spe_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spetest/oracle"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// exhaustive reports whether the long tests were asked for (make soak).
func exhaustive() bool { return os.Getenv("POSTERN_CRASH") == "1" }

// belongings is a device's storage with something of everything: assets of all
// kinds and lengths, oracle.Keys, and records that are no longer wanted. Contents are
// different for each owner.
func belongings(owner byte) []oracle.Op {
	return []oracle.Op{
		{Kind: oracle.Set, Place: at(oracle.Internal, -1, 1)},
		{Kind: oracle.Set, Place: at(oracle.Internal, -1, 2), Data: oracle.Contents(5, owner+1), Flags: psa.StorageWriteOnce},
		{Kind: oracle.Set, Place: at(oracle.Internal, -2, 1), Data: oracle.Contents(1100, owner+2)}, // two records
		{Kind: oracle.Set, Place: at(oracle.Internal, -2, 2), Data: oracle.Contents(33, owner+3)},
		{Kind: oracle.Set, Place: at(oracle.Internal, -2, 2), Data: oracle.Contents(34, owner+4)},
		{Kind: oracle.Set, Place: at(oracle.Internal, -2, 3), Data: oracle.Contents(3, owner+5)},
		{Kind: oracle.Remove, Place: at(oracle.Internal, -2, 3)},
		{Kind: oracle.Set, Place: at(oracle.Keys, -1, 1), Data: oracle.Contents(16, owner+6)},
		{Kind: oracle.Set, Place: at(oracle.Keys, -1, 2), Data: oracle.Contents(32, owner+7)},
		{Kind: oracle.Set, Place: at(oracle.Keys, -2, 1), Data: oracle.Contents(32, owner+8)},
		{Kind: oracle.Set, Place: at(oracle.Protected, -1, 1)},
		{Kind: oracle.Set, Place: at(oracle.Protected, -1, 2), Data: oracle.Contents(40, owner+9), Flags: psa.StorageWriteOnce},
		{Kind: oracle.Set, Place: at(oracle.Protected, -1, 3), Data: oracle.Contents(41, owner+10), Flags: psa.StorageNoConfidentiality},
		{Kind: oracle.Set, Place: at(oracle.Protected, -1, 4), Data: oracle.Contents(10, owner+11), Flags: psa.StorageNoReplayProtection},
		{Kind: oracle.Set, Place: at(oracle.Protected, -2, 1), Data: oracle.Contents(1100, owner+12)},
		{Kind: oracle.Create, Place: at(oracle.Protected, -2, 2), Capacity: 100},
		{Kind: oracle.Extend, Place: at(oracle.Protected, -2, 2), Data: oracle.Contents(60, owner+13)},
		{Kind: oracle.Set, Place: at(oracle.Protected, -2, 3), Data: oracle.Contents(7, owner+14)},
		{Kind: oracle.Remove, Place: at(oracle.Protected, -2, 3)},
	}
}

// fill puts an owner's belongings on a device that is off, and turns it off.
func (m *machine) fill(tb testing.TB, owner byte) map[oracle.Place]oracle.Held {
	tb.Helper()
	m.mustBoot(tb, spe.Options{})
	defer m.off()
	h := make(map[oracle.Place]oracle.Held)
	for _, o := range belongings(owner) {
		want, next, _ := o.Expect(h[o.Place])
		if got := o.Do(m.clients[o.Client]); got != want {
			tb.Fatalf("%v: %v; want %v", o, got, want)
		}
		h[o.Place] = next
	}
	return h
}

// damaged are the statuses for what is damaged, or was changed, in flash (Secure
// Storage API 1.0, psa_its_get and psa_ps_get; Crypto API 1.2, psa_export_key).
var damaged = map[oracle.Service][]veneer.Status{
	oracle.Internal:  {veneer.ErrDataCorrupt},
	oracle.Protected: {veneer.ErrDataCorrupt, veneer.ErrInvalidSignature},
	oracle.Keys:      {veneer.ErrDataCorrupt},
}

// readAll reads all places, which have what h says or answer that they are
// damaged, and returns those.
func (m *machine) readAll(tb rapid.TB, h map[oracle.Place]oracle.Held) (bad []oracle.Place) {
	tb.Helper()
	for _, p := range places() {
		got, err := p.Read(m.clients[p.Client])
		switch {
		case err != nil && isDamage(p, oracle.StatusOf(err)):
			bad = append(bad, p)
		case err != nil || got != h[p].Seen():
			tb.Fatalf("%v is %v, %v; want %v", p, got, err, h[p])
		}
	}
	return bad
}

func isProtected(p oracle.Place) bool { return p.Service == oracle.Protected }

func isDamage(p oracle.Place, st veneer.Status) bool { return slices.Contains(damaged[p.Service], st) }

// used returns where the pages of an area hold something: in each up to the last
// byte that is not erased.
func used(cells []byte, from, to int) (at []int) {
	const page = 4096
	for ; from < to; from += page {
		last := from + page - 1
		for last >= from && cells[last] == 0xff {
			last--
		}
		for i := from; i <= last; i++ {
			at = append(at, i)
		}
	}
	return at
}

// TestFlippedBits flips a bit in the storage areas of a device that is off, boots
// it, and reads everything over the gate: it is right, or is said to be damaged,
// and the device goes on to work. In Internal Trusted Storage no flip costs more
// than the asset or key that it hits. (make soak: every bit of what is used.)
func TestFlippedBits(t *testing.T) {
	for name, o := range devices {
		t.Run(name, func(t *testing.T) {
			if exhaustive() {
				t.Parallel()
			}
			m := newMachine(t, o)
			h := m.fill(t, 0)
			whole := m.flash(t)
			var bits []int
			for _, a := range []string{board.ITS, board.PS} {
				from, to := bounds(t, o.Board, a)
				for _, at := range used(whole.cells, from, to) {
					for bit := range 8 {
						bits = append(bits, 8*at+bit)
					}
				}
			}
			if !exhaustive() {
				bits = someBits(t, o.Board, bits)
			}
			hits := 0
			for _, bit := range bits {
				hits += m.flip(t, h, whole, bit)
			}
			if hits == 0 {
				t.Error("no flip hit anything")
			}
			t.Logf("%d flips, of which %d hit an asset or a key", len(bits), hits)
		})
	}
}

// someBits returns a few of the bits that are used, and of the others.
func someBits(t *testing.T, boardName string, bits []int) (some []int) {
	n := 100
	if raceEnabled { // one goroutine, and slow: nothing for the detector
		n = 15
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range n {
		some = append(some, bits[rng.IntN(len(bits))])
	}
	for _, a := range []string{board.ITS, board.PS} {
		from, to := bounds(t, boardName, a)
		for range n / 10 {
			some = append(some, 8*from+rng.IntN(8*(to-from)))
		}
	}
	return some
}

// flip tries one bit, and returns 1 if it hit an asset or a key.
func (m *machine) flip(t *testing.T, h map[oracle.Place]oracle.Held, whole flash, bit int) int {
	flipped := flash{slices.Clone(whole.cells), whole.wear}
	flipped.cells[bit/8] ^= 1 << (bit % 8)
	m.put(t, flipped)
	m.mustBoot(t, spe.Options{})
	defer m.off()
	bad := m.readAll(t, h)
	if n := len(slices.DeleteFunc(slices.Clone(bad), isProtected)); n > 1 {
		t.Errorf("bit %d (0x%x) has damaged %v", bit, bit/8, bad)
	}
	// A client that had nothing to do with it is not held up.
	for _, p := range []oracle.Place{at(oracle.Internal, spe.DefaultClientID, 1), at(oracle.Protected, spe.DefaultClientID, 1)} {
		if st := m.replace(p); !works(p, st) {
			t.Errorf("bit %d: set of %v: %v", bit, p, st)
		}
	}
	// An index of keys, if it was that, is the list's alone.
	for id, c := range m.clients {
		if _, err := c.Keys.List(); err != nil && !errors.Is(err, veneer.ErrDataCorrupt) {
			t.Errorf("bit %d: the keys of client %d: %v", bit, id, err)
		}
		o := oracle.Op{Kind: oracle.Set, Place: at(oracle.Keys, id, 4), Data: oracle.Contents(16, 1)}
		if st := o.Do(c); st != veneer.Success {
			t.Errorf("bit %d: %v: %v", bit, o, st)
		}
	}
	// What is damaged can be replaced, but for what must not be.
	for _, p := range bad {
		writeOnce := h[p].Flags&psa.StorageWriteOnce != 0
		if st := m.replace(p); !works(p, st) && !(writeOnce && st == veneer.ErrNotPermitted) {
			t.Errorf("bit %d: %v, which is damaged: %v", bit, p, st)
		}
	}
	return min(len(bad), 1)
}

// works reports whether a change went well, or Protected Storage has refused it
// for damage to what it keeps for all.
func works(p oracle.Place, st veneer.Status) bool {
	return st == veneer.Success || isProtected(p) && isDamage(p, st)
}

// replace gives a place something new.
func (m *machine) replace(p oracle.Place) veneer.Status {
	o := oracle.Op{Kind: oracle.Set, Place: p, Data: oracle.Contents(16, 1)}
	if p.Service == oracle.Keys {
		o.Kind = oracle.Remove
		if st := o.Do(m.clients[p.Client]); st != veneer.Success {
			return st
		}
		o.Kind = oracle.Set
	}
	return o.Do(m.clients[p.Client])
}
