package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-spe/postern/platform/disk/disktest"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/ps"
	"github.com/postern-spe/postern/veneer/psa"
)

// A durable device keeps everything that it has acknowledged when it is killed,
// confined to its directory as it is, and boots again as a durable one or not.
func TestDurable(t *testing.T) {
	for _, board := range []string{"nrf5340", "nrf54l15"} {
		t.Run(board, func(t *testing.T) {
			dir := filepath.Join(disktest.Dir(t), "dev")
			if out, err := exec.Command("spe", "provision", dir, "--board", board).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var public []byte
			for round, flags := range [][]string{{"--durable"}, {}, {"--durable"}, {"--durable"}} {
				r := start(t, dir, flags...)
				r.says(t, r.ready())
				public = live(t, r, round, board, public)
				r.ended()
			}
		})
	}
}

// live checks what the round before has left, and leaves something for the next.
func live(t *testing.T, r *running, round int, board string, public []byte) []byte {
	t.Helper()
	gate := r.gate(t)
	internal, protected, keys := its.New(gate), ps.New(gate), crypto.New(gate)
	small := func(round int) []byte { return []byte(fmt.Sprint("round ", round)) }
	large := func(round int) []byte { return bytes.Repeat(small(round), 150) }
	attrs := psa.KeyAttributes{
		ID: psa.KeyID(100 + round), Type: psa.ECCPair(psa.SECPR1), Bits: 256, Lifetime: psa.LifetimePersistent,
		Usage: psa.UsageSignHash, Algorithm: psa.ECDSA(psa.SHA256),
	}
	slot := psa.KeyAttributes{
		ID: psa.KMUKeyID(psa.KMUProtected, 40+4*round), Lifetime: psa.NewLifetime(psa.PersistenceDefault, psa.LocationKMU),
		Type: psa.KeyAES, Bits: 128, Usage: psa.UsageEncrypt, Algorithm: psa.GCM,
	}
	if round > 0 {
		if got, err := internal.ReadAll(1); err != nil || !bytes.Equal(got, small(round-1)) {
			t.Fatalf("round %d: internal: %q, %v", round, got, err)
		}
		if got, err := protected.ReadAll(1); err != nil || !bytes.Equal(got, large(round-1)) {
			t.Fatalf("round %d: protected: %d bytes, %v", round, len(got), err)
		}
		if got, err := keys.ExportPublic(attrs.ID - 1); err != nil || !bytes.Equal(got, public) {
			t.Fatalf("round %d: key: %x, %v", round, got, err)
		}
		if board == "nrf54l15" {
			if err := keys.Destroy(psa.KMUKeyID(psa.KMUProtected, 40+4*(round-1))); err != nil {
				t.Fatalf("round %d: key slot: %v", round, err)
			}
		}
	}
	if _, err := keys.Generate(attrs); err != nil {
		t.Fatal(err)
	}
	public, err := keys.ExportPublic(attrs.ID)
	if err == nil && board == "nrf54l15" {
		_, err = keys.Generate(slot)
	}
	if err := errors.Join(err, internal.Set(1, small(round), 0), protected.Set(1, large(round), 0)); err != nil {
		t.Fatal(err)
	}
	return public
}

// In the host's memory nothing is durable: the command says so, and does nothing.
func TestDurableIsRefusedInMemory(t *testing.T) {
	dir := filepath.Join(disktest.Memory(t), "dev")
	if out, err := exec.Command("spe", "provision", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	before := contents(t, dir)
	cmd := exec.Command("spe", "run", dir, "--durable")
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "tmpfs") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("status %d: %s", cmd.ProcessState.ExitCode(), out)
	}
	if after := contents(t, dir); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}
