package aescmac

import (
	"encoding/binary"
	"fmt"
)

// DefaultCapacity is the capacity of a derivation, in bytes, for which none has
// been set: the most that PSA_ALG_SP800_108_COUNTER_CMAC gives.
const DefaultCapacity = 1<<29 - 1

// Derive fills out with key material: NIST SP 800-108r1 in counter mode with
// CMAC as the PRF, in the form that PSA Crypto API 1.2 fixes for
// PSA_ALG_SP800_108_COUNTER_CMAC and Nordic's CRACEN driver computes:
//
//	K(0) = CMAC(key, label || 0x00 || context || L)
//	K(i) = CMAC(key, i || label || 0x00 || context || L || K(0))
//
//	i  4 bytes, big-endian, from 1 on
//	L  4 bytes, big-endian: the derivation's capacity in bits
//
// out is K(1) || K(2) || ... as far as it reaches. K(0) keeps whoever chooses
// label and context from steering the output. capacity is in bytes, 1 to
// DefaultCapacity, and at least len(out). A caller that does not set one has
// DefaultCapacity, as TF-M and Nordic's libraries do: then a shorter output is
// the beginning of a longer one.
//
// key has 16, 24 or 32 bytes. out does not overlap the inputs, and is zero after
// an error.
func Derive(key, label, context []byte, capacity int, out []byte) error {
	if len(out) == 0 || capacity < len(out) || capacity > DefaultCapacity {
		clear(out)
		return fmt.Errorf("aescmac: a derivation of %d bytes with a capacity of %d is out of range", len(out), capacity)
	}
	m, err := New(key)
	if err != nil {
		clear(out)
		return err
	}
	defer m.Wipe()
	msg := make([]byte, 4, 4+len(label)+1+len(context)+4+Size)
	msg = append(msg, label...)
	msg = append(msg, 0)
	msg = append(msg, context...)
	msg = binary.BigEndian.AppendUint32(msg, uint32(capacity)*8)
	fixed := msg[4:]
	msg = msg[:cap(msg)]
	k0 := msg[len(msg)-Size:]
	m.Sum(k0, fixed)
	defer clear(k0)
	var block [Size]byte
	defer clear(block[:])
	for i := uint32(1); len(out) > 0; i++ {
		binary.BigEndian.PutUint32(msg, i)
		m.Sum(block[:], msg)
		out = out[copy(out, block[:]):]
	}
	return nil
}
