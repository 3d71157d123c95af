package attestation

import (
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// identity is the initial attestation key in the Crypto partition, which lets
// this partition, and no other, sign hashes with it.
type identity struct{ client *crypto.Client }

var _ signer = identity{}

func newIdentity(gate veneer.Gate) signer { return identity{crypto.New(gate)} }

func (k identity) SignIdentity(hash []byte) ([]byte, error) {
	sig := make([]byte, signatureSize)
	n, err := k.client.SignHash(sig, psa.IAK, psa.ECDSA(psa.SHA256), hash)
	if err != nil {
		return nil, err
	}
	return sig[:n], nil
}

func (k identity) PublicKey() ([]byte, error) { return k.client.ExportPublic(psa.IAK) }
