package attestation

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"
)

// Sizes in bytes.
const (
	signatureSize  = 64 // ES256: r||s
	pointSize      = 65 // an uncompressed point on P-256
	instanceIDSize = 33 // the type of the ID and a SHA-256
)

// ueidRand is the type of an EAT UEID whose rest is as good as random (RFC 9711,
// section 4.2.1).
const ueidRand = 0x01

// codec writes tokens: a COSE_Sign1 structure, tag 18, around claims in CBOR's
// core deterministic encoding.
type codec struct{ mode cbor.EncMode }

func newCodec() codec {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err) // the options are the library's own
	}
	return codec{mode}
}

// message returns the token before its signature. The protected header names the
// algorithm; the unprotected one is empty, so that every byte of a token is
// under the signature.
func (c codec) message(claims *claimSet) (*cose.Sign1Message, error) {
	payload, err := c.mode.Marshal(claims)
	if err != nil {
		return nil, err
	}
	m := cose.NewSign1Message()
	m.Headers.Protected.SetAlgorithm(cose.AlgorithmES256)
	m.Payload = payload
	return m, nil
}

// signedSize returns the size in bytes that m has as a signed token. An ES256
// signature has one length, so any other of that length will do.
func signedSize(m *cose.Sign1Message) (int, error) {
	signed := *m
	signed.Signature = make([]byte, signatureSize)
	b, err := signed.MarshalCBOR()
	return len(b), err
}

// sign returns m as a signed token.
func sign(m *cose.Sign1Message, key signer) ([]byte, error) {
	if err := m.Sign(nil, nil, coseSigner{key}); err != nil {
		return nil, err
	}
	return m.MarshalCBOR()
}

// instanceID returns the UEID of a device with this identity key, by TF-M's
// rule: 0x01 and the SHA-256 of the public key as a CBOR-encoded COSE_Key with
// the parameters kty, crv, x and y, in this order, which is also the
// deterministic one. RFC 9783 leaves the rule to the implementation.
func (c codec) instanceID(key signer) ([]byte, error) {
	point, err := key.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("identity key: %w", err)
	}
	if len(point) != pointSize || point[0] != 4 {
		return nil, errors.New("the identity key is not on P-256")
	}
	coseKey, err := c.mode.Marshal(struct {
		Type  int    `cbor:"1,keyasint"`
		Curve int    `cbor:"-1,keyasint"`
		X     []byte `cbor:"-2,keyasint"`
		Y     []byte `cbor:"-3,keyasint"`
	}{
		Type:  2, // EC2 (RFC 9053, section 7.1.1)
		Curve: 1, // P-256
		X:     point[1:33],
		Y:     point[33:],
	})
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(coseKey)
	return append([]byte{ueidRand}, hash[:]...), nil
}

// coseSigner is the identity key as go-cose wants it: it is given the
// Sig_structure (RFC 9052, section 4.4) to hash and sign.
type coseSigner struct{ key signer }

var _ cose.Signer = coseSigner{}

func (s coseSigner) Algorithm() cose.Algorithm { return cose.AlgorithmES256 }

func (s coseSigner) Sign(_ io.Reader, content []byte) ([]byte, error) {
	hash := sha256.Sum256(content)
	sig, err := s.key.SignIdentity(hash[:])
	if err != nil {
		return nil, fmt.Errorf("identity key: %w", err)
	}
	if len(sig) != signatureSize {
		return nil, fmt.Errorf("identity key: a signature of %d bytes", len(sig))
	}
	return sig, nil
}
