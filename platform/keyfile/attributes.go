package keyfile

import (
	"encoding/binary"
	"fmt"

	"github.com/postern-spe/postern/platform/cracen"
)

// The metadata of an entry is the C struct psa_key_attributes_t of the firmware
// that provisions, packed, little-endian, 28 bytes:
//
//	 0  type        uint16
//	 2  bits        uint16
//	 4  lifetime    uint32
//	 8  usage       uint32
//	12  algorithm   uint32
//	16  algorithm2  uint32   0
//	20  key id      uint32
//	24  owner       uint32   0
const attributesSize = 28

// unpack reads such a struct.
func unpack(p []byte) (cracen.Attributes, error) {
	if len(p) != attributesSize {
		return cracen.Attributes{}, fmt.Errorf("%d bytes; packed key attributes are %d", len(p), attributesSize)
	}
	word := func(off int) uint32 { return binary.LittleEndian.Uint32(p[off:]) }
	if v := word(16); v != 0 {
		return cracen.Attributes{}, fmt.Errorf("the second algorithm is 0x%08x, not 0", v)
	}
	if v := word(24); v != 0 {
		return cracen.Attributes{}, fmt.Errorf("the owner is 0x%08x, not 0", v)
	}
	return cracen.Attributes{
		Type:      binary.LittleEndian.Uint16(p),
		Bits:      binary.LittleEndian.Uint16(p[2:]),
		Lifetime:  word(4),
		Usage:     word(8),
		Algorithm: word(12),
		ID:        word(20),
	}, nil
}

// Pack is unpack backwards: what stands for these attributes in a file, after 0x
// and in hexadecimal.
func Pack(a cracen.Attributes) []byte {
	p := make([]byte, 0, attributesSize)
	p = binary.LittleEndian.AppendUint16(p, a.Type)
	p = binary.LittleEndian.AppendUint16(p, a.Bits)
	for _, v := range []uint32{a.Lifetime, a.Usage, a.Algorithm, 0, a.ID, 0} {
		p = binary.LittleEndian.AppendUint32(p, v)
	}
	return p
}
