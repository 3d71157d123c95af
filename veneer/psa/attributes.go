package psa

import (
	"encoding/binary"

	"github.com/postern-spe/postern/veneer"
)

// AttributesSize is the size in bytes of key attributes on the wire.
const AttributesSize = 24

// BitsTooLarge is PSA_KEY_BITS_TOO_LARGE: what C clients put for a size that
// does not fit the field. No key has it.
const BitsTooLarge = 0xffff

// KeyAttributes is psa_key_attributes_t as a client sees it, without the owner,
// which the secure world adds. Its zero value is PSA_KEY_ATTRIBUTES_INIT.
type KeyAttributes struct {
	Type     KeyType
	Bits     uint16 // size of the key; 0 on import: from the data
	Lifetime Lifetime
	Usage    Usage
	// Algorithm is the permitted algorithm, also a wildcard.
	Algorithm Algorithm
	// EnrollmentAlgorithm is a second permitted algorithm (an extension of Mbed
	// TLS); AlgNone normally.
	EnrollmentAlgorithm Algorithm
	ID                  KeyID
}

// AppendTo appends the 24 bytes of the attributes to b, little-endian:
//
//	0 type u16 | 2 bits u16 | 4 lifetime u32 | 8 usage u32 | 12 algorithm u32 |
//	16 enrolment algorithm u32 | 20 id u32
func (a *KeyAttributes) AppendTo(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint16(b, uint16(a.Type))
	b = le.AppendUint16(b, a.Bits)
	b = le.AppendUint32(b, uint32(a.Lifetime))
	b = le.AppendUint32(b, uint32(a.Usage))
	b = le.AppendUint32(b, uint32(a.Algorithm))
	b = le.AppendUint32(b, uint32(a.EnrollmentAlgorithm))
	return le.AppendUint32(b, uint32(a.ID))
}

// ParseKeyAttributes reads attributes of exactly 24 bytes, and is the inverse of
// AppendTo. A length other than that is veneer.ErrProgrammerError (a C client
// built with the owner in its key identifiers sends 28), a size of BitsTooLarge
// veneer.ErrInvalidArgument. Whether the values make sense together is not
// looked at.
func ParseKeyAttributes(b []byte) (KeyAttributes, error) {
	if len(b) != AttributesSize {
		return KeyAttributes{}, veneer.ErrProgrammerError
	}
	le := binary.LittleEndian
	a := KeyAttributes{
		Type:                KeyType(le.Uint16(b)),
		Bits:                le.Uint16(b[2:]),
		Lifetime:            Lifetime(le.Uint32(b[4:])),
		Usage:               Usage(le.Uint32(b[8:])),
		Algorithm:           Algorithm(le.Uint32(b[12:])),
		EnrollmentAlgorithm: Algorithm(le.Uint32(b[16:])),
		ID:                  KeyID(le.Uint32(b[20:])),
	}
	if a.Bits == BitsTooLarge {
		return KeyAttributes{}, veneer.ErrInvalidArgument
	}
	return a, nil
}
