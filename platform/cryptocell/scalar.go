package cryptocell

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"math/big"
)

// ScalarSize is the size of a P-256 private key in bytes.
const ScalarSize = 32

// HashSize is the size of what SignIdentity signs, in bytes.
const HashSize = 32

// Scalar is a P-256 private key, big-endian, on its way into a device. It
// prints as a fixed word.
type Scalar []byte

// Format prints a fixed word.
func (Scalar) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[key]") }

// LogValue prints a fixed word.
func (Scalar) LogValue() slog.Value { return slog.StringValue("[key]") }

// Check reports whether s is a private key at all, and never what it is.
func (s Scalar) Check() error {
	if len(s) != ScalarSize || !inRange(s) {
		return fmt.Errorf("cryptocell: not a P-256 private key of %d bytes", ScalarSize)
	}
	return nil
}

// inRange reports whether 0 < s < n, the order of P-256, without a branch on s.
func inRange(s []byte) bool {
	n := elliptic.P256().Params().N.FillBytes(make([]byte, ScalarSize))
	var any, borrow int
	for i := ScalarSize - 1; i >= 0; i-- {
		any |= int(s[i])
		borrow = (int(s[i]) - int(n[i]) - borrow) >> 8 & 1
	}
	return any != 0 && borrow == 1
}

// randomScalar fills s with a private key, all of which are equally likely.
func randomScalar(s []byte) error {
	for {
		if _, err := rand.Read(s); err != nil {
			return err
		}
		if inRange(s) { // all but once in 2^32
			return nil
		}
	}
}

// sign is ECDSA: r and s of 32 bytes each, big-endian.
func sign(key *ecdsa.PrivateKey, hash []byte) (sig []byte, err error) {
	sig = make([]byte, 2*ScalarSize)
	erasing(func() {
		var r, s *big.Int
		if r, s, err = ecdsa.Sign(rand.Reader, key, hash); err == nil {
			r.FillBytes(sig[:ScalarSize])
			s.FillBytes(sig[ScalarSize:])
		}
	})
	if err != nil {
		return nil, err
	}
	return sig, nil
}

// parse makes the private key of a scalar, which has been checked or decrypted.
func parse(scalar []byte) (key *ecdsa.PrivateKey, err error) {
	erasing(func() { key, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar) })
	return key, err
}

// forget wipes what can be reached of a private key, which is not used again.
// crypto/ecdsa's own form of it cannot.
func forget(key *ecdsa.PrivateKey) {
	//lint:ignore SA1019 nothing else wipes it
	clear(key.D.Bits())
}
