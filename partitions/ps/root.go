package ps

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
)

// The root is one object, which no asset has the place of:
//
//	0 format u32   4 number u32   8 nonce, 12 bytes   20 encrypted   tag, 16 bytes
//
// of which the encrypted part is
//
//	0 epoch u32   4 sums before   36 sums after
//
// sums being four u64: the sum of the fingerprints, two elements, and the sum of
// them times their places. The additional data is bytes 0..7 and the root's uid.
const (
	rootUID     its.UID = 1
	rootFormat          = 0x31525350 // "PSR1"
	rootNonceAt         = 8
	rootHeader          = rootNonceAt + nonceSize
	sumsSize            = 32
	rootPlain           = 4 + 2*sumsSize
	rootSize            = rootHeader + rootPlain + tagSize
)

// root is what the medium says of itself: that it holds, if the counter is at
// number, the protected objects of after; if the counter is one less, those of
// before or of after.
type root struct {
	number        uint32
	epoch         uint32
	before, after sums
}

// errNoRoot: there is an object in the root's place, but not a root of this
// device.
var errNoRoot = errors.New("the root does not authenticate")

func (s *sums) appendTo(b []byte) []byte {
	for _, v := range [...]uint64{s.plain[0], s.plain[1], s.placed[0], s.placed[1]} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

func parseSums(b []byte) sums {
	le := binary.LittleEndian
	return sums{
		plain:  fingerprint{le.Uint64(b), le.Uint64(b[8:])},
		placed: fingerprint{le.Uint64(b[16:]), le.Uint64(b[24:])},
	}
}

// rootCoder seals and opens roots. It has the memory for one.
type rootCoder struct {
	sealer Sealer
	raw    [rootSize + 1]byte // as it is stored, and room to see that it is longer
	plain  [rootPlain]byte
	ad     [rootNonceAt + its.UIDSize]byte
}

// additional returns the additional data of the root in c.raw.
func (c *rootCoder) additional() []byte {
	copy(c.ad[:], c.raw[:rootNonceAt])
	binary.LittleEndian.PutUint64(c.ad[rootNonceAt:], uint64(rootUID))
	return c.ad[:]
}

// seal returns a root as it is stored, in c.raw.
func (c *rootCoder) seal(r *root) ([]byte, error) {
	le, raw, plain := binary.LittleEndian, c.raw[:rootHeader], c.plain[:]
	le.PutUint32(raw, rootFormat)
	le.PutUint32(raw[4:], r.number)
	le.PutUint32(plain, r.epoch)
	r.after.appendTo(r.before.appendTo(plain[:4]))
	nonce := raw[rootNonceAt:]
	err := c.sealer.Nonce(nonce)
	if err == nil {
		raw, err = c.sealer.Seal(raw, ownKey, nonce, plain, c.additional())
	}
	if err != nil {
		return nil, &internalError{fmt.Errorf("seal the root: %w", err)}
	}
	return raw, nil
}

// open returns the root of which the first n bytes of c.raw are what is stored:
// errNoRoot.
func (c *rootCoder) open(n int) (root, error) {
	le, raw := binary.LittleEndian, c.raw[:n]
	if len(raw) != rootSize || le.Uint32(raw) != rootFormat {
		return root{}, errNoRoot
	}
	plain, err := c.sealer.Open(c.plain[:0], ownKey, raw[rootNonceAt:rootHeader], raw[rootHeader:], c.additional())
	switch {
	case errors.Is(err, veneer.ErrInvalidSignature), err == nil && len(plain) != rootPlain:
		return root{}, errNoRoot
	case err != nil:
		return root{}, &internalError{fmt.Errorf("open the root: %w", err)}
	}
	return root{
		number: le.Uint32(raw[4:]),
		epoch:  le.Uint32(plain),
		before: parseSums(plain[4:]),
		after:  parseSums(plain[4+sumsSize:]),
	}, nil
}
