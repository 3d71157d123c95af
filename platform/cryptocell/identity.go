package cryptocell

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/postern-spe/postern/platform/kmu"
)

// The identity key (the initial attestation key, IAK) is a P-256 private key.
// As on the chip it rests encrypted under a key derived from MKEK in the slots
// KIDENT and KIDENT+1, readable by the processor and pushed nowhere. The scheme
// of Nordic's library is not public; here it is AES-256-GCM:
//
//	key         kdf(MKEK, label "KIDENT", no context), 32 bytes
//	nonce       12 zero bytes: the key encrypts this one message in the life of
//	            the device, since the slots can be written once
//	plaintext   the scalar, 32 bytes, big-endian
//	ciphertext  32 bytes: KIDENT and KIDENT+1
//	tag         16 bytes, the last of the OTP, which Nordic's layout leaves free
//
// A changed slot, tag or MKEK fails the tag; the scalar is then not used.
const (
	identityLabel  = "KIDENT"
	identityTagOTP = 0x2F0
	gcmTagSize     = 16
)

// ScalarSize is the size of a P-256 private key in bytes.
const ScalarSize = 32

// HashSize is the size of what SignIdentity signs, in bytes.
const HashSize = 32

// ErrIdentity is an encrypted identity key that does not decrypt: it, its tag
// or MKEK has been changed.
var ErrIdentity = errors.New("cryptocell: the identity key is damaged")

// Scalar is a P-256 private key, big-endian, on its way into a device. It
// prints as a fixed word.
type Scalar []byte

// Format prints a fixed word.
func (Scalar) Format(f fmt.State, _ rune) { io.WriteString(f, "[key]") }

// LogValue prints a fixed word.
func (Scalar) LogValue() slog.Value { return slog.StringValue("[key]") }

// Check reports whether s is a private key at all.
func (s Scalar) Check() error {
	_, err := parseScalar(s)
	return err
}

// WriteIdentity makes the identity key of the device: from s, ScalarSize bytes,
// or, where s is nil, at random inside the engine. MKEK must be there:
// ErrKeyMissing. It can be done once in the life of a device.
func (c *CryptoCell) WriteIdentity(s Scalar) error {
	if s == nil {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		if s, err = key.Bytes(); err != nil {
			return err
		}
		defer clear(s)
	}
	if err := s.Check(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	aead, err := c.identityAEAD()
	if err != nil {
		return err
	}
	sealed := aead.Seal(nil, make([]byte, aead.NonceSize()), s, nil)
	for i := range 2 {
		v := kmu.NewValue(sealed[16*i : 16*i+16])
		if err := c.kmu.Write(kmu.SlotKIdent+i, kmu.NoDest, kmu.PermIdentity, v); err != nil {
			return err
		}
	}
	return c.uicr.WriteOTP(identityTagOTP, sealed[ScalarSize:])
}

// parseScalar never says what it was given.
func parseScalar(s []byte) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), s)
	if err != nil {
		return nil, fmt.Errorf("cryptocell: not a P-256 private key of %d bytes", ScalarSize)
	}
	return key, nil
}

func (c *CryptoCell) identityAEAD() (cipher.AEAD, error) {
	var key [HUKSize]byte
	defer clear(key[:])
	if err := c.derive(kmu.SlotMKEK, []byte(identityLabel), nil, key[:]); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// identityKey decrypts the identity key, once. The caller holds c.mu.
func (c *CryptoCell) identityKey() (*ecdsa.PrivateKey, error) {
	if c.identity != nil {
		return c.identity, nil
	}
	var sealed [ScalarSize + gcmTagSize]byte
	for i := range 2 {
		v, err := c.kmu.Read(kmu.SlotKIdent + i)
		if err != nil {
			if errors.Is(err, kmu.ErrEmpty) {
				err = ErrKeyMissing
			}
			return nil, err
		}
		v.CopyTo(sealed[16*i:])
	}
	if err := c.uicr.ReadOTP(identityTagOTP, sealed[ScalarSize:]); err != nil {
		return nil, err
	}
	aead, err := c.identityAEAD()
	if err != nil {
		return nil, err
	}
	var scalar [ScalarSize]byte
	defer clear(scalar[:])
	if _, err := aead.Open(scalar[:0], make([]byte, aead.NonceSize()), sealed[:], nil); err != nil {
		return nil, ErrIdentity
	}
	key, err := parseScalar(scalar[:])
	if err != nil {
		return nil, err
	}
	c.identity = key
	return key, nil
}

// IdentityPublicKey returns the public identity key as an uncompressed point:
// 0x04, X, Y, 65 bytes.
func (c *CryptoCell) IdentityPublicKey() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, err := c.identityKey()
	if err != nil {
		return nil, err
	}
	return key.PublicKey.Bytes()
}

// SignIdentity signs a hash of HashSize bytes with the identity key: ECDSA on
// P-256, r and s of 32 bytes each, big-endian.
func (c *CryptoCell) SignIdentity(hash []byte) ([]byte, error) {
	if len(hash) != HashSize {
		return nil, fmt.Errorf("cryptocell: a hash of %d bytes, not %d", len(hash), HashSize)
	}
	c.mu.Lock()
	key, err := c.identityKey()
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	r, s, err := ecdsa.Sign(rand.Reader, key, hash)
	if err != nil {
		return nil, err
	}
	sig := make([]byte, 2*ScalarSize)
	r.FillBytes(sig[:ScalarSize])
	s.FillBytes(sig[ScalarSize:])
	return sig, nil
}
