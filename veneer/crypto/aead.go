package crypto

import (
	"crypto/cipher"
	"slices"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// Seal encrypts and authenticates plaintext, authenticates ad, and appends
// ciphertext and tag to dst (psa_aead_encrypt). A nonce must not be used twice
// with the same key; it has at most MaxNonce bytes, 12 for GCM. To reuse
// plaintext's storage for the result, use plaintext[:0] as dst; they must not
// overlap otherwise. The key permits it with psa.UsageEncrypt.
func (c *Client) Seal(dst []byte, key psa.KeyID, alg psa.Algorithm, nonce, plaintext, ad []byte) ([]byte, error) {
	return c.aead(AEADEncrypt, dst, key, alg, nonce, plaintext, ad, len(plaintext)+alg.LengthField())
}

// Open checks and decrypts ciphertext, which ends in its tag, and appends the
// plaintext to dst (psa_aead_decrypt). The rules are Seal's; the key permits it
// with psa.UsageDecrypt. veneer.ErrInvalidSignature: nonce, ciphertext, ad and
// key do not belong together; then nothing of the plaintext is given.
func (c *Client) Open(dst []byte, key psa.KeyID, alg psa.Algorithm, nonce, ciphertext, ad []byte) ([]byte, error) {
	return c.aead(AEADDecrypt, dst, key, alg, nonce, ciphertext, ad, max(0, len(ciphertext)-alg.LengthField()))
}

func (c *Client) aead(fn FunctionID, dst []byte, key psa.KeyID, alg psa.Algorithm, nonce, data, ad []byte, size int) ([]byte, error) {
	if len(nonce) > MaxNonce {
		return nil, veneer.ErrInvalidArgument
	}
	r := c.begin(fn)
	r.Key, r.Alg = key, alg
	r.NonceLength = uint32(copy(r.Nonce[:], nonce))
	r.send(data)
	r.send(ad)
	dst = slices.Grow(dst, size)
	n, err := c.fill(r, dst[len(dst):len(dst)+size])
	if err != nil {
		return nil, err
	}
	return dst[:len(dst)+n], nil
}

// AEAD returns the key as a cipher.AEAD with a nonce of 12 bytes. Its Seal
// panics with a veneer.Status when the service refuses or cannot be reached,
// since a cipher.AEAD has no other way to say so; who expects that, uses
// Client.Seal.
func (c *Client) AEAD(key psa.KeyID, alg psa.Algorithm) cipher.AEAD { return &keyAEAD{c, key, alg} }

type keyAEAD struct {
	c   *Client
	key psa.KeyID
	alg psa.Algorithm
}

const aeadNonceSize = 12

func (a *keyAEAD) NonceSize() int { return aeadNonceSize }
func (a *keyAEAD) Overhead() int  { return a.alg.LengthField() }

func (a *keyAEAD) Seal(dst, nonce, plaintext, ad []byte) []byte {
	out, err := a.c.Seal(dst, a.key, a.alg, nonce, plaintext, ad)
	if err != nil {
		panic(err)
	}
	return out
}

func (a *keyAEAD) Open(dst, nonce, ciphertext, ad []byte) ([]byte, error) {
	return a.c.Open(dst, a.key, a.alg, nonce, ciphertext, ad)
}
