package flashlog

import (
	"encoding/binary"
	"hash/crc32"
)

// kind is what a record is. The values are two bits apart at least; none is
// 0xFF, so that the first word of a record is never blank.
type kind uint8

const (
	kindAsset   kind = 0x1e // an asset, or the last piece of one
	kindPart    kind = 0x2d // a piece of an asset before the last
	kindRemoved kind = 0x4b // the asset is gone
	kindLost    kind = 0x78 // the asset is there, its contents are not
)

// Sizes of a record in bytes.
const (
	recordHeader   = 28
	recordOverhead = recordHeader + 8 // with the CRC and the seal
	sumAt          = 24               // offset of the header's CRC
)

// castagnoli is the polynomial of CRC-32C.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum returns the CRC-32C of p continuing crc, as it is stored.
func sum(crc uint32, p []byte) uint32 { return crc32.Update(crc, castagnoli, p) }

// stored returns a CRC as it is written: never blank, which the commit rule
// needs.
func stored(crc uint32) uint32 {
	if crc == ^uint32(0) {
		return 0
	}
	return crc
}

// record is a record's header, and what scanning has found out about the rest.
type record struct {
	kind    kind
	flags   Flags
	length  int // bytes of payload
	key     Key
	version uint32
	extra   uint32 // the asset's size; of a part, its index

	intact bool // the payload matches its CRC
	sealed bool
}

// size returns the bytes that a record takes in flash.
func (r *record) size() int { return recordSize(r.length) }

func recordSize(payload int) int { return recordOverhead + (payload+3)&^3 }

// encode writes the header to h, recordHeader bytes.
func (r *record) encode(h []byte) {
	h[0], h[1] = byte(r.kind), byte(r.flags)
	binary.LittleEndian.PutUint16(h[2:], uint16(r.length))
	binary.LittleEndian.PutUint32(h[4:], uint32(r.key.Owner))
	binary.LittleEndian.PutUint64(h[8:], r.key.UID)
	binary.LittleEndian.PutUint32(h[16:], r.version)
	binary.LittleEndian.PutUint32(h[20:], r.extra)
	binary.LittleEndian.PutUint32(h[sumAt:], stored(sum(0, h[:sumAt])))
}

// decode reads the header h, whose CRC is right. It returns false for one that
// this package does not write.
func (r *record) decode(h []byte, partSize int) bool {
	*r = record{
		kind:    kind(h[0]),
		flags:   Flags(h[1]),
		length:  int(binary.LittleEndian.Uint16(h[2:])),
		key:     Key{int32(binary.LittleEndian.Uint32(h[4:])), binary.LittleEndian.Uint64(h[8:])},
		version: binary.LittleEndian.Uint32(h[16:]),
		extra:   binary.LittleEndian.Uint32(h[20:]),
	}
	switch r.kind {
	case kindAsset:
		return r.length <= partSize && r.extra < maxArea && int(r.extra) >= r.length &&
			(int(r.extra)-r.length)%partSize == 0 && (r.length > 0 || r.extra == 0)
	case kindPart:
		return r.length == partSize
	case kindRemoved, kindLost:
		return r.length == 0
	}
	return false
}

// headerOK reports whether the CRC of the header h is right.
func headerOK(h []byte) bool {
	return binary.LittleEndian.Uint32(h[sumAt:]) == stored(sum(0, h[:sumAt]))
}

// heal corrects one flipped bit of the header h and reports whether the header
// is right now.
func heal(h []byte) bool {
	for i := range recordHeader * 8 {
		h[i/8] ^= 1 << (i % 8)
		if headerOK(h) {
			return true
		}
		h[i/8] ^= 1 << (i % 8)
	}
	return false
}

// found is what scanning finds in a page.
type found int

const (
	foundRecord found = iota // a record that was committed
	foundEnd                 // no record, and none has ever been started here
	foundTorn                // a record that a power cut interrupted
	foundWound               // damage: where the next record begins is unknown
)

// parse looks at what is in page at off. It corrects a damaged header in page
// itself.
func (s *Store) parse(page []byte, off int) (r record, f found) {
	if off+recordOverhead > len(page) {
		return r, foundTorn // no room for a record: the page is closed
	}
	h := page[off : off+recordHeader]
	if !headerOK(h) {
		switch rest := page[off+recordHeader:]; {
		case blank(h) && blank(rest):
			return r, foundEnd
		case blank(h), blank(rest):
			// A cut in the header, or a stray bit in unused space. The header of
			// a complete record has a seal behind it, which is not blank.
			return r, foundTorn
		case !heal(h):
			return r, foundWound
		}
	}
	// The area bounds the size of an asset, and with it what is allocated for the
	// locations of its parts.
	if !r.decode(h, s.partSize) || off+r.size() > len(page) || r.kind == kindAsset && int(r.extra) > s.pages*s.pageSize {
		return r, foundWound
	}
	trailer := page[off+r.size()-8:]
	want := stored(sum(sum(0, h), page[off+recordHeader:][:r.length]))
	r.intact = binary.LittleEndian.Uint32(trailer) == want
	r.sealed = !blank(trailer[4:8])
	if !r.intact && blank(trailer[4:]) {
		return r, foundTorn
	}
	return r, foundRecord
}

// write programs a record at off. The record is committed once all words but
// the last are programmed.
func (s *Store) write(off int, r *record, payload []byte) error {
	r.encode(s.head[:])
	if err := s.program(off, s.head[:]); err != nil {
		return err
	}
	whole := len(payload) &^ 3
	if whole > 0 {
		if err := s.program(off+recordHeader, payload[:whole]); err != nil {
			return err
		}
	}
	end := s.end[:0]
	if whole < len(payload) {
		end = append(end, 0xff, 0xff, 0xff, 0xff)
		copy(end, payload[whole:])
	}
	end = binary.LittleEndian.AppendUint32(end, stored(sum(sum(0, s.head[:]), payload)))
	end = binary.LittleEndian.AppendUint32(end, 0)
	return s.program(off+recordHeader+whole, end)
}
