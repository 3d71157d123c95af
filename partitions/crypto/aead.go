package crypto

import (
	"crypto/cipher"
	"sync/atomic"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

const (
	gcmNonce  = 12
	gcmMinTag = 12
	gcmMaxTag = 16
)

// gcmCache keeps the key's GCM of the tag length that was used last, with the
// ordinary nonce.
type gcmCache struct{ p atomic.Pointer[gcm] }

type gcm struct {
	cipher.AEAD
	tag int
}

func (c *gcmCache) drop() { c.p.Store(nil) }

// gcm returns the key's GCM with a tag and a nonce of these lengths in bytes.
func (k *key) gcm(tag, nonce int) (cipher.AEAD, error) {
	if nonce == gcmNonce {
		if g := k.aead.p.Load(); g != nil && g.tag == tag {
			return g.AEAD, nil
		}
	}
	switch {
	case nonce == 0:
		return nil, veneer.ErrInvalidArgument
	case tag < gcmMinTag || tag > gcmMaxTag:
		// 4 and 8 are legal, but Go has no GCM with so short a tag: forging one
		// takes few enough tries that it should not.
		if tag == 4 || tag == 8 {
			return nil, veneer.ErrNotSupported
		}
		return nil, veneer.ErrInvalidArgument
	case nonce != gcmNonce && tag == gcmMaxTag:
		return wrapGCM(cipher.NewGCMWithNonceSize(k.block, nonce))
	case nonce != gcmNonce:
		// Go does not do both at once.
		return nil, veneer.ErrNotSupported
	}
	a, err := wrapGCM(cipher.NewGCMWithTagSize(k.block, tag))
	if err == nil {
		k.aead.p.Store(&gcm{a, tag})
	}
	return a, err
}

func wrapGCM(a cipher.AEAD, err error) (cipher.AEAD, error) {
	if err != nil {
		return nil, veneer.ErrNotSupported
	}
	return a, nil
}

// useAEAD is use for an AEAD, and returns the cipher too.
func (p *partition) useAEAD(r *request, usage psa.Usage) (*key, cipher.AEAD, error) {
	if !r.Alg.IsAEAD() || r.NonceLength > contract.MaxNonce {
		return nil, nil, veneer.ErrInvalidArgument
	}
	k, err := p.use(r, usage, r.Alg)
	if err != nil {
		return nil, nil, err
	}
	a, err := k.cipher(r.Alg, int(r.NonceLength))
	if err != nil {
		k.release()
		return nil, nil, err
	}
	return k, a, nil
}

func (k *key) cipher(alg psa.Algorithm, nonce int) (cipher.AEAD, error) {
	switch {
	case alg.IsGCM() && k.block != nil:
		return k.gcm(alg.LengthField(), nonce)
	case k.attrs.Type.BlockSize() == 0 || alg.IsGCM():
		return nil, veneer.ErrInvalidArgument
	}
	return nil, veneer.ErrNotSupported
}

// aeadEncrypt is psa_aead_encrypt: input 1 is the plaintext, 2 the additional
// data.
func (p *partition) aeadEncrypt(r *request) error {
	k, a, err := p.useAEAD(r, psa.UsageEncrypt)
	if err != nil {
		return err
	}
	defer k.release()
	plain, ad := r.input(1), r.input(2)
	if r.m.OutSize(0) < len(plain)+a.Overhead() {
		return veneer.ErrBufferTooSmall
	}
	n := len(a.Seal(r.room(0)[:0], r.Nonce[:r.NonceLength], plain, ad))
	r.wrote(0, n)
	return nil
}

// aeadDecrypt is psa_aead_decrypt: input 1 is the ciphertext with its tag. When
// the tag is wrong, Open has cleared what it had decrypted.
func (p *partition) aeadDecrypt(r *request) error {
	k, a, err := p.useAEAD(r, psa.UsageDecrypt)
	if err != nil {
		return err
	}
	defer k.release()
	sealed, ad := r.input(1), r.input(2)
	size := len(sealed) - a.Overhead()
	switch {
	case size < 0:
		return veneer.ErrInvalidArgument
	case r.m.OutSize(0) < size:
		return veneer.ErrBufferTooSmall
	}
	out := r.room(0)
	plain, err := a.Open(out[:0], r.Nonce[:r.NonceLength], sealed, ad)
	r.wrote(0, len(plain))
	if err != nil {
		return veneer.ErrInvalidSignature
	}
	return nil
}
