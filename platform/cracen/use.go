package cracen

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/postern-spe/postern/platform/aescmac"
	"github.com/postern-spe/postern/platform/keycells"
)

// Use calls f with the value of a key, as the PSA Crypto API would export it: the
// KMU pushes it to where its scheme says, and after f it is wiped there. It is for
// the crypto engine alone, whatever the key's usage flags; f checks them. key is in
// secret memory, and gone when f returns, which does not keep it and calls
// nothing of CRACEN, Engine or KMU; they all wait for it. f's error is Use's.
//
// ErrDoesNotExist; ErrNotPermitted for a revoked or blocked key and for the seed;
// ErrInvalidArgument for the slots that invalidate the protected RAM;
// ErrCorruptionDetected for an ENCRYPTED key that does not decrypt, and for slots
// that do not push to where the driver has them; ErrHardwareFailure.
func (c *CRACEN) Use(id uint32, f func(key []byte) error) error {
	for _, a := range builtin {
		if a.ID == id {
			return ErrNotPermitted
		}
	}
	defer c.mu.Unlock()
	if err := c.begin(); err != nil {
		return err
	}
	a, p, err := c.find(id)
	if err != nil {
		return err
	}
	if p.First == SlotInvalidation {
		return fmt.Errorf("%w: slot %d holds no key to use", ErrInvalidArgument, p.First)
	}
	scheme, _, _ := ParseKeyID(id)
	switch scheme {
	case Seed:
		return ErrNotPermitted
	case Protected:
		return c.useProtected(a, p, f)
	}
	defer c.engine.expect() // clears the push area
	if err := c.push(p); err != nil {
		return err
	}
	if scheme == Encrypted {
		return c.useEncrypted(a, p, f)
	}
	return c.useArea(a, p, f)
}

// push pushes all slots of a key.
func (c *CRACEN) push(p Placement) error {
	c.engine.expect()
	for slot := p.First; slot <= p.Last; slot++ {
		err := slotError(c.kmu.Push(slot))
		if slot != p.First && errors.Is(err, ErrDoesNotExist) {
			err = fmt.Errorf("%w: slot %d of the key is empty", ErrCorruptionDetected, slot)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *CRACEN) useProtected(a Attributes, p Placement, f func(key []byte) error) (err error) {
	// Whatever comes of it, the random bytes go over the key. Without them no key
	// is pushed at all.
	if err := c.invalidate(); err != nil {
		return err
	}
	defer func() {
		if e := c.invalidate(); e != nil {
			err = e
		}
	}()
	if err := c.push(p); err != nil {
		return err
	}
	return c.engine.lend(memProtected+int(ProtectedAESKey0-ProtectedSeed), a.storedSize(), 8, p.Slots(), f)
}

// invalidate pushes the two slots of random bytes into AES_KEY0.
func (c *CRACEN) invalidate() error {
	for slot := SlotInvalidation; slot <= SlotInvalidation+1; slot++ {
		if err := c.kmu.Push(slot); err != nil {
			return fmt.Errorf("%w: wiping the protected RAM: %w", ErrHardwareFailure, err)
		}
	}
	return nil
}

func (c *CRACEN) useArea(a Attributes, p Placement, f func(key []byte) error) error {
	prefix := a.ValueSize() - a.storedSize()
	return c.engine.lend(memArea-prefix, a.ValueSize(), 0, p.Slots(), func(key []byte) error {
		if prefix == 1 {
			key[0] = 0x04
		}
		return f(key)
	})
}

// An ENCRYPTED key is in its slots
//
//	nonce       16 random bytes, of which GCM takes 12
//	ciphertext  the value, with zeros up to whole slots
//	tag         16 bytes
//
// encrypted with AES-256-GCM under a key that is derived from MKEK with the label
// "KMU" and the 16 bytes as the context; the metadata word, little-endian, is
// authenticated with it.
const wrapLabel = "KMU"

// wrapping calls f with the AEAD of a nonce, and the metadata to authenticate.
func (c *CRACEN) wrapping(nonce []byte, m Metadata, f func(aead cipher.AEAD, ad []byte) error) error {
	defer clear(c.wrap)
	err := c.rootKeys(func(k rootKeys) error {
		return aescmac.Derive(k.mkek, []byte(wrapLabel), nonce, aescmac.DefaultCapacity, c.wrap)
	})
	if err != nil {
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
	return f(aead, binary.LittleEndian.AppendUint32(nil, uint32(m)))
}

// encrypt makes in c.work what the slots of p hold of a value of size bytes.
func (c *CRACEN) encrypt(p Placement, size int, value func(p []byte) error) error {
	nonce := c.work[:keycells.ValueSize]
	if err := c.fillRandom(nonce); err != nil {
		return err
	}
	text := c.work[keycells.ValueSize:][:(p.Slots()-2)*keycells.ValueSize]
	if err := value(text[:size]); err != nil {
		return err
	}
	return c.wrapping(nonce, p.Metadata, func(aead cipher.AEAD, ad []byte) error {
		aead.Seal(text[:0], nonce[:aead.NonceSize()], text, ad)
		return nil
	})
}

// useEncrypted decrypts, in place, what has been pushed into the push area.
func (c *CRACEN) useEncrypted(a Attributes, p Placement, f func(key []byte) error) error {
	var nonce [keycells.ValueSize]byte
	err := c.engine.lend(memArea, len(nonce), 0, p.Slots(), func(p []byte) error {
		copy(nonce[:], p)
		return nil
	})
	if err != nil {
		return err
	}
	return c.wrapping(nonce[:], p.Metadata, func(aead cipher.AEAD, ad []byte) error {
		return c.engine.lend(memArea, p.Slots()*keycells.ValueSize, 0, p.Slots(), func(area []byte) error {
			text := area[keycells.ValueSize:]
			if _, err := aead.Open(text[:0], nonce[:aead.NonceSize()], text, ad); err != nil {
				return fmt.Errorf("%w: the key does not decrypt", ErrCorruptionDetected)
			}
			key := text[:a.storedSize()]
			if a.ValueSize() > len(key) {
				// The nonce has had its use: its last byte becomes the point's first.
				key = area[keycells.ValueSize-1:][:a.ValueSize()]
				key[0] = 0x04
			}
			return f(key)
		})
	})
}
