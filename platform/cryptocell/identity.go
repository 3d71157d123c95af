package cryptocell

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"errors"
	"fmt"

	"github.com/postern-spe/postern/platform/aescmac"
	"github.com/postern-spe/postern/platform/keycells"
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
	identityLabel = "KIDENT"
	identitySlots = 2
	gcmTagSize    = 16
	wrapSize      = 32
)

// ErrIdentity is an encrypted identity key that does not decrypt: it, its tag
// or MKEK has been changed.
var ErrIdentity = errors.New("cryptocell: the identity key is damaged")

// tagOffset is where the tag is in the OTP.
func (c *CryptoCell) tagOffset() int { return c.uicr.Layout().OTPSize() - gcmTagSize }

// WriteIdentity makes the identity key of the device: from s, ScalarSize bytes,
// or, where s is nil, at random inside the engine. MKEK must be there:
// ErrKeyMissing. It can be done once in the life of a device.
func (c *CryptoCell) WriteIdentity(s Scalar) error {
	if s != nil {
		if err := s.Check(); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.scalar == nil {
		return ErrClosed
	}
	defer clear(c.scalar)
	if s != nil {
		copy(c.scalar, s)
	} else if err := randomScalar(c.scalar); err != nil {
		return err
	}
	var sealed []byte
	err := c.withAEAD(func(aead cipher.AEAD) error {
		sealed = aead.Seal(nil, make([]byte, aead.NonceSize()), c.scalar, nil)
		return nil
	})
	if err != nil {
		return err
	}
	for i := range identitySlots {
		v := keycells.NewValue(sealed[keycells.ValueSize*i:][:keycells.ValueSize])
		if err := c.kmu.Write(kmu.SlotKIdent+i, kmu.NoDest, kmu.PermIdentity, v); err != nil {
			return err
		}
	}
	return c.uicr.WriteOTP(c.tagOffset(), sealed[ScalarSize:])
}

// HasIdentity reports whether an identity key has been written, and closed. That
// it decrypts shows on use.
func (c *CryptoCell) HasIdentity() (bool, error) {
	for i := range identitySlots {
		cfg, err := c.kmu.Config(kmu.SlotKIdent + i)
		if err != nil || cfg.State != kmu.Active || cfg.Perm != kmu.PermIdentity {
			return false, err
		}
	}
	return true, nil
}

// withAEAD runs f with the cipher that the identity key is encrypted with, which
// f does not keep. The caller holds c.mu.
func (c *CryptoCell) withAEAD(f func(cipher.AEAD) error) error {
	defer clear(c.wrap)
	if err := c.derive(kmu.SlotMKEK, []byte(identityLabel), nil, c.wrap); err != nil {
		return err
	}
	block, err := aes.NewCipher(c.wrap)
	if err != nil {
		return err
	}
	defer aescmac.Wipe(block)
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return err
	}
	defer aescmac.Wipe(aead)
	return f(aead)
}

// private decrypts the identity key, once. The caller holds c.mu.
func (c *CryptoCell) private() (*ecdsa.PrivateKey, error) {
	if c.scalar == nil {
		return nil, ErrClosed
	}
	if c.identity != nil {
		return c.identity, nil
	}
	var sealed [ScalarSize + gcmTagSize]byte
	for i := range identitySlots {
		v, err := c.kmu.Read(kmu.SlotKIdent + i)
		if err != nil {
			if errors.Is(err, kmu.ErrEmpty) {
				err = ErrKeyMissing
			}
			return nil, err
		}
		v.CopyTo(sealed[keycells.ValueSize*i:])
	}
	if err := c.uicr.ReadOTP(c.tagOffset(), sealed[ScalarSize:]); err != nil {
		return nil, err
	}
	defer clear(c.scalar)
	err := c.withAEAD(func(aead cipher.AEAD) error {
		// In place: no other memory ever holds the plaintext.
		_, err := aead.Open(c.scalar[:0], make([]byte, aead.NonceSize()), sealed[:], nil)
		if err == nil {
			c.identity, err = parse(c.scalar)
		}
		if err != nil {
			return ErrIdentity
		}
		return nil
	})
	return c.identity, err
}

// IdentityPublicKey returns the public identity key as an uncompressed point:
// 0x04, X, Y, 65 bytes. ErrKeyMissing without one, ErrIdentity for one that is
// damaged.
func (c *CryptoCell) IdentityPublicKey() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, err := c.private()
	if err != nil {
		return nil, err
	}
	return key.PublicKey.Bytes()
}

// SignIdentity signs a hash of HashSize bytes with the identity key: ECDSA on
// P-256, r and s of 32 bytes each, big-endian. Errors as IdentityPublicKey.
func (c *CryptoCell) SignIdentity(hash []byte) ([]byte, error) {
	if len(hash) != HashSize {
		return nil, fmt.Errorf("cryptocell: a hash of %d bytes, not %d", len(hash), HashSize)
	}
	c.mu.RLock()
	if c.identity != nil {
		defer c.mu.RUnlock()
		return sign(c.identity, hash)
	}
	c.mu.RUnlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	key, err := c.private()
	if err != nil {
		return nil, err
	}
	return sign(key, hash)
}

// forget ends the use of the decrypted identity key. The caller holds c.mu.
func (c *CryptoCell) forget() {
	if c.identity != nil {
		forget(c.identity)
		c.identity = nil
	}
}
