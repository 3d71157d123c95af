package cracen

import (
	"crypto/elliptic"
)

// RootKeySize is the size of MKEK and MEXT in bytes, and of the identity key's
// scalar.
const RootKeySize = 32

// The isolated key generator, IKG, makes three keys of the seed, of 384 bits: a
// P-256 identity key, MKEK and MEXT, of 256 bits each. They are the same whenever
// it is powered, for the life of a seed, and leave it for nobody but this
// package's driver, which derives and signs with them.
//
// That the silicon draws them from a CTR_DRBG is documented; in which order, with
// which inputs, and how it makes a scalar is not. This is the one place that
// fixes it:
//
//	DRBG      CTR_DRBG of SP 800-90A with AES-256, no derivation function;
//	          entropy input: the seed; no personalization, no additional input
//	MKEK      the first 32 bytes, MEXT the next request's 32 bytes
//	identity  the next request's 32 bytes, big-endian, and the one's after that,
//	          until they are a number from 1 to n-1 (FIPS 186-5, A.2.2)
//
// So keys that a chip makes of the same seed are others.

// power generates the keys, or forgets them. The caller holds e.mu.
func (e *Engine) power() {
	on := e.enable&EnablePKEIKG != 0 && e.seedValid
	switch {
	case e.mem == nil:
	case !on:
		clear(e.mem[memRoots : memRoots+3*RootKeySize])
		e.generated = false
	case !e.generated && e.seed == 1<<3-1:
		e.generate()
		e.generated = true
		e.generation++
	}
}

func (e *Engine) generate() {
	roots := e.mem[memRoots : memRoots+3*RootKeySize]
	d := newDRBG(e.mem[memDRBG:memDRBG+drbgSize], e.mem[memProtected:memProtected+SeedSize])
	defer d.wipe()
	d.generate(roots[RootKeySize : 2*RootKeySize])
	d.generate(roots[2*RootKeySize:])
	for ok := false; !ok; {
		d.generate(roots[:RootKeySize])
		ok = scalar(roots[:RootKeySize])
	}
}

// scalar reports whether p, 32 bytes big-endian, is a private key of P-256: 1 to
// n-1. Its time does not depend on p.
func scalar(p []byte) bool {
	n := elliptic.P256().Params().N.Bytes()
	var any byte
	var borrow int
	for i := len(n) - 1; i >= 0; i-- {
		any |= p[i]
		borrow = (int(p[i]) - int(n[i]) - borrow) >> 8 & 1
	}
	return any != 0 && borrow == 1
}

// rootKeys are the keys of the IKG, in its memory.
type rootKeys struct {
	identity, mkek, mext []byte
	generation           uint64
}

// use powers the IKG, in ENABLE, and calls f with the keys, which it must not keep.
// Without a valid seed it returns ErrKeyMissing.
func (e *Engine) use(f func(k rootKeys) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mem == nil {
		return errClosed
	}
	e.enable |= EnablePKEIKG
	e.power()
	if !e.generated {
		return ErrKeyMissing
	}
	p := e.mem[memRoots : memRoots+3*RootKeySize]
	return f(rootKeys{p[:RootKeySize], p[RootKeySize : 2*RootKeySize], p[2*RootKeySize:], e.generation})
}
