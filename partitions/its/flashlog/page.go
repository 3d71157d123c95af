package flashlog

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/postern-spe/postern/veneer"
)

// The page header.
const (
	pageHeader = 20 // bytes
	pageMark   = 16 // offset of the mark
)

// pageSequence returns the sequence number in the header h of page i of n. One
// of its two copies suffices, so that one flipped bit does not lose a page.
func pageSequence(h []byte, i, n int) (seq uint32, ok bool) {
	for _, at := range [...]int{0, 8} {
		s, c := binary.LittleEndian.Uint32(h[at:]), binary.LittleEndian.Uint32(h[at+4:])
		if s != ^c || s == 0 || int((s-1)%uint32(n)) != i {
			continue
		}
		if ok && s != seq {
			return 0, false
		}
		seq, ok = s, true
	}
	return seq, ok
}

// collected reports whether the mark in the page header h says that the page
// holds all live records of the page it replaces. The mark is programmed to 0
// when the copies are complete, so however few bits of it a cut has cleared,
// either answer is true to the flash; a majority is proof against one flipped
// bit.
func collected(h []byte) bool {
	return bits.OnesCount32(binary.LittleEndian.Uint32(h[pageMark:])) <= 16
}

// pageOf returns the offset of the page with a sequence number.
func (s *Store) pageOf(seq uint32) int {
	return int((seq-1)%uint32(s.pages)) * s.pageSize
}

// inUse returns the number of pages that hold records.
func (s *Store) inUse() int { return int(s.last - s.first + 1) }

// load reads a page to s.page.
func (s *Store) load(off int) error { return s.read(off, s.page) }

// makeBlank erases the page at off unless it is blank. It overwrites s.page.
func (s *Store) makeBlank(off int) error {
	if err := s.load(off); err != nil {
		return err
	}
	if blank(s.page) {
		return nil
	}
	if err := s.erase(off); err != nil {
		return err
	}
	if err := s.load(off); err != nil {
		return err
	}
	if !blank(s.page) {
		return fmt.Errorf("offset 0x%x: page is not blank after an erase: %w", off, veneer.ErrStorageFailure)
	}
	return nil
}

// openPage gives the reserve the next sequence number and returns its offset.
// It overwrites s.page.
func (s *Store) openPage() (int, error) {
	seq := s.last + 1
	if seq == ^uint32(0) { // 2^32 erases: some 400,000 times the endurance of a page
		return 0, fmt.Errorf("no page sequence numbers left: %w", veneer.ErrStorageFailure)
	}
	off := s.pageOf(seq)
	if err := s.makeBlank(off); err != nil {
		return 0, err
	}
	h := s.head[:pageMark]
	for at := 0; at < pageMark; at += 8 {
		binary.LittleEndian.PutUint32(h[at:], seq)
		binary.LittleEndian.PutUint32(h[at+4:], ^seq)
	}
	if err := s.program(off, h); err != nil {
		return 0, err
	}
	return off, nil
}

// blank reports whether all bits of p are set.
func blank(p []byte) bool {
	for len(p) >= 8 {
		if binary.LittleEndian.Uint64(p) != ^uint64(0) {
			return false
		}
		p = p[8:]
	}
	for _, b := range p {
		if b != 0xff {
			return false
		}
	}
	return true
}
