package ps

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"github.com/postern-spe/postern/veneer/its"
)

// fingerprint stands for one protected object: 128 bits, two elements of
// GF(2^64), that depend on where the object is and on its tag, which
// authenticates all the rest of it. The zero value stands for no object. Bit 0 is
// not from the hash: it says that the object is a write-once asset, so that this
// is known even of one that is lost. The other bits depend on that as well.
type fingerprint [2]uint64

const fingerprintOnce = 1

func (f fingerprint) once() bool { return f[0]&fingerprintOnce != 0 }

// plus is addition, which in this field is subtraction as well.
func (f fingerprint) plus(g fingerprint) fingerprint { return fingerprint{f[0] ^ g[0], f[1] ^ g[1]} }

// times multiplies both elements by x, in GF(2^64) modulo z^64+z^4+z^3+z+1, in a
// time that does not depend on them.
func (f fingerprint) times(x uint64) (p fingerprint) {
	for i := range 64 {
		p[0] ^= x & -(f[0] >> i & 1)
		p[1] ^= x & -(f[1] >> i & 1)
		x = x<<1 ^ 0x1b&-(x>>63)
	}
	return p
}

// inverse returns 1/x in that field, 0 for 0: x to the power 2^64-2.
func inverse(x uint64) uint64 {
	r := uint64(1)
	for range 63 {
		x = fingerprint{x}.times(x)[0]
		r = fingerprint{r}.times(x)[0]
	}
	return r
}

// sums is what is known of a set of protected objects as a whole: the sum of
// their fingerprints, and the sum of their fingerprints times where they are.
//
// Who does not know the fingerprints cannot find another set with the same sums
// but by chance: they are values of a pseudorandom function whose key never
// leaves the device. That is why they are hidden. If they could be seen, as tags
// can, some among a few hundred old records would add up to any sum that is
// wanted, and linear algebra finds them.
type sums struct{ plain, placed fingerprint }

func (s sums) plus(t sums) sums { return sums{s.plain.plus(t.plain), s.placed.plus(t.placed)} }

// toggle adds an object, or takes it away; d is its fingerprint, or the sum of two
// of which one takes the place of the other.
func (s sums) toggle(at its.UID, d fingerprint) sums {
	return s.plus(sums{d, d.times(uint64(at))})
}

// single takes s for the difference between two sets, and finds where they differ
// if they do so in one place, and by what: then the second sum is the first times
// that place, in both elements. Sets that differ in more places are taken for
// that with a chance of 2^-64.
func (s sums) single() (at its.UID, d fingerprint, ok bool) {
	i := 0
	if s.plain[0] == 0 {
		i = 1
	}
	at = its.UID(fingerprint{s.placed[i]}.times(inverse(s.plain[i]))[0])
	return at, s.plain, at >= slots && s.plain.times(uint64(at)) == s.placed
}

// hasher makes fingerprints: AES-256 CBC-MAC of two blocks, which is a
// pseudorandom function since there are always two.
type hasher struct {
	block cipher.Block
	buf   [aes.BlockSize]byte
}

// hasherKeySize is the size in bytes of a hasher's key.
const hasherKeySize = 32

func newHasher(key []byte) (*hasher, error) {
	block, err := aes.NewCipher(key)
	return &hasher{block: block}, err
}

// of returns the fingerprint of the object at a uid with a tag.
func (h *hasher) of(at its.UID, tag []byte, once bool) fingerprint {
	le, b := binary.LittleEndian, h.buf[:]
	clear(b)
	le.PutUint64(b, uint64(at))
	if once {
		// In the hash as well: what bit 0 alone adds to the sums is no secret, and
		// the places of some among enough objects add up to 0.
		b[8] = 1
	}
	h.block.Encrypt(b, b)
	for i := range b {
		b[i] ^= tag[i]
	}
	h.block.Encrypt(b, b)
	f := fingerprint{le.Uint64(b) &^ fingerprintOnce, le.Uint64(b[8:])}
	if once {
		f[0] |= fingerprintOnce
	}
	return f
}
