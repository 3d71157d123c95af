package counters

import (
	"encoding/binary"
	"hash/crc32"
)

// recordSize is also the line of an RRAM: a write that the power failure tears
// touches one record only.
const recordSize = 16

// record is one entry of the log, little-endian:
//
//	0   kind        1 byte: 0xC0 a counter, 0xC1 the head of a bank
//	1   id          1 byte: the counter; in a head the number of counters
//	2   slot        2 bytes: where in the bank it is, in records
//	4   value       4 bytes: the counter's; in a head headValue
//	8   generation  4 bytes: the bank's
//	12  CRC-32      4 bytes: IEEE, of the 12 bytes before
//
// Slot and generation keep what an erase left over, or somebody moved, from
// being taken for something that was written here.
type record struct {
	kind, id   byte
	slot       uint16
	value      uint32
	generation uint32
}

const (
	kindCounter = 0xC0
	kindHead    = 0xC1
	headValue   = 0x31564E43 // "CNV1": the format's version
	maxSlots    = 1 << 16
)

func (r record) encode() []byte {
	le := binary.LittleEndian
	p := make([]byte, 0, recordSize)
	p = append(p, r.kind, r.id)
	p = le.AppendUint16(p, r.slot)
	p = le.AppendUint32(p, r.value)
	p = le.AppendUint32(p, r.generation)
	return le.AppendUint32(p, crc32.ChecksumIEEE(p))
}

// decode returns the record that the recordSize bytes of p are, if they are one.
func decode(p []byte) (record, bool) {
	le := binary.LittleEndian
	r := record{p[0], p[1], le.Uint16(p[2:]), le.Uint32(p[4:]), le.Uint32(p[8:])}
	return r, le.Uint32(p[12:]) == crc32.ChecksumIEEE(p[:12])
}

// head returns the record that makes a bank valid.
func head(generation uint32) record {
	return record{kindHead, Count, 0, headValue, generation}
}

// blank reports whether p is erased.
func blank(p []byte) bool {
	for _, b := range p {
		if b != 0xFF {
			return false
		}
	}
	return true
}
