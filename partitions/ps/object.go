package ps

import (
	"encoding/binary"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/psa"
)

// The layout of an object: see the package comment.
const (
	objectFormat = 0x31304f50 // "PO01"
	nonceAt      = 28
	nonceSize    = 12
	headerSize   = nonceAt + nonceSize
	tagSize      = 16
	adSize       = nonceAt + its.UIDSize
)

// flagHole marks an object that stands for none: an asset was here, and others
// of the same hash may follow.
const flagHole psa.StorageFlags = 1 << 31

// object is the header of an object.
type object struct {
	asset Asset
	flags psa.StorageFlags
	size  uint32 // bytes of the asset
}

// appendTo appends the header, up to the nonce, to b.
func (o *object) appendTo(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, objectFormat)
	b = le.AppendUint32(b, uint32(o.asset.Owner))
	b = le.AppendUint64(b, o.asset.UID)
	b = le.AppendUint32(b, uint32(o.flags))
	b = le.AppendUint32(b, o.size)
	return le.AppendUint32(b, o.size) // the capacity, while there is no psa_ps_create
}

// parseObject splits a stored object into its header, the nonce and the
// ciphertext with its tag. Nothing of it is authentic yet.
func parseObject(b []byte) (o object, nonce, sealed []byte, err error) {
	le := binary.LittleEndian
	if len(b) < headerSize+tagSize || le.Uint32(b) != objectFormat {
		return object{}, nil, nil, veneer.ErrDataCorrupt
	}
	o = object{
		asset: Asset{int32(le.Uint32(b[4:])), le.Uint64(b[8:])},
		flags: psa.StorageFlags(le.Uint32(b[16:])),
		size:  le.Uint32(b[20:]),
	}
	if uint64(o.size) != uint64(len(b)-headerSize-tagSize) || le.Uint32(b[24:]) != o.size ||
		o.flags&^(psa.StorageAll|flagHole) != 0 {
		return object{}, nil, nil, veneer.ErrDataCorrupt
	}
	return o, b[nonceAt:headerSize], b[headerSize:], nil
}

// additional appends what is authenticated besides the contents: the header
// without the nonce, which the cipher binds itself, and where the object is.
func additional(ad []byte, header []byte, at its.UID) []byte {
	return binary.LittleEndian.AppendUint64(append(ad, header[:nonceAt]...), uint64(at))
}
