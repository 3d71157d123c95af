package spe_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spetest"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/ps"
)

// psOutside is where Protected Storage is on these tests' devices.
var psOutside = board.Placement{Area: board.PS, Region: board.ExternalFlash, Address: 0x20000, Size: 0x10000}

// TestProtectedStorageOutside keeps Protected Storage in external flash, on every
// board: what is stored is there after a restart, is in no file in the clear, and
// in flash.bin not at all; and who changes external.bin is found out.
func TestProtectedStorageOutside(t *testing.T) {
	secret := bytes.Repeat([]byte("a secret in external flash, "), 40)
	for _, name := range board.Names() {
		t.Run(name, func(t *testing.T) {
			world := spetest.StartDevice(t, platform.ProvisionOptions{Board: name, Layout: []board.Placement{psOutside}}, spe.Options{})
			flash, blank := fileOf(t, world, "flash.bin"), fileOf(t, world, "external.bin")
			if err := ps.New(world.Gate(t)).Set(1, secret, 0); err != nil {
				t.Fatal(err)
			}
			world.Restart()
			if got, err := ps.New(world.Gate(t)).ReadAll(1); err != nil || !bytes.Equal(got, secret) {
				t.Errorf("after a restart: %d bytes, %v", len(got), err)
			}
			world.Close()
			external := fileOf(t, world, "external.bin")
			first, last := difference(blank, external)
			if uint32(first) < psOutside.Address || uint32(last) >= psOutside.Address+psOutside.Size || last-first < len(secret) {
				t.Fatalf("external.bin has changed from 0x%x to 0x%x", first, last)
			}
			if bytes.Contains(external, secret[:8]) {
				t.Error("external.bin holds the secret")
			}
			testOnlyCountersChanged(t, name, flash, fileOf(t, world, "flash.bin"))
			testDamagedOutside(t, world, external, first+(last-first)/3, last-(last-first)/3)
		})
	}
}

// testOnlyCountersChanged: nothing of an object is in the internal flash.
func testOnlyCountersChanged(t *testing.T, name string, before, after []byte) {
	t.Helper()
	b, _ := board.Lookup(name)
	counters, _ := b.Area(board.NVCounters)
	for _, flash := range [][]byte{before, after} {
		clear(flash[counters.Base-b.Flash.Base : counters.End()-b.Flash.Base])
	}
	if at, _ := difference(before, after); at >= 0 {
		t.Errorf("flash.bin has changed at 0x%x", at)
	}
}

// testDamagedOutside overwrites pieces of an object's contents, one after another.
func testDamagedOutside(t *testing.T, world *spetest.SPE, sound []byte, from, to int) {
	t.Helper()
	const piece = 16
	path := filepath.Join(world.Dir, "external.bin")
	for at := from; at+piece < to; at += (to - from) / 4 {
		damaged := bytes.Clone(sound)
		for i := range piece {
			damaged[at+i] ^= 0x5A
		}
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		w, err := spe.Boot(world.Dir, spe.Options{})
		if err != nil {
			t.Fatal(err)
		}
		world.World = w
		storage := ps.New(world.Gate(t))
		if got, err := storage.ReadAll(1); !errors.Is(err, veneer.ErrInvalidSignature) && !errors.Is(err, veneer.ErrDataCorrupt) || len(got) > 0 {
			t.Errorf("changed at 0x%x: %d bytes, %v", at, len(got), err)
		}
		if _, err := storage.Info(1); !errors.Is(err, veneer.ErrInvalidSignature) && !errors.Is(err, veneer.ErrDataCorrupt) {
			t.Errorf("changed at 0x%x: %v", at, err)
		}
		if err := storage.Set(2, []byte("the next"), 0); err != nil {
			t.Errorf("changed at 0x%x: another asset: %v", at, err)
		}
		w.Close()
	}
}

func fileOf(t *testing.T, world *spetest.SPE, name string) []byte {
	t.Helper()
	p, err := os.ReadFile(filepath.Join(world.Dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// difference returns the first and the last offset at which two files differ, -1
// where they do not.
func difference(a, b []byte) (first, last int) {
	first, last = -1, -1
	for i := range a {
		if a[i] != b[i] {
			if last = i; first < 0 {
				first = i
			}
		}
	}
	return first, last
}

// TestMovedAreas: all services work over areas that are elsewhere, and a larger ITS
// takes more.
func TestMovedAreas(t *testing.T) {
	world := spetest.StartDevice(t, platform.ProvisionOptions{Layout: []board.Placement{
		{Area: board.NonSecureStorage, Region: board.FlashPrimary, Address: 0xFC000, Size: 0x4000},
		{Area: board.NVCounters, Region: board.FlashPrimary, Address: 0xF0000, Size: 0x2000},
		{Area: board.PS, Region: board.FlashPrimary, Address: 0xF2000, Size: 0x2000},
		{Area: board.ITS, Region: board.FlashPrimary, Address: 0xF4000, Size: 0x8000},
	}}, spe.Options{})
	large := bytes.Repeat([]byte("20 KiB"), 20<<10/6) // the board's own area takes 4
	if err := its.New(world.Gate(t)).Set(7, large, 0); err != nil {
		t.Error(err)
	}
	if err := ps.New(world.Gate(t)).Set(7, []byte("protected"), 0); err != nil {
		t.Error(err)
	}
	if _, err := crypto.New(world.Gate(t)).Generate(signingKey); err != nil {
		t.Error(err)
	}
	world.Restart()
	if got, err := its.New(world.Gate(t)).ReadAll(7); err != nil || !bytes.Equal(got, large) {
		t.Errorf("ITS: %d bytes, %v", len(got), err)
	}
	if got, err := ps.New(world.Gate(t)).ReadAll(7); err != nil || string(got) != "protected" {
		t.Errorf("PS: %q, %v", got, err)
	}
	if _, err := crypto.New(world.Gate(t)).PublicKey(signingKey.ID); err != nil {
		t.Errorf("Crypto: %v", err)
	}
	checkAttestation(t, world)
}
