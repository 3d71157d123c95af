package spe_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/veraison/go-cose"

	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spetest"
	"github.com/postern-spe/postern/veneer/attestation"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/ps"
)

// TestEveryBoard: all services do their work on all boards, and go on after a
// restart.
func TestEveryBoard(t *testing.T) {
	for _, name := range board.Names() {
		t.Run(name, func(t *testing.T) {
			world := spetest.StartOn(t, name, spe.Options{})
			if world.Board() != name {
				t.Fatalf("the board is %s", world.Board())
			}
			gate := world.Gate(t)
			if err := its.New(gate).Set(7, []byte("internal"), 0); err != nil {
				t.Error(err)
			}
			if err := ps.New(gate).Set(7, []byte("protected"), 0); err != nil {
				t.Error(err)
			}
			if _, err := crypto.New(gate).Generate(signingKey); err != nil {
				t.Error(err)
			}
			public, err := crypto.New(gate).PublicKey(signingKey.ID)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				gate = world.Gate(t)
				if got, err := its.New(gate).ReadAll(7); err != nil || string(got) != "internal" {
					t.Errorf("ITS: %q, %v", got, err)
				}
				if got, err := ps.New(gate).ReadAll(7); err != nil || string(got) != "protected" {
					t.Errorf("PS: %q, %v", got, err)
				}
				if got, err := crypto.New(gate).PublicKey(signingKey.ID); err != nil || !got.Equal(public) {
					t.Errorf("Crypto: %v", err)
				}
				checkAttestation(t, world)
				world.Restart()
			}
		})
	}
}

// checkAttestation verifies a token with the public key that the device was
// provisioned with.
func checkAttestation(t *testing.T, world *spetest.SPE) {
	t.Helper()
	challenge := make([]byte, attestation.ChallengeSize32)
	rand.Read(challenge)
	token, err := attestation.New(world.Gate(t)).Token(challenge)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(world.Dir, platform.IAKFile))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := cose.NewVerifier(cose.AlgorithmES256, key.(*ecdsa.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	var m cose.Sign1Message
	if err := m.UnmarshalCBOR(token); err != nil {
		t.Fatal(err)
	}
	if err := m.Verify(nil, verifier); err != nil {
		t.Errorf("the token: %v", err)
	}
}
