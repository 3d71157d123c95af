package flashlog

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/postern-spe/postern/veneer"
)

// The page header.
const (
	headerCopy = 32             // bytes of each of its two copies
	pageMark   = 2 * headerCopy // offset of the mark
	pageHeader = pageMark + 4   // bytes

	format   = 1          // of this package's pages
	noVictim = 0xffffffff // of a page that was opened without collecting one
)

// header is a page header but for the mark.
type header struct {
	seq          uint32
	version      uint64 // the highest when the page was opened
	erases       uint32 // of the page
	victim       uint32 // the page that it replaces, which is retired once there is a mark
	victimErases uint32 // with the one that retires it
}

// append appends one copy of the header of page p to b.
func (h *header) append(b []byte, p int) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, h.seq)
	b = binary.LittleEndian.AppendUint32(b, ^h.seq)
	b = binary.LittleEndian.AppendUint64(b, h.version|format<<48)
	b = binary.LittleEndian.AppendUint32(b, h.erases)
	b = binary.LittleEndian.AppendUint32(b, h.victim)
	b = binary.LittleEndian.AppendUint32(b, h.victimErases)
	return binary.LittleEndian.AppendUint32(b, headerSum(b[at:], p))
}

// headerSum returns the CRC of a copy of the header of page p, of which it looks
// at what stands before the CRC.
func headerSum(b []byte, p int) uint32 {
	// Four bytes are faster by the table than in a slice that goes to the heap.
	crc := ^uint32(0)
	for i := range 4 {
		crc = castagnoli[byte(crc)^byte(p>>(8*i))] ^ crc>>8
	}
	return notBlank(sum(^crc, b[:headerCopy-4]))
}

// decodeHeader reads the header of page p from b, the beginning of the page. One
// of the two copies suffices, so that one flipped bit does not lose a page.
func decodeHeader(b []byte, p int) (h header, ok bool) {
	for at := 0; at < pageMark; at += headerCopy {
		c := b[at:][:headerCopy]
		seq, version := binary.LittleEndian.Uint32(c), binary.LittleEndian.Uint64(c[8:])
		if seq == 0 || seq != ^binary.LittleEndian.Uint32(c[4:]) || version>>48 != format ||
			binary.LittleEndian.Uint32(c[28:]) != headerSum(c, p) {
			continue
		}
		found := header{
			seq:          seq,
			version:      version & maxVersion,
			erases:       binary.LittleEndian.Uint32(c[16:]),
			victim:       binary.LittleEndian.Uint32(c[20:]),
			victimErases: binary.LittleEndian.Uint32(c[24:]),
		}
		if ok && found != h {
			return header{}, false
		}
		h, ok = found, true
	}
	return h, ok
}

// marked reports whether the mark of a page that begins with b says that the
// page holds all live records of its victim. The mark is programmed to 0 when
// the copies are complete, so however few bits of it a cut has cleared, either
// answer is true to the flash; a majority is proof against one flipped bit.
func marked(b []byte) bool {
	return bits.OnesCount32(binary.LittleEndian.Uint32(b[pageMark:])) <= 16
}

// load reads page p to s.page.
func (s *Store) load(p int) error { return s.read(p*s.pageSize, s.page) }

// makeBlank erases the page that is opened next unless it is blank. It
// overwrites s.page.
func (s *Store) makeBlank() error {
	off := s.next * s.pageSize
	if err := s.load(s.next); err != nil {
		return err
	}
	if blank(s.page) {
		return nil
	}
	if err := s.erase(off); err != nil {
		return err
	}
	s.nextWorn++
	if err := s.load(s.next); err != nil {
		return err
	}
	if !blank(s.page) {
		return fmt.Errorf("offset 0x%x: page is not blank after an erase: %w", off, veneer.ErrStorageFailure)
	}
	return s.settle(off, off+s.pageSize)
}

// openPage makes the page that is next the newest one. victim is the page that
// it is to replace, -1 for none. It overwrites s.page.
func (s *Store) openPage(victim int) error {
	if s.last == ^uint32(0) { // 2^32 erases
		return fmt.Errorf("no page sequence numbers left: %w", veneer.ErrStorageFailure)
	}
	if err := s.makeBlank(); err != nil {
		return err
	}
	h := header{seq: s.last + 1, version: s.version, erases: s.nextWorn, victim: noVictim}
	if victim >= 0 {
		h.victim, h.victimErases = uint32(victim), s.table.pages[victim].erases+1
	}
	p := s.next
	b := h.append(h.append(s.page[:0], p), p)
	if err := s.program(p*s.pageSize, b); err != nil {
		return err
	}
	s.last++
	s.table.open(p, h.seq, h.erases)
	s.tail = pageHeader
	if victim < 0 {
		s.next, s.nextWorn = p+1, 0
	}
	return nil
}

// almostBlank reports whether all bits of p are set but one at most.
func almostBlank(p []byte) bool {
	if blank(p) {
		return true
	}
	flipped := 0
	for _, b := range p {
		if flipped += bits.OnesCount8(^b); flipped > 1 {
			return false
		}
	}
	return true
}

// blank reports whether all bits of p are set.
func blank(p []byte) bool {
	for len(p) >= 32 {
		if binary.LittleEndian.Uint64(p)&binary.LittleEndian.Uint64(p[8:])&
			binary.LittleEndian.Uint64(p[16:])&binary.LittleEndian.Uint64(p[24:]) != ^uint64(0) {
			return false
		}
		p = p[32:]
	}
	for _, b := range p {
		if b != 0xff {
			return false
		}
	}
	return true
}
