package ps

import (
	"encoding/binary"
	"errors"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// keysKept is how many derived keys stay in Crypto for the next use: a program
// that works on a few assets derives each key once.
const keysKept = 8

// cryptoSealer is the Sealer over the Crypto partition.
type cryptoSealer struct {
	crypto *crypto.Client
	kept   [keysKept]keptKey
	next   int // the kept key that gives way next
	info   [12]byte
}

type keptKey struct {
	asset Asset
	id    psa.KeyID // psa.NullKey: unused
}

// NewCryptoSealer returns a Sealer whose keys the Crypto partition derives from
// the hardware unique key, keeps and uses, through a gate of a secure partition.
// It is for one goroutine at a time.
func NewCryptoSealer(g veneer.Gate) Sealer { return &cryptoSealer{crypto: crypto.New(g)} }

// Nonce fills p with random bytes of the Crypto partition.
func (s *cryptoSealer) Nonce(p []byte) error { return s.crypto.Random(p) }

// Seal encrypts with the key of an asset.
func (s *cryptoSealer) Seal(dst []byte, a Asset, nonce, plaintext, ad []byte) ([]byte, error) {
	return s.with(a, func(key psa.KeyID) ([]byte, error) {
		return s.crypto.Seal(dst, key, psa.GCM, nonce, plaintext, ad)
	})
}

// Open decrypts with the key of an asset.
func (s *cryptoSealer) Open(dst []byte, a Asset, nonce, ciphertext, ad []byte) ([]byte, error) {
	return s.with(a, func(key psa.KeyID) ([]byte, error) {
		return s.crypto.Open(dst, key, psa.GCM, nonce, ciphertext, ad)
	})
}

// with uses the key of an asset, once more with a new one if the key that was
// kept is gone: Crypto may have been restarted.
func (s *cryptoSealer) with(a Asset, use func(psa.KeyID) ([]byte, error)) ([]byte, error) {
	for {
		k, fresh, err := s.key(a)
		if err != nil {
			return nil, err
		}
		out, err := use(k.id)
		if fresh || !errors.Is(err, veneer.ErrInvalidHandle) {
			return out, err
		}
		k.id = psa.NullKey
	}
}

// key returns the key of an asset, and whether it was derived just now.
func (s *cryptoSealer) key(a Asset) (k *keptKey, fresh bool, err error) {
	for i := range s.kept {
		if k := &s.kept[i]; k.id != psa.NullKey && k.asset == a {
			return k, false, nil
		}
	}
	k = &s.kept[s.next]
	s.next = (s.next + 1) % keysKept
	old := k.id
	k.id = psa.NullKey
	if old != psa.NullKey {
		// One that is gone already is as good as destroyed.
		if err := s.crypto.Destroy(old); err != nil && !errors.Is(err, veneer.ErrInvalidHandle) {
			return nil, false, err
		}
	}
	binary.LittleEndian.PutUint32(s.info[:], uint32(a.Owner))
	binary.LittleEndian.PutUint64(s.info[4:], a.UID)
	id, err := s.crypto.DeriveKey(psa.HUK, psa.HKDF(psa.SHA256), nil, s.info[:], psa.KeyAttributes{
		Type:      psa.KeyAES,
		Bits:      256,
		Usage:     psa.UsageEncrypt | psa.UsageDecrypt,
		Algorithm: psa.GCM,
	})
	if err != nil {
		return nil, false, err
	}
	*k = keptKey{a, id}
	return k, true, nil
}
