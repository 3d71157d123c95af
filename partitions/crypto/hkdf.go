package crypto

import (
	stdcrypto "crypto"
	"crypto/hmac"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// maxInput is the longest salt or info in bytes, each: they are kept until they
// are used, and a session can have many derivations. With the default limit of
// operations that is 4 MiB of them for a session.
const maxInput = 8 << 10

// hkdf is a derivation with PSA_ALG_HKDF (RFC 5869). Its inputs: the salt, if
// any, before the secret; the secret; the info, if any, at any time before the
// first output; each once. ErrInsufficientMemory: a salt or info of more than
// maxInput.
type hkdf struct {
	alg  psa.Algorithm
	hash stdcrypto.Hash

	salt, info       []byte
	hasSalt, hasInfo bool
	prk              material // from the secret on
	fromKey          bool     // the secret was a key
	started          bool     // output has begun

	capacity uint32
	block    []byte // T(counter), and in it from rest on what is not given yet
	rest     int
	counter  byte
}

func newHKDF(alg psa.Algorithm) *hkdf {
	h := stdHash(alg.Hash())
	return &hkdf{alg: alg, hash: h, capacity: 255 * uint32(h.Size())}
}

// end wipes the derivation.
func (d *hkdf) end() {
	d.prk.wipe()
	clear(d.salt)
	clear(d.info)
	clear(d.block)
	d.salt, d.info, d.block = nil, nil, nil
}

// input gives data to a step; fromKey says that it is a key's material.
func (d *hkdf) input(step psa.DerivationStep, data []byte, fromKey bool) error {
	switch {
	case step != psa.StepSalt && step != psa.StepSecret && step != psa.StepInfo:
		return veneer.ErrInvalidArgument
	case d.started:
		return veneer.ErrBadState
	}
	switch keyed := d.prk.size() > 0; step {
	case psa.StepSalt:
		if d.hasSalt || keyed {
			return veneer.ErrBadState
		}
		if len(data) > maxInput {
			return veneer.ErrInsufficientMemory
		}
		d.hasSalt = true
		d.salt = append([]byte(nil), data...)
	case psa.StepSecret:
		if keyed {
			return veneer.ErrBadState
		}
		// An absent salt is one of zeros, which HMAC makes of an empty one.
		extract := hmac.New(d.hash.New, d.salt)
		extract.Write(data)
		d.prk = material{b: extract.Sum(nil)}
		d.fromKey = fromKey
	case psa.StepInfo:
		if d.hasInfo {
			return veneer.ErrBadState
		}
		if len(data) > maxInput {
			return veneer.ErrInsufficientMemory
		}
		d.hasInfo = true
		d.info = append([]byte(nil), data...)
	}
	return nil
}

// read gives the next bytes of the output stream. ErrInsufficientData: there are
// not so many left, and now none.
func (d *hkdf) read(out []byte) error {
	if d.prk.size() == 0 {
		return veneer.ErrBadState
	}
	d.started = true
	if uint64(len(out)) > uint64(d.capacity) {
		d.capacity = 0
		return veneer.ErrInsufficientData
	}
	d.capacity -= uint32(len(out))
	for len(out) > 0 {
		if d.rest == len(d.block) {
			// T(n) = HMAC(prk, T(n-1) || info || n); the capacity keeps n a byte.
			d.counter++
			expand := hmac.New(d.hash.New, d.prk.bytes())
			expand.Write(d.block)
			expand.Write(d.info)
			expand.Write([]byte{d.counter})
			d.block, d.rest = expand.Sum(d.block[:0]), 0
		}
		n := copy(out, d.block[d.rest:])
		out, d.rest = out[n:], d.rest+n
	}
	return nil
}
