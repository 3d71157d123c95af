package crypto

import (
	"crypto/ecdsa"
	"crypto/rand"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// signHash is psa_sign_hash.
func (p *partition) signHash(r *request) error {
	if !r.Alg.IsSignHash() {
		return veneer.ErrInvalidArgument
	}
	return p.sign(r, psa.UsageSignHash, r.input(1))
}

// signMessage is psa_sign_message, for algorithms that sign a message's hash.
func (p *partition) signMessage(r *request) error {
	if err := checkMessageHash(r.Alg); err != nil {
		return err
	}
	return p.sign(r, psa.UsageSignMessage, digest(&r.digest, r.Alg.Hash(), r.input(1)))
}

// verifyHash is psa_verify_hash.
func (p *partition) verifyHash(r *request) error {
	if !r.Alg.IsSignHash() {
		return veneer.ErrInvalidArgument
	}
	return p.verify(r, psa.UsageVerifyHash, r.input(1))
}

// verifyMessage is psa_verify_message.
func (p *partition) verifyMessage(r *request) error {
	if err := checkMessageHash(r.Alg); err != nil {
		return err
	}
	return p.verify(r, psa.UsageVerifyMessage, digest(&r.digest, r.Alg.Hash(), r.input(1)))
}

// checkMessageHash checks that alg signs messages by way of a hash that the
// partition has.
func checkMessageHash(alg psa.Algorithm) error {
	switch {
	case !alg.IsSignMessage() || alg.IsWildcard():
		return veneer.ErrInvalidArgument
	case stdHash(alg.Hash()) == 0:
		return veneer.ErrNotSupported
	}
	return nil
}

// checkECDSA checks that the key and the hash are of the algorithm's kind.
func checkECDSA(k *key, alg psa.Algorithm, hash []byte) error {
	switch {
	case !k.attrs.Type.IsECC() || !alg.IsECDSA():
		return veneer.ErrInvalidArgument
	case alg.IsDeterministicECDSA() && stdHash(alg.Hash()) == 0:
		return veneer.ErrNotSupported
	case len(hash) == 0:
		return veneer.ErrInvalidArgument
	case alg == psa.ECDSAAny:
		return nil
	case alg.HashSize() == 0:
		return veneer.ErrNotSupported
	case len(hash) != alg.HashSize():
		return veneer.ErrInvalidArgument
	}
	return nil
}

func (p *partition) sign(r *request, usage psa.Usage, hash []byte) error {
	k, err := p.use(r, usage, r.Alg)
	if err != nil {
		return err
	}
	defer k.release()
	if !k.attrs.Type.IsPair() {
		return veneer.ErrInvalidArgument
	}
	if err := checkECDSA(k, r.Alg, hash); err != nil {
		return err
	}
	size := (int(k.attrs.Bits) + 7) / 8
	if r.m.OutSize(0) < 2*size {
		return veneer.ErrBufferTooSmall
	}
	sig, err := k.signECDSA(r.Alg, hash, size)
	if err != nil {
		return err
	}
	return r.put(0, sig)
}

// signECDSA returns the signature r||s of numbers of size bytes.
func (k *key) signECDSA(alg psa.Algorithm, hash []byte, size int) ([]byte, error) {
	if k.engine != nil {
		sig, err := k.engine.SignIdentity(hash)
		if err != nil || len(sig) != 2*size {
			return nil, veneer.ErrHardwareFailure
		}
		return sig, nil
	}
	var der []byte
	var err error
	if alg.IsDeterministicECDSA() {
		// With no random source Go signs as RFC 6979 says.
		der, err = k.private.Sign(nil, hash, stdHash(alg.Hash()))
	} else {
		// Go draws the nonce from the key, the hash and the system's generator
		// together, and takes no other: a generator that fails cannot make it
		// repeat.
		der, err = ecdsa.SignASN1(rand.Reader, k.private, hash)
	}
	if err != nil {
		return nil, veneer.ErrGenericError
	}
	return rawSignature(der, size)
}

func (p *partition) verify(r *request, usage psa.Usage, hash []byte) error {
	k, err := p.use(r, usage, r.Alg)
	if err != nil {
		return err
	}
	defer k.release()
	if err := checkECDSA(k, r.Alg, hash); err != nil {
		return err
	}
	sig := r.input(2)
	if size := (int(k.attrs.Bits) + 7) / 8; len(sig) != 2*size {
		return veneer.ErrInvalidSignature
	}
	der, err := derSignature(sig)
	if err != nil || !ecdsa.VerifyASN1(k.public, hash, der) {
		return veneer.ErrInvalidSignature
	}
	return nil
}
