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
	kindScar    kind = 0x87 // what has this version or a lower one may not be the latest
)

// Sizes of a record in bytes.
const (
	recordHeader   = 28
	recordOverhead = recordHeader + 8 // with the CRC and the seal
	sumAt          = 24               // offset of the header's CRC
	sector         = 512              // what a Syncer is taken to write as a whole
)

// castagnoli is the polynomial of CRC-32C, for which processors have an
// instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum returns the CRC-32C of p continuing crc.
func sum(crc uint32, p []byte) uint32 { return crc32.Update(crc, castagnoli, p) }

// notBlank returns a CRC as it is stored: never blank, which the commit rule
// needs.
func notBlank(crc uint32) uint32 {
	if crc == ^uint32(0) {
		return 0
	}
	return crc
}

// record is a record's header, and what scanning has found out about the rest.
type record struct {
	kind    kind
	flags   Flags
	id      id
	version uint64
	extra   uint32 // the asset's size; of a part, its index; of a scar, the sequence number of the page
	length  int    // bytes of payload

	intact bool // the payload matches its CRC
	sealed bool
	healed bool // damage was corrected
}

// located is a record and its offset in a page.
type located struct {
	record
	off int
}

// size returns the bytes that a record takes in flash.
func (r *record) size() int { return recordSize(r.length) }

func recordSize(payload int) int { return recordOverhead + (payload+3)&^3 }

// encode writes the header to h, recordHeader bytes.
func (r *record) encode(h []byte) {
	h[0], h[1] = byte(r.kind), byte(r.flags)
	binary.LittleEndian.PutUint16(h[2:], uint16(r.version>>32))
	binary.LittleEndian.PutUint32(h[4:], uint32(r.id.owner))
	binary.LittleEndian.PutUint32(h[8:], r.id.low)
	binary.LittleEndian.PutUint32(h[12:], r.id.high)
	binary.LittleEndian.PutUint32(h[16:], uint32(r.version))
	binary.LittleEndian.PutUint32(h[20:], r.extra)
	binary.LittleEndian.PutUint32(h[sumAt:], notBlank(sum(0, h[:sumAt])))
}

// decode reads the header h, whose CRC is right, of a record in an area of some
// size. It returns false for one that this package does not write.
func (r *record) decode(h []byte, partSize, area int) bool {
	*r = record{
		kind:    kind(h[0]),
		flags:   Flags(h[1]),
		id:      id{int32(binary.LittleEndian.Uint32(h[4:])), binary.LittleEndian.Uint32(h[8:]), binary.LittleEndian.Uint32(h[12:])},
		version: uint64(binary.LittleEndian.Uint16(h[2:]))<<32 | uint64(binary.LittleEndian.Uint32(h[16:])),
		extra:   binary.LittleEndian.Uint32(h[20:]),
	}
	switch r.kind {
	case kindAsset, kindLost:
		// The area bounds the size of an asset, and with it what is allocated for
		// the locations of its parts.
		if int64(r.extra) > int64(area) {
			return false
		}
		if r.kind == kindAsset {
			_, r.length = split(int(r.extra), partSize)
		}
		return true
	case kindPart:
		r.length = partSize
		return true
	case kindRemoved, kindScar:
		return true
	}
	return false
}

// headerOK reports whether the CRC of the header h is right.
func headerOK(h []byte) bool {
	return binary.LittleEndian.Uint32(h[sumAt:]) == notBlank(sum(0, h[:sumAt]))
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

// place is what scanning finds in a page.
type place int

const (
	foundRecord place = iota // a record that was committed
	foundEnd                 // no record, and none has ever been started here
	foundTorn                // a record that a power cut interrupted, or no room for one
	foundWound               // damage: where the next record begins is unknown
)

// parse looks at what is in page at off. It corrects damage to a header in page
// itself.
func (s *Store) parse(page []byte, off int) (r record, f place) {
	if off+recordOverhead > len(page) {
		return r, foundTorn
	}
	h, healed := page[off:off+recordHeader], false
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
		healed = true
	}
	if !r.decode(h, s.partSize, s.flash.Size()) || off+r.size() > len(page) {
		return r, foundWound
	}
	r.healed = healed
	trailer := page[off+r.size()-8:]
	want := notBlank(sum(0, page[off:][:recordHeader+r.length]))
	r.intact = binary.LittleEndian.Uint32(trailer) == want
	r.sealed = !blank(trailer[4:8])
	if !r.intact && r.sealed && r.length == 0 {
		// The CRC is all that can be damaged: what the record says is in its
		// header.
		binary.LittleEndian.PutUint32(trailer, want)
		r.intact, r.healed = true, true
	}
	if !r.intact && blank(trailer[4:]) { // nothing follows, either
		return r, foundTorn
	}
	return r, foundRecord
}

// write programs a record at off. It is committed once all but the seal is
// programmed.
func (s *Store) write(off int, r *record, payload []byte) error {
	r.encode(s.head[:])
	if err := s.program(off, s.head[:]); err != nil {
		return err
	}
	// A header of which half was lost with its sector, before payload that was
	// not, would look like damage.
	if off%sector+recordHeader > sector {
		if err := s.settle(off, off+recordHeader); err != nil {
			return err
		}
	}
	crc := notBlank(sum(sum(0, s.head[:]), payload))
	at, whole := off+recordHeader, len(payload)&^3
	if whole > 0 {
		if err := s.program(at, payload[:whole]); err != nil {
			return err
		}
		at += whole
	}
	if rest := payload[whole:]; len(rest) > 0 {
		s.end = [4]byte{0xff, 0xff, 0xff, 0xff}
		copy(s.end[:], rest)
		if err := s.program(at, s.end[:]); err != nil {
			return err
		}
		at += 4
	}
	binary.LittleEndian.PutUint32(s.end[:], crc)
	if err := s.program(at, s.end[:]); err != nil {
		return err
	}
	if err := s.settle(off, at+4); err != nil {
		return err
	}
	return s.seal(at + 4)
}

// seal programs the seal at off.
func (s *Store) seal(off int) error {
	s.end = [4]byte{}
	return s.program(off, s.end[:])
}

// put appends a record to b, sealed.
func (r *record) put(b []byte, payload []byte) []byte {
	at := len(b)
	b = append(b, make([]byte, recordHeader)...)
	r.encode(b[at:])
	b = append(b, payload...)
	crc := notBlank(sum(0, b[at:]))
	for (len(b)-at)%4 != 0 {
		b = append(b, 0xff)
	}
	b = binary.LittleEndian.AppendUint32(b, crc)
	return binary.LittleEndian.AppendUint32(b, 0)
}
