// Package trng emulates the true random number generator in the nRF5340's
// CryptoCell: a source of random bytes, with the health test that takes it out
// of service when the noise is bad. The bytes are the host's (crypto/rand); of
// the generator's registers and its sampling nothing is emulated.
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
