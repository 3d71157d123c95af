package ps

import (
	"encoding/binary"
	"errors"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// keysKept is how many derived keys stay in Crypto for the next use, besides the
// partition's own: more owners than this at a time are rare.
const keysKept = 8

// What the keys are derived for.
const (
	ownerLabel  = "PS owner" // with the owner, i32
	secretLabel = "PS fingerprints"
)

// cryptoSealer is the Sealer over the Crypto partition.
type cryptoSealer struct {
	crypto *crypto.Client
	own    keptKey // every change uses it
	kept   [keysKept]keptKey
	next   int // the kept key that gives way next
}

type keptKey struct {
	owner int32
	id    psa.KeyID // psa.NullKey: unused
}

// NewCryptoSealer returns a Sealer whose keys the Crypto partition derives from
// the hardware unique key, keeps and uses, through a gate of a secure partition.
// It is for one goroutine at a time.
func NewCryptoSealer(g veneer.Gate) Sealer { return &cryptoSealer{crypto: crypto.New(g)} }

// Nonce fills p with random bytes of the Crypto partition.
func (s *cryptoSealer) Nonce(p []byte) error { return s.crypto.Random(p) }

// Seal encrypts with the key of an owner.
func (s *cryptoSealer) Seal(dst []byte, owner int32, nonce, plaintext, ad []byte) ([]byte, error) {
	return s.with(owner, func(key psa.KeyID) ([]byte, error) {
		return s.crypto.Seal(dst, key, psa.GCM, nonce, plaintext, ad)
	})
}

// Open decrypts with the key of an owner.
func (s *cryptoSealer) Open(dst []byte, owner int32, nonce, ciphertext, ad []byte) ([]byte, error) {
	return s.with(owner, func(key psa.KeyID) ([]byte, error) {
		return s.crypto.Open(dst, key, psa.GCM, nonce, ciphertext, ad)
	})
}

// with uses the key of an owner, once more with a new one if the key that was
// kept is gone: Crypto may have been restarted.
func (s *cryptoSealer) with(owner int32, use func(psa.KeyID) ([]byte, error)) ([]byte, error) {
	for {
		k, fresh, err := s.key(owner)
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

// key returns the key of an owner, and whether it was derived just now.
func (s *cryptoSealer) key(owner int32) (k *keptKey, fresh bool, err error) {
	for i := range s.kept {
		if k := &s.kept[i]; k.id != psa.NullKey && k.owner == owner && owner != ownKey {
			return k, false, nil
		}
	}
	if k = &s.own; owner != ownKey {
		k = &s.kept[s.next]
		s.next = (s.next + 1) % keysKept
	} else if k.id != psa.NullKey {
		return k, false, nil
	}
	old := k.id
	k.id = psa.NullKey
	if old != psa.NullKey {
		// One that is gone already is as good as destroyed.
		if err := s.crypto.Destroy(old); err != nil && !errors.Is(err, veneer.ErrInvalidHandle) {
			return nil, false, err
		}
	}
	info := binary.LittleEndian.AppendUint32([]byte(ownerLabel), uint32(owner))
	id, err := s.crypto.DeriveKey(psa.HUK, psa.HKDF(psa.SHA256), nil, info, psa.KeyAttributes{
		Type:      psa.KeyAES,
		Bits:      256,
		Usage:     psa.UsageEncrypt | psa.UsageDecrypt,
		Algorithm: psa.GCM,
	})
	if err != nil {
		return nil, false, err
	}
	*k = keptKey{owner, id}
	return k, true, nil
}

// Secret fills p with bytes that are derived for nothing else.
func (s *cryptoSealer) Secret(p []byte) error {
	d, err := s.crypto.NewDerivation(psa.HKDF(psa.SHA256))
	if err != nil {
		return err
	}
	defer d.Abort()
	if err := d.InputKey(psa.StepSecret, psa.HUK); err != nil {
		return err
	}
	if err := d.InputBytes(psa.StepInfo, []byte(secretLabel)); err != nil {
		return err
	}
	return d.OutputBytes(p)
}
