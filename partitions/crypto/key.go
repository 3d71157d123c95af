package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"sync"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// maxKeySize is the largest key in bytes.
const maxKeySize = 4096

// key is a key in memory: its attributes, its material and what the algorithms
// make of it, made once. Users of it hold mu for reading; who ends it holds mu
// for writing, so a key is never wiped under an operation.
type key struct {
	attrs psa.KeyAttributes // usage is extended; bits are the real size

	mu   sync.RWMutex
	dead bool
	mat  material // secret, or the public key's point

	private *ecdsa.PrivateKey // ECC key pairs
	public  *ecdsa.PublicKey  // ECC keys
	block   cipher.Block      // AES keys
	aead    gcmCache
	mac     macCache

	// engine is set for the initial attestation key, whose private half stays in
	// the engine.
	engine Engine
	// once marks a key that was made for one use and is wiped after it.
	once bool
	// inSlot marks a key of KeySlots: it has attributes, and nothing else before
	// fetch.
	inSlot bool
}

// newKey makes a key of the type in attrs from data in the export format of that
// type, and gives attrs its size. It keeps no reference to data.
func newKey(attrs psa.KeyAttributes, data []byte) (*key, error) {
	k := &key{attrs: attrs}
	if err := k.fill(data); err != nil {
		return nil, err
	}
	return k, nil
}

// fill gives a key that has only attributes its material.
func (k *key) fill(data []byte) error {
	if len(data) == 0 {
		return veneer.ErrInvalidArgument
	}
	if len(data) > maxKeySize {
		return veneer.ErrNotSupported
	}
	bits, err := k.parse(data)
	if err != nil {
		return err
	}
	if k.attrs.Bits != 0 && int(k.attrs.Bits) != bits {
		return veneer.ErrInvalidArgument
	}
	k.attrs.Bits = uint16(bits)
	k.mat = newMaterial(data)
	return nil
}

func (k *key) parse(data []byte) (bits int, err error) {
	switch t := k.attrs.Type; t {
	case psa.KeyRawData, psa.KeyDerive, psa.KeyHMAC, psa.KeyPassword:
		return len(data) * 8, nil
	case psa.KeyAES:
		// Go's own copy of the key is beyond our reach; see the package comment.
		if k.block, err = aes.NewCipher(data); err != nil {
			return 0, veneer.ErrInvalidArgument
		}
		return len(data) * 8, nil
	case psa.ECCPair(psa.SECPR1):
		c := curveBySize(len(data))
		if c == nil {
			return 0, eccSizeError(k.attrs.Bits)
		}
		if k.private, err = ecdsa.ParseRawPrivateKey(c, data); err != nil {
			return 0, veneer.ErrInvalidArgument
		}
		k.public = &k.private.PublicKey
		return c.Params().BitSize, nil
	case psa.ECCPublic(psa.SECPR1):
		if len(data)%2 == 0 {
			return 0, veneer.ErrInvalidArgument
		}
		c := curveBySize(len(data) / 2)
		if c == nil {
			return 0, eccSizeError(k.attrs.Bits)
		}
		if k.public, err = ecdsa.ParseUncompressedPublicKey(c, data); err != nil {
			return 0, veneer.ErrInvalidArgument
		}
		return c.Params().BitSize, nil
	}
	return 0, veneer.ErrNotSupported
}

// curveBySize returns the SECP_R1 curve whose coordinates have n bytes.
func curveBySize(n int) elliptic.Curve {
	switch n {
	case 32:
		return elliptic.P256()
	case 48:
		return elliptic.P384()
	case 66:
		return elliptic.P521()
	}
	return nil
}

// eccSizeError tells a curve that PSA has and Go has not from one that is not.
func eccSizeError(bits uint16) error {
	if bits == 192 || bits == 224 {
		return veneer.ErrNotSupported
	}
	return veneer.ErrInvalidArgument
}

// keySize returns the size in bytes of a key of type t and a size in bits that is
// to be generated or derived.
func keySize(t psa.KeyType, bits uint16) (int, error) {
	if bits == 0 {
		return 0, veneer.ErrInvalidArgument
	}
	switch t {
	case psa.KeyRawData, psa.KeyDerive, psa.KeyHMAC, psa.KeyPassword:
		switch {
		case bits%8 != 0:
			return 0, veneer.ErrInvalidArgument
		case bits/8 > maxKeySize:
			return 0, veneer.ErrNotSupported
		}
		return int(bits / 8), nil
	case psa.KeyAES:
		if bits != 128 && bits != 192 && bits != 256 {
			return 0, veneer.ErrInvalidArgument
		}
		return int(bits / 8), nil
	case psa.ECCPair(psa.SECPR1):
		switch bits {
		case 256, 384, 521:
			return int(bits+7) / 8, nil
		}
		return 0, eccSizeError(bits)
	}
	if t.IsPublic() {
		return 0, veneer.ErrInvalidArgument
	}
	return 0, veneer.ErrNotSupported
}

// makeKey makes a key of attrs from a stream of random or derived bytes (Crypto
// API 1.5, psa_key_derivation_output_key; the same serves generation).
func makeKey(attrs psa.KeyAttributes, fill func([]byte) error) (*key, error) {
	n, err := keySize(attrs.Type, attrs.Bits)
	if err != nil {
		return nil, err
	}
	data := make([]byte, n)
	defer clear(data)
	if attrs.Type.IsECC() {
		err = fillScalar(data, curveBySize(n), fill)
	} else {
		err = fill(data)
	}
	if err != nil {
		return nil, err
	}
	return newKey(attrs, data)
}

// fillScalar draws a private key on the curve by rejection: a number of the
// order's length in bits, drawn anew when it exceeds the order less 2, plus 1
// (SP 800-56A, 5.6.1.2.2). Whether a draw was rejected is all that its time tells.
func fillScalar(data []byte, c elliptic.Curve, fill func([]byte) error) error {
	order := c.Params().N.FillBytes(make([]byte, len(data)))
	for {
		if err := fill(data); err != nil {
			return err
		}
		if extra := len(data)*8 - c.Params().BitSize; extra > 0 {
			data[0] &= 0xff >> extra
		}
		addOne(data)
		// data is now the drawn number plus 1: 1..order-1 is wanted.
		if lessThan(data, order) {
			return nil
		}
	}
}

// addOne adds 1 to a big-endian number. All ones becomes 0, which lessThan
// rejects.
func addOne(b []byte) {
	carry := uint16(1)
	for i := len(b) - 1; i >= 0; i-- {
		carry += uint16(b[i])
		b[i] = byte(carry)
		carry >>= 8
	}
}

// lessThan reports 0 < a < b for big-endian numbers of the same length, in time
// that depends on the length only.
func lessThan(a, b []byte) bool {
	borrow, bits := 0, byte(0)
	for i := len(a) - 1; i >= 0; i-- {
		borrow = (int(a[i]) - int(b[i]) - borrow) >> 8 & 1
		bits |= a[i]
	}
	return borrow == 1 && bits != 0
}

// lock takes the key for use; false when it has ended meanwhile.
func (k *key) lock() bool {
	k.mu.RLock()
	if k.dead {
		k.mu.RUnlock()
		return false
	}
	return true
}

// release ends a use that lock began.
func (k *key) release() {
	k.mu.RUnlock()
	if k.once {
		k.end()
	}
}

// end wipes the key once nobody uses it.
func (k *key) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dead = true
	k.mat.wipe()
	k.private, k.public, k.block = nil, nil, nil
	k.aead.drop()
	k.mac.drop()
}
