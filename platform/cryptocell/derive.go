package cryptocell

import (
	"encoding/binary"
	"fmt"

	"github.com/postern-spe/postern/platform/aescmac"
	"github.com/postern-spe/postern/platform/kmu"
)

// Limits of a derivation. Label and context are those of Nordic's library; the
// output ends where the one-byte counter does.
const (
	MaxLabel   = 64
	MaxContext = 64
	MaxDerived = 255 * aescmac.Size
)

// DeriveHUK derives a key from MEXT, the device's hardware unique key, into all
// of out: 1 to MaxDerived bytes. label and context are at most MaxLabel and
// MaxContext bytes. TF-M's built-in HUK has the label "TFM_HW_UNIQ_KEY" with
// its trailing NUL and no context. On an error out is zero.
func (c *CryptoCell) DeriveHUK(label, context, out []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.derive(kmu.SlotMEXT, label, context, out)
}

// DeriveMKEK is DeriveHUK from MKEK, which encrypts other keys: TF-M's ITS
// derives one key per file from it, trusted storage one per asset.
func (c *CryptoCell) DeriveMKEK(label, context, out []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.derive(kmu.SlotMKEK, label, context, out)
}

// DeriveKDR is DeriveHUK from the device root key in the engine, which LoadKDR or
// the bus has put there: ErrKeyMissing if neither has.
func (c *CryptoCell) DeriveKDR(label, context, out []byte) error {
	err := c.engine.withKDR(func(key []byte) error { return kdf(key, label, context, out) })
	if err != nil {
		clear(out)
	}
	return err
}

// derive is kdf with the root key at slot. The caller holds c.mu.
func (c *CryptoCell) derive(slot int, label, context, out []byte) error {
	err := c.withKey(slot, func(key []byte) error { return kdf(key, label, context, out) })
	if err != nil {
		clear(out)
	}
	return err
}

// kdf is NIST SP 800-108 in counter mode with AES-CMAC. This is the one place
// that fixes its layout; block i of the output is
//
//	CMAC(key, i || label || 0x00 || context || L)
//
//	i        1 byte, from 1 on
//	label    0..64 bytes
//	0x00     1 byte
//	context  0..64 bytes
//	L        2 bytes, big-endian: the length of the output in bits
//
// The counter's start and the byte order of L follow the standard's usual form;
// that Nordic's closed library does the same is not confirmed, so derived keys
// may differ from a chip's that holds the same MEXT.
func kdf(key, label, context, out []byte) error {
	if len(label) > MaxLabel || len(context) > MaxContext || len(out) == 0 || len(out) > MaxDerived {
		return fmt.Errorf("cryptocell: a derivation of %d bytes with a label of %d and a context of %d is out of range",
			len(out), len(label), len(context))
	}
	m, err := aescmac.New(key)
	if err != nil {
		return err
	}
	defer m.Wipe()
	var block [aescmac.Size]byte
	defer clear(block[:])
	msg := make([]byte, 0, 1+MaxLabel+1+MaxContext+2)
	msg = append(msg, 0)
	msg = append(msg, label...)
	msg = append(msg, 0)
	msg = append(msg, context...)
	msg = binary.BigEndian.AppendUint16(msg, uint16(len(out)*8))
	for i := byte(1); len(out) > 0; i++ {
		msg[0] = i
		m.Sum(block[:], msg)
		out = out[copy(out, block[:]):]
	}
	return nil
}
