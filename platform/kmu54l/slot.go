package kmu54l

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/postern-spe/postern/platform/keycells"
)

// A slot's record in the cells is 32 bytes at 32 times its ID, little-endian: the
// source struct of PROVISION as it is, and one word of our own.
//
//	 0  VALUE     16 bytes
//	16  RPOLICY    4
//	20  DEST       4
//	24  METADATA   4
//	28  STATE      4   bits 7:0 the state, bits 31:8 the check
//
// An erased slot is 32 bytes of 0xFF. The check is bits 23:0 of the CRC-32
// (IEEE) of the 28 bytes before it; it stands for the ECC of the RRAM's lines. A
// record is written by one operation of the cells, all or nothing, and two of its
// lines never disagree; but ERASEALL that the power interrupts leaves whatever it
// has come to, and such a slot must not pass for one with a key.
const (
	srcValue    = 0
	srcPolicy   = 16
	srcDest     = 20
	srcMetadata = 24
	srcSize     = 28

	recordState = srcSize
	recordSize  = 32
)

// State is the state of a slot. The values are those of the record.
type State uint8

const (
	Erased      State = 0xFF
	Provisioned State = 0x01
	Revoked     State = 0x00
)

func (s State) String() string {
	switch s {
	case Erased:
		return "erased"
	case Provisioned:
		return "provisioned"
	case Revoked:
		return "revoked"
	}
	return fmt.Sprintf("state 0x%02x", uint8(s))
}

// Policy is a slot's revocation policy, RPOLICY. The values are the hardware's.
type Policy uint32

const (
	Rotating  Policy = 1 // revoked, the slot is erased and can be provisioned again
	Locked    Policy = 2 // cannot be revoked
	Revocable Policy = 3 // revoked, it stays so until ERASEALL ("Revoked" in the datasheet)
)

func (p Policy) String() string {
	switch p {
	case Rotating:
		return "rotating"
	case Locked:
		return "locked"
	case Revocable:
		return "revocable"
	}
	return fmt.Sprintf("policy %d", uint32(p))
}

// record is what a slot says of itself, without its value.
type record struct {
	state          State
	policy         Policy
	dest, metadata uint32
}

// load returns the record of a slot. The caller holds k.mu.
func (k *KMU) load(slot int) (record, error) {
	switch {
	case slot < 0 || slot >= Slots:
		return record{}, ErrSlot
	case k.record == nil:
		return record{}, keycells.ErrClosed
	}
	off := slot * recordSize
	if k.cells.Erased(off, recordSize) {
		return record{state: Erased}, nil
	}
	p := k.record
	defer clear(p)
	if err := k.cells.Read(off, p); err != nil {
		return record{}, err
	}
	state := binary.LittleEndian.Uint32(p[recordState:])
	r := record{
		state:    State(state),
		policy:   Policy(binary.LittleEndian.Uint32(p[srcPolicy:])),
		dest:     binary.LittleEndian.Uint32(p[srcDest:]),
		metadata: binary.LittleEndian.Uint32(p[srcMetadata:]),
	}
	if state>>8 != check(p) || r.state != Provisioned && r.state != Revoked {
		return record{}, ErrDamaged
	}
	return r, nil
}

// store writes the record that is in k.record, whose state becomes s. The caller
// holds k.mu.
func (k *KMU) store(slot int, s State) error {
	p := k.record
	binary.LittleEndian.PutUint32(p[recordState:], check(p)<<8|uint32(s))
	return k.cells.Write(slot*recordSize, p)
}

func check(p []byte) uint32 { return crc32.ChecksumIEEE(p[:srcSize]) & 0xFFFFFF }
