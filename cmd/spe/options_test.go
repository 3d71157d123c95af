package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/postern-spe/postern/ipc"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/ps"
	"github.com/postern-spe/postern/veneer/psa"
)

// provisioned makes a device with flags.
func provisioned(t *testing.T, flags ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dev")
	if out, err := exec.Command("spe", append([]string{"provision", dir}, flags...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

func dial(t *testing.T, dir string) *ipc.Client {
	t.Helper()
	conn, err := ipc.Dial(filepath.Join(dir, "run", "ns.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Disconnect() })
	return conn
}

// TestProvisionedOptions runs the secure process on a device with everything that
// is not the default, and kills it in between.
func TestProvisionedOptions(t *testing.T) {
	layout := filepath.Join(t.TempDir(), "pm_static.yml")
	if err := os.WriteFile(layout, []byte("tfm_ps: {address: 0x1000, end_address: 0x11000, region: external_flash}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := provisioned(t, "--layout", layout, "--its-secure-only", "--its-encrypted")
	cmd, _ := boot(t, dir)
	conn := dial(t, dir)
	if err := its.New(conn).Set(1, []byte("x"), 0); !errors.Is(err, veneer.ErrConnectionRefused) {
		t.Errorf("a non-secure client sets an asset: %v", err)
	}
	key := psa.KeyAttributes{
		ID: 1, Type: psa.ECCPair(psa.SECPR1), Bits: 256,
		Lifetime: psa.LifetimePersistent, Usage: psa.UsageSignHash, Algorithm: psa.ECDSA(psa.SHA256),
	}
	if _, err := crypto.New(conn).Generate(key); err != nil {
		t.Errorf("a persistent key: %v", err)
	}
	secret := []byte("in external flash, for nobody to read")
	if err := ps.New(conn).Set(1, secret, 0); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()

	external, err := os.ReadFile(filepath.Join(dir, "external.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if area := external[0x1000:0x11000]; bytes.Count(area, []byte{0xFF}) == len(area) || bytes.Contains(external, secret[:8]) {
		t.Error("the object is not in external flash, or not encrypted")
	}
	boot(t, dir)
	if got, err := ps.New(conn).ReadAll(1); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("after a restart: %q, %v", got, err)
	}
	if _, err := crypto.New(conn).PublicKey(1); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// TestProvisionedLimits holds a program to the device's limits.
func TestProvisionedLimits(t *testing.T) {
	dir := provisioned(t, "--its-num-assets", "2", "--its-max-asset-size", "512")
	boot(t, dir)
	storage := its.New(dial(t, dir))
	for _, step := range []struct {
		uid  its.UID
		size int
		want error
	}{{1, 513, veneer.ErrInsufficientStorage}, {1, 512, nil}, {2, 512, nil}, {3, 1, veneer.ErrInsufficientStorage}} {
		if err := storage.Set(step.uid, make([]byte, step.size), 0); !errors.Is(err, step.want) {
			t.Errorf("%d bytes of %d: %v", step.size, step.uid, err)
		}
	}
	if err := storage.Remove(2); err != nil {
		t.Fatal(err)
	}
	if err := storage.Set(3, []byte("x"), 0); err != nil {
		t.Errorf("after a removal: %v", err)
	}
}
