// Package aescmac is AES-CMAC (RFC 4493, NIST SP 800-38B) and the key derivation
// on it that the PSA Crypto API calls PSA_ALG_SP800_108_COUNTER_CMAC: the two
// that the crypto engines of the emulated chips derive keys with. Go's public
// packages have neither.
//
// Called by package cracen. Keys and outputs are secret; labels and contexts are
// chosen by the secure world. Nothing here depends on a secret in its timing as
// long as crypto/aes does not, which holds where the host has AES instructions.
//
// Key schedules live on the Go heap, as crypto/aes puts them there; Wipe clears
// them. Registers and stacks that they pass through are not cleared.
package aescmac

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
	"io"
)

// Size is the size of a MAC in bytes.
const Size = aes.BlockSize

// MAC computes MACs with one key. It is not safe for concurrent use.
type MAC struct {
	block     cipher.Block
	k1, k2, x [Size]byte
}

// New returns the MAC of key, which has 16, 24 or 32 bytes and is not kept. The
// caller wipes it.
func New(key []byte) (*MAC, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	m := &MAC{block: block}
	block.Encrypt(m.x[:], m.x[:])
	double(&m.k1, &m.x)
	double(&m.k2, &m.k1)
	clear(m.x[:])
	return m, nil
}

// double multiplies by x in GF(2^128), without a branch on the value.
func double(dst, src *[Size]byte) {
	var carry byte
	for i := Size - 1; i >= 0; i-- {
		b := src[i]
		dst[i] = b<<1 | carry
		carry = b >> 7
	}
	dst[Size-1] ^= 0x87 & -carry
}

// Sum puts the MAC of msg into the first Size bytes of mac, which may overlap
// msg.
func (m *MAC) Sum(mac, msg []byte) {
	x := m.x[:]
	for len(msg) > Size {
		subtle.XORBytes(x, x, msg[:Size])
		m.block.Encrypt(x, x)
		msg = msg[Size:]
	}
	subtle.XORBytes(x, x, msg)
	last := m.k1[:]
	if len(msg) < Size {
		last = m.k2[:]
		x[len(msg)] ^= 0x80
	}
	subtle.XORBytes(x, x, last)
	m.block.Encrypt(x, x)
	copy(mac[:Size], x)
	clear(x)
}

// Wipe clears the key schedule and the subkeys. m cannot be used afterwards.
func (m *MAC) Wipe() {
	Wipe(m.block)
	*m = MAC{}
}

// Format prints a fixed word.
func (m *MAC) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[MAC key]") }
