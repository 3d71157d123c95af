package crypto

import (
	stdcrypto "crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"io"
	"math/big"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// hashes are the hash algorithms that a crypto.SignerOpts can name.
var hashes = map[stdcrypto.Hash]psa.Algorithm{
	stdcrypto.SHA224: psa.SHA224, stdcrypto.SHA256: psa.SHA256, stdcrypto.SHA384: psa.SHA384,
	stdcrypto.SHA512: psa.SHA512, stdcrypto.SHA512_256: psa.SHA512_256,
	stdcrypto.SHA3_224: psa.SHA3_224, stdcrypto.SHA3_256: psa.SHA3_256,
	stdcrypto.SHA3_384: psa.SHA3_384, stdcrypto.SHA3_512: psa.SHA3_512,
}

// Signer returns an ECC key pair as a standard crypto.Signer, for crypto/x509 and
// crypto/tls: Public is an *ecdsa.PublicKey, and signatures are ASN.1 DER. It is
// also a crypto.MessageSigner, for keys that sign messages only. The random
// source given to Sign is ignored: the secure world has its own.
//
// veneer.ErrNotSupported: the key is no ECC key pair on P-256, P-384 or P-521
// that does ECDSA.
func (c *Client) Signer(id psa.KeyID) (stdcrypto.Signer, error) {
	attrs, err := c.Attributes(id)
	if err != nil {
		return nil, err
	}
	if attrs.Type != psa.ECCPair(psa.SECPR1) || !attrs.Algorithm.IsECDSA() {
		return nil, veneer.ErrNotSupported
	}
	public, err := c.PublicKey(id)
	if err != nil {
		return nil, err
	}
	return &signer{c, id, attrs.Algorithm, public}, nil
}

// PublicKey returns the public key of an ECC key on P-256, P-384 or P-521.
func (c *Client) PublicKey(id psa.KeyID) (*ecdsa.PublicKey, error) {
	point, err := c.ExportPublic(id)
	if err != nil {
		return nil, err
	}
	var curve elliptic.Curve
	switch len(point) {
	case 1 + 2*32:
		curve = elliptic.P256()
	case 1 + 2*48:
		curve = elliptic.P384()
	case 1 + 2*66:
		curve = elliptic.P521()
	default:
		return nil, veneer.ErrNotSupported
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, veneer.ErrNotSupported
	}
	return public, nil
}

type signer struct {
	c      *Client
	id     psa.KeyID
	policy psa.Algorithm
	public *ecdsa.PublicKey
}

var (
	_ stdcrypto.Signer        = (*signer)(nil)
	_ stdcrypto.MessageSigner = (*signer)(nil)
)

func (s *signer) Public() stdcrypto.PublicKey { return s.public }

func (s *signer) Sign(_ io.Reader, digest []byte, opts stdcrypto.SignerOpts) ([]byte, error) {
	return s.sign(SignHash, digest, opts)
}

func (s *signer) SignMessage(_ io.Reader, message []byte, opts stdcrypto.SignerOpts) ([]byte, error) {
	return s.sign(SignMessage, message, opts)
}

func (s *signer) sign(fn FunctionID, input []byte, opts stdcrypto.SignerOpts) ([]byte, error) {
	alg, err := s.algorithm(opts)
	if err != nil {
		return nil, err
	}
	var buf [MaxSignature]byte
	n, err := s.c.sign(fn, buf[:], s.id, alg, input)
	if err != nil {
		return nil, err
	}
	if n == 0 || n%2 != 0 {
		return nil, veneer.ErrCommunicationFailure
	}
	return asn1.Marshal(struct{ R, S *big.Int }{
		new(big.Int).SetBytes(buf[:n/2]), new(big.Int).SetBytes(buf[n/2 : n]),
	})
}

// algorithm is the one algorithm that the policy and the options agree on.
func (s *signer) algorithm(opts stdcrypto.SignerOpts) (psa.Algorithm, error) {
	if s.policy == psa.ECDSAAny {
		return s.policy, nil
	}
	var hash psa.Algorithm
	if opts != nil {
		hash = hashes[opts.HashFunc()]
	}
	switch {
	case hash == psa.AlgNone:
		return 0, veneer.ErrInvalidArgument
	case s.policy.Hash() == hash:
		return s.policy, nil
	case s.policy.Hash() != psa.AnyHash:
		return 0, veneer.ErrNotPermitted
	case s.policy.IsDeterministicECDSA():
		return psa.DeterministicECDSA(hash), nil
	}
	return psa.ECDSA(hash), nil
}
