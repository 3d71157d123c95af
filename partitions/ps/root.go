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

// appendRoot appends a root, sealed, to dst.
func appendRoot(dst []byte, r *root, s Sealer) ([]byte, error) {
	le := binary.LittleEndian
	header := le.AppendUint32(dst, rootFormat)
	header = le.AppendUint32(header, r.number)
	var plain [rootPlain]byte
	le.PutUint32(plain[:], r.epoch)
	r.after.appendTo(r.before.appendTo(plain[:4]))
	ad := le.AppendUint64(append(make([]byte, 0, rootNonceAt+its.UIDSize), header[len(dst):]...), uint64(rootUID))
	var nonce [nonceSize]byte
	if err := s.Nonce(nonce[:]); err != nil {
		return nil, err
	}
	return s.Seal(append(header, nonce[:]...), ownKey, nonce[:], plain[:], ad)
}

// openRoot is the inverse of appendRoot. errNoRoot.
func openRoot(b []byte, s Sealer) (root, error) {
	le := binary.LittleEndian
	if len(b) != rootSize || le.Uint32(b) != rootFormat {
		return root{}, errNoRoot
	}
	ad := le.AppendUint64(append(make([]byte, 0, rootNonceAt+its.UIDSize), b[:rootNonceAt]...), uint64(rootUID))
	plain, err := s.Open(make([]byte, 0, rootPlain), ownKey, b[rootNonceAt:rootHeader], b[rootHeader:], ad)
	switch {
	case errors.Is(err, veneer.ErrInvalidSignature), err == nil && len(plain) != rootPlain:
		return root{}, errNoRoot
	case err != nil:
		return root{}, &internalError{fmt.Errorf("open the root: %w", err)}
	}
	return root{
		number: le.Uint32(b[4:]),
		epoch:  le.Uint32(plain),
		before: parseSums(plain[4:]),
		after:  parseSums(plain[4+sumsSize:]),
	}, nil
}
