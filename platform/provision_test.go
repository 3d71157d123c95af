package platform

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The private and public key of RFC 6979, appendix A.2.5.
const (
	rfc6979Key = "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721"
	rfc6979Pub = "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB67903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
)

func TestProvisionOptions(t *testing.T) {
	scalar, err := hex.DecodeString(rfc6979Key)
	if err != nil {
		t.Fatal(err)
	}
	opts := ProvisionOptions{
		Board: "nrf5340", IAK: scalar,
		ImplementationID: bytes.Repeat([]byte{7}, 32), RoTPublicKeyHash: bytes.Repeat([]byte{9}, 32),
	}
	p := provision(t, opts)
	if got := hex.EncodeToString(p.IAKPublicKey); !strings.EqualFold(got, rfc6979Pub) {
		t.Errorf("public key %s", got)
	}
	s := open(t, p.Dir)
	if id, signer := s.ImplementationID(), s.SignerID(); id[0] != 7 || signer[31] != 9 {
		t.Errorf("%x %x", id, signer)
	}
	// The scalar is nowhere in the device, and the options do not print it.
	for _, name := range []string{flashFile, uicrFile, deviceFile, IAKFile} {
		b, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err != nil || bytes.Contains(b, scalar) {
			t.Errorf("%s holds the private key (%v)", name, err)
		}
	}
	if out := fmt.Sprintf("%v %+v %#v", opts, opts, opts); strings.Contains(out, "201 175") || strings.Contains(out, "0xc9, 0xaf") {
		t.Error("the options print the private key")
	}
}

func TestProvisionRefusals(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	fresh := func() string { return filepath.Join(t.TempDir(), "device") }
	tests := []struct {
		name string
		dir  string
		opts ProvisionOptions
	}{
		{"directory not empty", full, ProvisionOptions{}},
		{"a file", file, ProvisionOptions{}},
		{"a symbolic link", link, ProvisionOptions{}},
		{"no parent", filepath.Join(fresh(), "device"), ProvisionOptions{}},
		{"unknown board", fresh(), ProvisionOptions{Board: "nrf9999"}},
		{"short implementation identifier", fresh(), ProvisionOptions{ImplementationID: make([]byte, 31)}},
		{"erased key hash", fresh(), ProvisionOptions{RoTPublicKeyHash: bytes.Repeat([]byte{0xFF}, 32)}},
		{"zero scalar", fresh(), ProvisionOptions{IAK: make([]byte, 32)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parent := filepath.Dir(tt.dir)
			before := snapshot(t, parent)
			if _, err := Provision(tt.dir, tt.opts); err == nil {
				t.Fatal("provisioned")
			}
			if after := snapshot(t, parent); after != before {
				t.Errorf("changed:\n%s\nto\n%s", before, after)
			}
		})
	}
	t.Run("an empty directory is taken", func(t *testing.T) {
		dir := t.TempDir()
		if _, err := Provision(dir, ProvisionOptions{}); err != nil {
			t.Fatal(err)
		}
		open(t, dir)
	})
}
