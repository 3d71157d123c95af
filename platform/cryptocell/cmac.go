package cryptocell

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
)

// cmac is AES-CMAC (RFC 4493; NIST SP 800-38B) for a 128-, 192- or 256-bit key.
type cmac struct {
	block  cipher.Block
	k1, k2 [aes.BlockSize]byte
}

func newCMAC(key []byte) (*cmac, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	m := &cmac{block: block}
	var l [aes.BlockSize]byte
	block.Encrypt(l[:], l[:])
	double(&m.k1, &l)
	double(&m.k2, &m.k1)
	clear(l[:])
	return m, nil
}

// double multiplies by x in GF(2^128), without a branch on the value.
func double(dst, src *[aes.BlockSize]byte) {
	var carry byte
	for i := aes.BlockSize - 1; i >= 0; i-- {
		b := src[i]
		dst[i] = b<<1 | carry
		carry = b >> 7
	}
	dst[aes.BlockSize-1] ^= 0x87 & -carry
}

// sum computes the MAC of msg.
func (m *cmac) sum(msg []byte) (mac [aes.BlockSize]byte) {
	for len(msg) > aes.BlockSize {
		subtle.XORBytes(mac[:], mac[:], msg[:aes.BlockSize])
		m.block.Encrypt(mac[:], mac[:])
		msg = msg[aes.BlockSize:]
	}
	last := m.k1
	if len(msg) < aes.BlockSize {
		last = m.k2
		last[len(msg)] ^= 0x80
	}
	subtle.XORBytes(last[:], last[:], msg)
	subtle.XORBytes(mac[:], mac[:], last[:])
	m.block.Encrypt(mac[:], mac[:])
	return mac
}

// wipe clears the subkeys. The key schedule inside crypto/aes stays until the
// collector takes it.
func (m *cmac) wipe() {
	clear(m.k1[:])
	clear(m.k2[:])
}
