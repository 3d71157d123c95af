// Package trng emulates the true random number generator of the boards, which is
// in the CryptoCell (nRF53, nRF91) or in CRACEN (nRF54L), as the drivers give it
// to the secure world: a source of random bytes, with the health test that takes
// it out of service when the noise is bad. The bytes are the host's
// (crypto/rand), which needs no test; what the health test says is set by Fail.
// Of the generators' registers and their sampling nothing is emulated.
//
// The secure world calls it; nothing of it is an attacker's.
package trng

import (
	"crypto/rand"
	"errors"
	"sync/atomic"
)

// ErrHealth is the generator's answer while its health test fails.
var ErrHealth = errors.New("trng: the health test has failed")

// TRNG is the generator, an io.Reader. The zero value works. It is safe for
// concurrent use.
type TRNG struct{ failed atomic.Bool }

// Read fills p with random bytes, or returns ErrHealth and leaves p as it was.
func (t *TRNG) Read(p []byte) (int, error) {
	if t.failed.Load() {
		return 0, ErrHealth
	}
	return rand.Read(p)
}

// Fail makes the health test fail, or pass again: for tests of what the secure
// world does without randomness.
func (t *TRNG) Fail(failed bool) { t.failed.Store(failed) }
