package kmu54l

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/postern-spe/postern/platform/power"
)

// TestPowerCuts lets the power fail at the one point of each operation that
// writes: the slot is as it was or as it should be, with its key or without.
func TestPowerCuts(t *testing.T) {
	tests := []struct {
		name          string
		before, after State
		policy        Policy
		op            func(k *KMU) error
	}{
		{"provision", Erased, Provisioned, Rotating, func(k *KMU) error { return k.Provision(testSlot, testSlotOf(Rotating)) }},
		{"revoke a rotating slot", Provisioned, Erased, Rotating, func(k *KMU) error { return k.Revoke(testSlot) }},
		{"revoke a revocable slot", Provisioned, Revoked, Revocable, func(k *KMU) error { return k.Revoke(testSlot) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seen := map[State]bool{}
			for seed := range uint64(16) {
				name := filepath.Join(t.TempDir(), "sicr")
				supply := new(power.Supply)
				k, _ := attach(t, fileCells(t, name, supply))
				prepare(t, k, tt.before, tt.policy)
				supply.CutAt(1, seed)
				if err := tt.op(k); !errors.Is(err, power.ErrLost) {
					t.Fatalf("seed %d: %v", seed, err)
				}
				if err := k.Push(testSlot); err == nil {
					t.Fatal("pushed without power")
				}
				k, w := attach(t, fileCells(t, name, nil))
				s, err := k.State(testSlot)
				if err != nil || s != tt.before && s != tt.after {
					t.Fatalf("seed %d: %v, %v", seed, s, err)
				}
				seen[s] = true
				if err := k.Push(testSlot); (err == nil) != (s == Provisioned) {
					t.Errorf("seed %d: push of a slot that is %v: %v", seed, s, err)
				}
				if s == Provisioned && !bytes.Equal(w.got[testDest], testKey) {
					t.Errorf("seed %d: another key", seed)
				}
			}
			if !seen[tt.before] || !seen[tt.after] {
				t.Errorf("of both outcomes these were seen: %v", seen)
			}
		})
	}
}

// TestPowerCutsEraseAll: whatever an interrupted erase leaves, no slot passes for
// one with a key that is not the one it had.
func TestPowerCutsEraseAll(t *testing.T) {
	full := filepath.Join(t.TempDir(), "full")
	k, _ := attach(t, fileCells(t, full, nil))
	for slot := range Slots {
		if err := k.Provision(slot, testSlotOf(Rotating)); err != nil {
			t.Fatal(err)
		}
	}
	image, err := os.ReadFile(full)
	if err != nil {
		t.Fatal(err)
	}
	damaged := 0
	for n := range uint64(2) {
		for seed := range uint64(8) {
			name := filepath.Join(t.TempDir(), "sicr")
			if err := os.WriteFile(name, image, 0o600); err != nil {
				t.Fatal(err)
			}
			supply := new(power.Supply)
			k, _ := attach(t, fileCells(t, name, supply))
			supply.CutAt(n+1, seed)
			if err := k.EraseAll(); !errors.Is(err, power.ErrLost) {
				t.Fatal(err)
			}
			k, w := attach(t, fileCells(t, name, nil))
			for slot := range Slots {
				_, err := k.State(slot)
				if errors.Is(err, ErrDamaged) {
					damaged++
				}
				clear(w.got)
				if k.Push(slot) == nil && !bytes.Equal(w.got[testDest], testKey) {
					t.Errorf("cut %d, seed %d: slot %d pushes something else", n+1, seed, slot)
				}
			}
			if err := k.EraseAll(); err != nil {
				t.Fatal(err)
			}
			if s, err := k.State(Slots - 1); s != Erased || err != nil {
				t.Errorf("%v, %v after the next erase", s, err)
			}
		}
	}
	if damaged == 0 {
		t.Error("no slot was torn: the test shows nothing")
	}
}
