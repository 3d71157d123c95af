package crypto_test

import (
	stdcrypto "crypto"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// A key pair is made in the secure world and signs for a program that never sees
// its private half. The signature is one that crypto/ecdsa and crypto/x509
// understand.
func ExampleClient_Signer() {
	var gate veneer.Gate // of package nspe, or a partition's runtime

	keys := crypto.New(gate)
	id, err := keys.Generate(psa.KeyAttributes{
		Type:      psa.ECCPair(psa.SECPR1),
		Bits:      256,
		Lifetime:  psa.LifetimePersistent,
		ID:        1,
		Usage:     psa.UsageSignHash,
		Algorithm: psa.ECDSA(psa.SHA256),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	signer, err := keys.Signer(id)
	if err != nil {
		fmt.Println(err)
		return
	}
	digest := sha256.Sum256([]byte("firmware"))
	signature, err := signer.Sign(rand.Reader, digest[:], stdcrypto.SHA256)
	fmt.Println(len(signature), err)
}
