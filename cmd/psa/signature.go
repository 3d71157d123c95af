package main

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// signingKey is a key in the secure world and the algorithm to use it with.
type signingKey struct {
	client *crypto.Client
	id     psa.KeyID
	alg    psa.Algorithm
	bits   uint16
}

// openKey looks the key up. word names the algorithm; the key's own if empty.
func openKey(c *crypto.Client, id psa.KeyID, word string) (*signingKey, error) {
	attrs, err := c.Attributes(id)
	if err != nil {
		return nil, keyHint(err, id)
	}
	k := &signingKey{c, id, attrs.Algorithm, attrs.Bits}
	if word != "" {
		if k.alg, err = psa.ParseAlgorithm(word); err != nil {
			return nil, &usageError{err}
		}
	}
	if k.alg == psa.ECDSA(psa.AnyHash) {
		// A key in the KMU cannot say which hash: then the one of its curve's size.
		k.alg = psa.ECDSA(curveHash(k.bits))
	}
	if k.alg.IsWildcard() {
		return nil, usagef("key %s is for %s: say which with --alg", id, algorithmWord(k.alg))
	}
	if !k.alg.IsMAC() && !k.alg.IsSign() {
		return nil, fmt.Errorf("key %s is for %s, which makes no signatures", id, algorithmWord(k.alg))
	}
	return k, nil
}

// errLarge is a message that the algorithm needs in one piece.
var errLarge = errors.New("this algorithm signs a message as a whole, and one call carries no more than 1 MiB")

// digest hashes a message that one call does not carry. The Crypto API has no
// multipart signatures: it signs the hash (Crypto API 1.5, psa_sign_hash).
func (k *signingKey) digest(m *message) ([]byte, error) {
	if !k.alg.IsSignHash() || !k.alg.IsSignMessage() {
		return nil, errLarge
	}
	return m.hash(k.client, k.alg.Hash())
}

func (k *signingKey) sign(m *message) ([]byte, error) {
	var buf [crypto.MaxSignature]byte
	var n int
	var err error
	switch {
	case k.alg.IsMAC() && m.rest == nil:
		n, err = k.client.ComputeMAC(buf[:], k.id, k.alg, m.head)
	case k.alg.IsMAC():
		mac, err := k.client.NewMAC(k.id, k.alg)
		if err != nil {
			return nil, err
		}
		if err := m.writeTo(mac); err != nil {
			mac.Abort() // the error that counts is the first
			return nil, err
		}
		return mac.Finish()
	case m.rest == nil && k.alg.IsSignMessage():
		n, err = k.client.SignMessage(buf[:], k.id, k.alg, m.head)
	default:
		var sum []byte
		if sum, err = k.digest(m); err != nil {
			return nil, err
		}
		n, err = k.client.SignHash(buf[:], k.id, k.alg, sum)
	}
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}

func (k *signingKey) verify(m *message, signature []byte) error {
	switch {
	case k.alg.IsMAC() && m.rest == nil:
		return k.client.VerifyMAC(k.id, k.alg, m.head, signature)
	case k.alg.IsMAC():
		mac, err := k.client.NewMACVerifier(k.id, k.alg)
		if err != nil {
			return err
		}
		if err := m.writeTo(mac); err != nil {
			mac.Abort() // the error that counts is the first
			return err
		}
		return mac.Verify(signature)
	case m.rest == nil && k.alg.IsSignMessage():
		return k.client.VerifyMessage(k.id, k.alg, m.head, signature)
	}
	sum, err := k.digest(m)
	if err != nil {
		return err
	}
	return k.client.VerifyHash(k.id, k.alg, sum, signature)
}

// ecdsaSignature is Ecdsa-Sig-Value (RFC 3279, section 2.2.3).
type ecdsaSignature struct{ R, S *big.Int }

// derFromRaw converts an ECDSA signature from the form of the Crypto API.
func derFromRaw(raw []byte) ([]byte, error) {
	if len(raw) == 0 || len(raw)%2 != 0 {
		return nil, veneer.ErrCommunicationFailure
	}
	n := len(raw) / 2
	return asn1.Marshal(ecdsaSignature{new(big.Int).SetBytes(raw[:n]), new(big.Int).SetBytes(raw[n:])})
}

var errSignatureForm = errors.New("no ECDSA signature in DER")

// rawFromDER is the inverse of derFromRaw for a curve of a number of bits.
func rawFromDER(der []byte, bits int) ([]byte, error) {
	var s ecdsaSignature
	_, err := asn1.Unmarshal(der, &s)
	if err != nil || s.R.Sign() <= 0 || s.S.Sign() <= 0 || s.R.BitLen() > bits || s.S.BitLen() > bits {
		return nil, errSignatureForm
	}
	// Unmarshal looks past elements after the second and bytes after the last;
	// a signature has one form.
	if again, err := asn1.Marshal(s); err != nil || !bytes.Equal(again, der) {
		return nil, errSignatureForm
	}
	n := (bits + 7) / 8
	raw := make([]byte, 2*n)
	s.R.FillBytes(raw[:n])
	s.S.FillBytes(raw[n:])
	return raw, nil
}

// curveHash is the hash that goes with a curve.
func curveHash(bits uint16) psa.Algorithm {
	switch {
	case bits <= 256:
		return psa.SHA256
	case bits <= 384:
		return psa.SHA384
	}
	return psa.SHA512
}
