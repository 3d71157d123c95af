package ps

import (
	"encoding/binary"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/psa"
)

// The layout of an object: see the package comment.
const (
	objectFormat = 0x32304f50 // "PO02"
	nonceAt      = 32
	nonceSize    = 12
	headerSize   = nonceAt + nonceSize
	tagSize      = 16
	adSize       = nonceAt + its.UIDSize
)

// Flags of objects besides those that a caller can set.
const (
	// flagHole marks an object that stands for none: an asset was here, and others
	// of the same hash may follow.
	flagHole psa.StorageFlags = 1 << 31
	// flagCreated marks an asset that was created: room to change it is kept.
	flagCreated psa.StorageFlags = 1 << 30
	// flagLost marks an object that stands for one that was put back or taken
	// away: any asset of the hash may have been here.
	flagLost psa.StorageFlags = 1 << 29
)

// ownKey is the owner whose key is for the objects that are nobody's asset: no
// client has that ID.
const ownKey int32 = 0

// object is the header of an object.
type object struct {
	asset    Asset
	flags    psa.StorageFlags
	size     uint32 // bytes of the asset
	capacity uint32 // bytes that are stored for it, those past its size being 0
	epoch    uint32 // in which a protected object counts; 0 for others
}

// protected reports whether the object is protected against being put back.
func (o *object) protected() bool { return o.flags&psa.StorageNoReplayProtection == 0 }

// clear reports whether the asset is stored in the clear.
func (o *object) clear() bool { return o.flags&psa.StorageNoConfidentiality != 0 }

// appendTo appends the header, up to the nonce, to b.
func (o *object) appendTo(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, objectFormat)
	b = le.AppendUint32(b, uint32(o.asset.Owner))
	b = le.AppendUint64(b, o.asset.UID)
	b = le.AppendUint32(b, uint32(o.flags))
	b = le.AppendUint32(b, o.size)
	b = le.AppendUint32(b, o.capacity)
	return le.AppendUint32(b, o.epoch)
}

// parseObject splits a stored object into its header, the nonce, and what lies
// behind: the contents, encrypted or not, and the tag. Nothing of it is authentic
// yet.
func parseObject(b []byte) (o object, nonce, body []byte, err error) {
	if len(b) < headerSize+tagSize {
		return object{}, nil, nil, veneer.ErrDataCorrupt
	}
	if o, err = parseHeader(b, len(b)); err != nil {
		return object{}, nil, nil, err
	}
	return o, b[nonceAt:headerSize], b[headerSize:], nil
}

// parseHeader reads the first nonceAt bytes of an object of some size.
func parseHeader(b []byte, size int) (o object, err error) {
	le := binary.LittleEndian
	if le.Uint32(b) != objectFormat {
		return object{}, veneer.ErrDataCorrupt
	}
	o = object{
		asset:    Asset{int32(le.Uint32(b[4:])), le.Uint64(b[8:])},
		flags:    psa.StorageFlags(le.Uint32(b[16:])),
		size:     le.Uint32(b[20:]),
		capacity: le.Uint32(b[24:]),
		epoch:    le.Uint32(b[28:]),
	}
	nobodys := o.flags == flagHole || o.flags&^psa.StorageWriteOnce == flagLost
	switch {
	case uint64(o.capacity)+headerSize+tagSize != uint64(size),
		o.size > o.capacity,
		o.size < o.capacity && o.flags&flagCreated == 0,
		o.flags&^(psa.StorageAll|flagCreated) != 0 && !nobodys,
		nobodys && (o.asset != Asset{} || o.capacity != 0),
		o.asset.Owner == ownKey && !nobodys,
		o.flags&flagCreated != 0 && o.flags&psa.StorageWriteOnce != 0,
		o.protected() != (o.epoch != 0):
		return object{}, veneer.ErrDataCorrupt
	}
	return o, nil
}

// additional appends what is authenticated besides encrypted contents: the header
// without the nonce, which the cipher binds itself, and where the object is.
func additional(ad []byte, header []byte, at its.UID) []byte {
	return binary.LittleEndian.AppendUint64(append(ad, header[:nonceAt]...), uint64(at))
}
