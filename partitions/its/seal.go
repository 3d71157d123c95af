package its

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/veneer"
)

// An asset is encrypted with AES-256-GCM under a key of its own, and stored as
//
//	0 nonce, 12 bytes   12 ciphertext   tag, 16 bytes
//
// Its key is derived from the device's master key encryption key with the label
// below and, as context, owner i32 and uid u64. The additional data is that
// context and the flags u32, so that a record cannot stand for another owner's,
// another uid's, or one with other flags; the length the cipher binds itself. All
// numbers are little-endian.
//
// Nonces are numbers of 96 bits that go up by one at every set, from a random one
// at each boot. Within a boot none comes twice, for any asset. Two boots repeat
// one for the same asset only if their ranges meet: with q sets in all, in b
// boots, a chance of less than b*q/2^96. Flash sets the bound for q. 16 MiB that
// endure 10,000 erases take less than 2^32 records, which makes 2^-32 even with a
// boot for every set of one and the same asset. A counter that went on over boots
// would have to be stored, a word for every set, and with an older image it would
// come back too.
const (
	sealLabel      = "ITS asset key"
	nonceSize      = 12
	tagSize        = 16
	sealedOverhead = nonceSize + tagSize
	keySize        = 32
)

// sealer encrypts and decrypts assets. It is for one goroutine at a time.
type sealer struct {
	engine Engine
	high   uint32 // the nonce of the next set: its first 4 bytes,
	low    uint64 // and the other 8
	raw    []byte // an asset as it is stored
	plain  []byte // its contents; cleared after use
	ad     [16]byte
}

// newSealer returns a sealer, nil where there is no engine.
func newSealer(e Engine, random io.Reader) (*sealer, error) {
	if e == nil {
		return nil, nil
	}
	if random == nil {
		return nil, fmt.Errorf("an engine for encryption, and no random bytes: %w", veneer.ErrServiceFailure)
	}
	var start [nonceSize]byte
	if _, err := io.ReadFull(random, start[:]); err != nil {
		return nil, fmt.Errorf("read random bytes: %w: %w", err, veneer.ErrServiceFailure)
	}
	return &sealer{
		engine: e,
		high:   binary.LittleEndian.Uint32(start[:]),
		low:    binary.LittleEndian.Uint64(start[4:]),
	}, nil
}

// nonce writes the next nonce to b.
func (s *sealer) nonce(b []byte) {
	binary.LittleEndian.PutUint32(b, s.high)
	binary.LittleEndian.PutUint64(b[4:], s.low)
	if s.low++; s.low == 0 {
		s.high++
	}
}

// aead returns the cipher of an asset. The key is not kept: what the standard
// library expands it to stays in the heap until it is collected.
func (s *sealer) aead(k flashlog.Key) (cipher.AEAD, error) {
	binary.LittleEndian.PutUint32(s.ad[:], uint32(k.Owner))
	binary.LittleEndian.PutUint64(s.ad[4:], k.UID)
	var key [keySize]byte
	defer clear(key[:])
	if err := s.engine.DeriveMKEK([]byte(sealLabel), s.ad[:12], key[:]); err != nil {
		return nil, fmt.Errorf("derive the key of an asset: %w: %w", err, veneer.ErrStorageFailure)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, veneer.ErrStorageFailure)
	}
	return cipher.NewGCM(block)
}

// additional returns the additional data of the asset that aead was called for.
func (s *sealer) additional(flags flashlog.Flags) []byte {
	binary.LittleEndian.PutUint32(s.ad[12:], uint32(flags))
	return s.ad[:]
}

// seal returns an asset as it is stored. The next operation reuses the slice.
func (s *sealer) seal(k flashlog.Key, flags flashlog.Flags, data []byte) ([]byte, error) {
	aead, err := s.aead(k)
	if err != nil {
		return nil, err
	}
	s.raw = slices.Grow(s.raw[:0], len(data)+sealedOverhead)[:nonceSize]
	s.nonce(s.raw)
	return aead.Seal(s.raw, s.raw, data, s.additional(flags)), nil
}

// open returns the contents of an asset, which the caller clears, and its flags.
// The next operation reuses the slice.
func (s *sealer) open(store *flashlog.Store, k flashlog.Key) ([]byte, flashlog.Flags, error) {
	info, err := store.Stat(k)
	if err != nil {
		return nil, 0, err
	}
	if info.Size < sealedOverhead {
		return nil, 0, fmt.Errorf("%d bytes are no sealed asset: %w", info.Size, veneer.ErrDataCorrupt)
	}
	s.raw = slices.Grow(s.raw[:0], info.Size)[:info.Size]
	if _, err := store.Read(k, 0, s.raw); err != nil {
		return nil, 0, err
	}
	aead, err := s.aead(k)
	if err != nil {
		return nil, 0, err
	}
	s.plain = slices.Grow(s.plain[:0], info.Size-sealedOverhead)
	data, err := aead.Open(s.plain, s.raw[:nonceSize], s.raw[nonceSize:], s.additional(info.Flags))
	if err != nil {
		return nil, 0, fmt.Errorf("a sealed asset does not authenticate: %w", veneer.ErrInvalidSignature)
	}
	return data, info.Flags, nil
}
