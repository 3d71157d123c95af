package spe_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spetest"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/ps"
	"github.com/postern-spe/postern/veneer/psa"
)

// itsSID is of the ITS service (tfm_internal_trusted_storage.yaml).
const itsSID veneer.SID = 0x70

// TestITSForSecureClientsOnly: who is refused is the non-secure client alone.
func TestITSForSecureClientsOnly(t *testing.T) {
	for _, only := range []bool{false, true} {
		world := spetest.StartDevice(t, platform.ProvisionOptions{ITS: platform.ITSOptions{SecureClientsOnly: only}}, spe.Options{})
		for range 2 { // a restart keeps it
			gate := world.Gate(t)
			storage := its.New(gate)
			var want error
			if only {
				want = veneer.ErrConnectionRefused
			}
			if err := storage.Set(7, []byte("internal"), 0); !errors.Is(err, want) {
				t.Errorf("only %v: set: %v", only, err)
			}
			if got := gate.Version(itsSID); (got == 0) != only {
				t.Errorf("only %v: version %d", only, got)
			}
			if err := ps.New(gate).Set(7, []byte("protected"), 0); err != nil {
				t.Errorf("only %v: Protected Storage: %v", only, err)
			}
			keys := crypto.New(gate)
			if _, err := keys.Generate(signingKey); err != nil {
				t.Errorf("only %v: a persistent key: %v", only, err)
			}
			if err := keys.Destroy(signingKey.ID); err != nil {
				t.Errorf("only %v: a persistent key: %v", only, err)
			}
			world.Restart()
		}
	}
}

// TestITSEncrypted: what is in ITS is nowhere in the device to be read, and comes
// back after a restart.
func TestITSEncrypted(t *testing.T) {
	secret := []byte("an asset that nobody may read in flash")
	for _, board := range []string{"nrf5340", "nrf54l15"} {
		for _, encrypted := range []bool{false, true} {
			world := spetest.StartDevice(t, platform.ProvisionOptions{Board: board, ITS: platform.ITSOptions{Encrypted: encrypted}}, spe.Options{})
			if err := its.New(world.Gate(t)).Set(1, secret, 0); err != nil {
				t.Fatal(err)
			}
			if _, err := crypto.New(world.Gate(t)).Generate(signingKey); err != nil {
				t.Fatal(err)
			}
			world.Restart()
			if got, err := its.New(world.Gate(t)).ReadAll(1); err != nil || !bytes.Equal(got, secret) {
				t.Errorf("%s, encrypted %v: %q, %v", board, encrypted, got, err)
			}
			if _, err := crypto.New(world.Gate(t)).PublicKey(signingKey.ID); err != nil {
				t.Errorf("%s, encrypted %v: a persistent key: %v", board, encrypted, err)
			}
			world.Close()
			flash, err := os.ReadFile(filepath.Join(world.Dir, "flash.bin"))
			if err != nil {
				t.Fatal(err)
			}
			if found := bytes.Contains(flash, secret[:8]); found == encrypted {
				t.Errorf("%s, encrypted %v: found in flash.bin: %v", board, encrypted, found)
			}
		}
	}
}

// TestITSLimits holds the default non-secure client to the limits of the device,
// and no secure partition.
func TestITSLimits(t *testing.T) {
	limits := platform.ITSLimits{Bytes: 100, Assets: 2, AssetSize: 60}
	for name, o := range map[string]platform.ITSOptions{
		"of every client": {Limits: limits},
		"of this client":  {Limits: platform.ITSLimits{Assets: 1, Bytes: 1}, Clients: map[int32]platform.ITSLimits{spe.DefaultClientID: limits}},
	} {
		t.Run(name, func(t *testing.T) {
			world := spetest.StartDevice(t, platform.ProvisionOptions{ITS: o}, spe.Options{})
			set := func(uid its.UID, size int, want error) {
				t.Helper()
				if err := its.New(world.Gate(t)).Set(uid, make([]byte, size), 0); !errors.Is(err, want) {
					t.Errorf("%d bytes of %d: %v, not %v", size, uid, err, want)
				}
			}
			set(1, 61, veneer.ErrInsufficientStorage)
			set(1, 60, nil)
			set(2, 41, veneer.ErrInsufficientStorage)
			set(2, 40, nil)
			set(3, 0, veneer.ErrInsufficientStorage)
			world.Restart()
			set(3, 0, veneer.ErrInsufficientStorage)
			if err := its.New(world.Gate(t)).Remove(1); err != nil {
				t.Fatal(err)
			}
			set(3, 60, nil)
			for id := range psa.KeyID(4) {
				key := signingKey
				key.ID += id
				if _, err := crypto.New(world.Gate(t)).Generate(key); err != nil {
					t.Errorf("key %d: %v", id, err)
				}
			}
			if err := ps.New(world.Gate(t)).Set(1, make([]byte, 200), 0); err != nil {
				t.Errorf("Protected Storage: %v", err)
			}
		})
	}
}
