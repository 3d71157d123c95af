package spe_test

import (
	"errors"
	"testing"

	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spetest/oracle"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/attestation"
	"github.com/postern-spe/postern/veneer/psa"
)

// TestFullAreas fills the areas of both storages over the gate. What is there
// can be used as before, the other services go on, room that becomes free can be
// used, and it is the same again after each round.
func TestFullAreas(t *testing.T) {
	for _, name := range []string{"nrf5340", "nrf54l15"} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, devices[name])
			m.mustBoot(t, spe.Options{})
			defer m.off()
			key := oracle.Op{Kind: oracle.Set, Place: at(oracle.Keys, -2, 1), Data: oracle.Contents(16, 1)}
			if st := key.Do(m.clients[-2]); st != veneer.Success {
				t.Fatal(st)
			}
			for _, size := range []int{0, 100, 1500} {
				var first [2]int
				for round := range 3 {
					a := m.fillUp(t, oracle.Internal, size)
					b := m.fillUp(t, oracle.Protected, size)
					now := [2]int{len(a), len(b)}
					if round == 0 {
						first = now
					}
					for i, n := range now {
						// Assets of several records lie in pages as it comes, and so
						// one more or less fits.
						if n == 0 || n != first[i] && (size < 1000 || n < first[i]-1) {
							t.Errorf("round %d took %d assets of %d bytes, the first %d", round, now, size, first)
						}
					}
					m.useFull(t, key, append(a, b...))
					if round == 1 {
						m.off()
						m.mustBoot(t, spe.Options{})
						m.useFull(t, key, append(a, b...))
					}
					m.replaceOne(t, a)
					m.replaceOne(t, b)
					for _, o := range append(a, b...) {
						o.Kind = oracle.Remove
						if st := o.Do(m.clients[o.Client]); st != veneer.Success {
							t.Fatalf("%v of a full area: %v", o, st)
						}
					}
				}
				t.Logf("%d assets of %d bytes in ITS, %d in PS", first[0], size, first[1])
			}
		})
	}
}

// fillUp sets assets of two clients until there is no room for another, and
// returns the sets.
func (m *machine) fillUp(t *testing.T, s oracle.Service, size int) (done []oracle.Op) {
	for n := uint64(1); ; n++ {
		o := oracle.Op{Kind: oracle.Set, Place: at(s, clientIDs[n%2], n), Data: oracle.Contents(size, byte(n))}
		switch st := o.Do(m.clients[o.Client]); st {
		case veneer.Success:
			done = append(done, o)
		case veneer.ErrInsufficientStorage:
			return done
		default:
			t.Fatalf("%v: %v", o, st)
		}
	}
}

// useFull uses a device whose storages are full.
func (m *machine) useFull(t *testing.T, key oracle.Op, all []oracle.Op) {
	t.Helper()
	for _, o := range all {
		got, err := o.Place.Read(m.clients[o.Client])
		if want := (oracle.Held{There: true, Data: o.Data, Capacity: len(o.Data)}); err != nil || got != want {
			t.Fatalf("%v is %v, %v; want %v", o.Place, got, err, want)
		}
	}
	c := m.clients[key.Client]
	if got, err := key.Place.Read(c); err != nil || got.Data != key.Data {
		t.Errorf("a key: %v, %v", got, err)
	}
	volatileKey := psa.KeyAttributes{Type: psa.KeyAES, Bits: 128, Usage: psa.UsageEncrypt, Algorithm: psa.GCM}
	id, err := c.Keys.Generate(volatileKey)
	if err == nil {
		_, err = c.Keys.Seal(nil, id, psa.GCM, make([]byte, 12), []byte("plain"), nil)
	}
	if err = errors.Join(err, c.Keys.Destroy(id)); err != nil {
		t.Errorf("a volatile key: %v", err)
	}
	if _, err := attestation.New(c.Gate).Token(make([]byte, 32)); err != nil {
		t.Errorf("a token: %v", err)
	}
}

// replaceOne removes an asset of a full area, and sets it anew.
func (m *machine) replaceOne(t *testing.T, all []oracle.Op) {
	t.Helper()
	o := all[len(all)/2]
	for _, o.Kind = range []oracle.Kind{oracle.Remove, oracle.Set} {
		if st := o.Do(m.clients[o.Client]); st != veneer.Success {
			t.Errorf("%v in an area that was full: %v", o, st)
		}
	}
}
