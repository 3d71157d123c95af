package crypto

import (
	"encoding/binary"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// A persistent key in the storage has the form that Mbed TLS gives it
// (psa_crypto_storage.c), little-endian:
//
//	0 "PSA\0KEY\0" | 8 version u32 = 0 | 12 lifetime u32 | 16 type u16 |
//	18 bits u16 | 20 usage u32 | 24 algorithm u32 | 28 enrolment algorithm u32 |
//	32 length u32 | 36 the key
const (
	keyFileMagic  = "PSA\x00KEY\x00"
	keyFileHeader = 36
)

// appendKeyFile appends the stored form of a key to b.
func appendKeyFile(b []byte, a *psa.KeyAttributes, data []byte) []byte {
	le := binary.LittleEndian
	b = append(b, keyFileMagic...)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, uint32(a.Lifetime))
	b = le.AppendUint16(b, uint16(a.Type))
	b = le.AppendUint16(b, a.Bits)
	b = le.AppendUint32(b, uint32(a.Usage))
	b = le.AppendUint32(b, uint32(a.Algorithm))
	b = le.AppendUint32(b, uint32(a.EnrollmentAlgorithm))
	b = le.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}

// parseKeyFile reads the stored form of the key id, all of it. The data is part
// of b. ErrDataInvalid: it is not one.
func parseKeyFile(b []byte, id psa.KeyID) (psa.KeyAttributes, []byte, error) {
	if len(b) < keyFileHeader || string(b[:len(keyFileMagic)]) != keyFileMagic {
		return psa.KeyAttributes{}, nil, veneer.ErrDataInvalid
	}
	le := binary.LittleEndian
	data := b[keyFileHeader:]
	if le.Uint32(b[8:]) != 0 || le.Uint32(b[32:]) != uint32(len(data)) {
		return psa.KeyAttributes{}, nil, veneer.ErrDataInvalid
	}
	a := psa.KeyAttributes{
		Lifetime:            psa.Lifetime(le.Uint32(b[12:])),
		Type:                psa.KeyType(le.Uint16(b[16:])),
		Bits:                le.Uint16(b[18:]),
		Usage:               psa.Usage(le.Uint32(b[20:])),
		Algorithm:           psa.Algorithm(le.Uint32(b[24:])),
		EnrollmentAlgorithm: psa.Algorithm(le.Uint32(b[28:])),
		ID:                  id,
	}
	// What could not be created is not loaded, either.
	checked := a
	if err := checkNewKey(&checked); err != nil || a.Lifetime.IsVolatile() || a.Bits == 0 || checked != a {
		return psa.KeyAttributes{}, nil, veneer.ErrDataInvalid
	}
	return a, data, nil
}

// The index of a client's persistent keys is an object of its own, since the
// storage does not list: "PSA\0IDX\0", version u32 = 0, and the identifiers, u32
// each, strictly ascending.
const (
	indexMagic  = "PSA\x00IDX\x00"
	indexHeader = 12
)

func appendIndex(b []byte, ids []psa.KeyID) []byte {
	b = append(b, indexMagic...)
	b = binary.LittleEndian.AppendUint32(b, 0)
	for _, id := range ids {
		b = binary.LittleEndian.AppendUint32(b, uint32(id))
	}
	return b
}

// parseIndex reads an index, all of it. ErrDataInvalid: it is not one.
func parseIndex(b []byte) ([]psa.KeyID, error) {
	if len(b) < indexHeader || string(b[:len(indexMagic)]) != indexMagic ||
		binary.LittleEndian.Uint32(b[8:]) != 0 || (len(b)-indexHeader)%4 != 0 {
		return nil, veneer.ErrDataInvalid
	}
	var ids []psa.KeyID
	last := psa.NullKey
	for b = b[indexHeader:]; len(b) > 0; b = b[4:] {
		id := psa.KeyID(binary.LittleEndian.Uint32(b))
		if id <= last || !id.IsUser() {
			return nil, veneer.ErrDataInvalid
		}
		ids, last = append(ids, id), id
	}
	return ids, nil
}
