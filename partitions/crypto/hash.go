package crypto

import (
	stdcrypto "crypto"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"hash"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// stdHash returns Go's name of a hash algorithm that the partition has, or 0.
// MD5 and SHA-1 are not among them: nothing new should use them.
func stdHash(alg psa.Algorithm) stdcrypto.Hash {
	switch alg {
	case psa.SHA224:
		return stdcrypto.SHA224
	case psa.SHA256:
		return stdcrypto.SHA256
	case psa.SHA384:
		return stdcrypto.SHA384
	case psa.SHA512:
		return stdcrypto.SHA512
	case psa.SHA512_256:
		return stdcrypto.SHA512_256
	case psa.SHA3_224:
		return stdcrypto.SHA3_224
	case psa.SHA3_256:
		return stdcrypto.SHA3_256
	case psa.SHA3_384:
		return stdcrypto.SHA3_384
	case psa.SHA3_512:
		return stdcrypto.SHA3_512
	}
	return 0
}

// checkHash checks that alg is a hash algorithm that the partition has.
func checkHash(alg psa.Algorithm) error {
	switch {
	case !alg.IsHash():
		return veneer.ErrInvalidArgument
	case stdHash(alg) == 0:
		return veneer.ErrNotSupported
	}
	return nil
}

// digest writes the hash of data to dst and returns it, without a hash object.
func digest(dst *[contract.MaxHashSize]byte, alg psa.Algorithm, data []byte) []byte {
	var n int
	switch alg {
	case psa.SHA224:
		sum := sha256.Sum224(data)
		n = copy(dst[:], sum[:])
	case psa.SHA256:
		sum := sha256.Sum256(data)
		n = copy(dst[:], sum[:])
	case psa.SHA384:
		sum := sha512.Sum384(data)
		n = copy(dst[:], sum[:])
	case psa.SHA512:
		*dst = sha512.Sum512(data)
		n = len(dst)
	case psa.SHA512_256:
		sum := sha512.Sum512_256(data)
		n = copy(dst[:], sum[:])
	case psa.SHA3_224:
		sum := sha3.Sum224(data)
		n = copy(dst[:], sum[:])
	case psa.SHA3_256:
		sum := sha3.Sum256(data)
		n = copy(dst[:], sum[:])
	case psa.SHA3_384:
		sum := sha3.Sum384(data)
		n = copy(dst[:], sum[:])
	case psa.SHA3_512:
		*dst = sha3.Sum512(data)
		n = len(dst)
	}
	return dst[:n]
}

// hashCompute is psa_hash_compute.
func (p *partition) hashCompute(r *request) error {
	if err := checkHash(r.Alg); err != nil {
		return err
	}
	if r.m.OutSize(0) < r.Alg.HashSize() {
		return veneer.ErrBufferTooSmall
	}
	return r.put(0, digest(&r.digest, r.Alg, r.input(1)))
}

// hashCompare is psa_hash_compare.
func (p *partition) hashCompare(r *request) error {
	if err := checkHash(r.Alg); err != nil {
		return err
	}
	return compare(digest(&r.digest, r.Alg, r.input(1)), r.input(2))
}

// compare checks a hash or MAC against the one that the caller has, in time that
// depends on the lengths only.
func compare(want, have []byte) error {
	if subtle.ConstantTimeCompare(want, have) != 1 {
		return veneer.ErrInvalidSignature
	}
	return nil
}

// hashState is the state of a multipart hash.
type hashState struct {
	alg psa.Algorithm
	h   hash.Hash
}

func (s *hashState) end() { s.h.Reset() }

// hashSetup is psa_hash_setup.
func (p *partition) hashSetup(r *request) error {
	return p.setup(r, kindHash, func() (ender, error) {
		if err := checkHash(r.Alg); err != nil {
			return nil, err
		}
		return &hashState{r.Alg, stdHash(r.Alg).New()}, nil
	})
}

// hashUpdate is psa_hash_update.
func (p *partition) hashUpdate(r *request) error {
	return step(r, kindHash, func(s *hashState) error {
		s.h.Write(r.input(1)) // a hash's Write does not fail
		return nil
	})
}

// hashClone is psa_hash_clone. The target's handle comes in input vector 1, and
// has to be 0: the target is inactive.
func (p *partition) hashClone(r *request) error {
	r.m.Read(1, r.scratch[:4])
	target := binary.LittleEndian.Uint32(r.scratch[:])
	if target != 0 {
		r.putWord(target)
		return veneer.ErrBadState
	}
	var clone *hashState
	err := step(r, kindHash, func(s *hashState) error {
		c, err := s.h.(hash.Cloner).Clone()
		if err != nil {
			return veneer.ErrNotSupported
		}
		clone = &hashState{s.alg, c}
		return nil
	})
	if err != nil {
		r.putWord(0)
		return err
	}
	h, err := p.addOperation(r, kindHash, clone)
	if err != nil {
		clone.end()
	}
	r.putWord(h)
	return err
}

// hashFinish is psa_hash_finish.
func (p *partition) hashFinish(r *request) error {
	return finish(r, kindHash, func(s *hashState) error {
		return r.put(1, s.h.Sum(r.digest[:0]))
	})
}

// hashVerify is psa_hash_verify.
func (p *partition) hashVerify(r *request) error {
	return finish(r, kindHash, func(s *hashState) error {
		return compare(s.h.Sum(r.digest[:0]), r.input(1))
	})
}

// canDoHash is TF-M's can_do_hash: 1 if the partition has the algorithm.
func (p *partition) canDoHash(r *request) error {
	var can uint32
	if stdHash(r.Alg) != 0 {
		can = 1
	}
	r.putWord(can)
	return nil
}
