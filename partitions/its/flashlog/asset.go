package flashlog

import (
	"encoding/binary"
	"fmt"

	"github.com/postern-spe/postern/veneer"
)

// removedSize is the room that is kept for the removal of an asset.
const removedSize = recordOverhead

// parts returns how many records an asset of size bytes has besides its own,
// and the payload of that one: 1..partSize bytes, 0 for an empty asset only.
func (s *Store) parts(size int) (n, rest int) {
	if size == 0 {
		return 0, 0
	}
	n = (size - 1) / s.partSize
	return n, size - n*s.partSize
}

// footprint returns the bytes that the records of an asset take once collection
// has been over them.
func (s *Store) footprint(e entry) int {
	if e.lost {
		return recordOverhead
	}
	n, rest := s.parts(int(e.size))
	return n*recordSize(s.partSize) + recordSize(rest)
}

// fits applies the rule of the package comment to an asset of n parts and a
// record of rest bytes. What it replaces stays live until it is committed.
func (s *Store) fits(n, rest int) bool {
	last := recordSize(rest)
	most := last
	if n > 0 {
		most = recordSize(s.partSize)
	}
	space, others := s.pageSize-pageHeader, s.pages-1
	before := s.live + n*recordSize(s.partSize)
	return before <= others*(space-most) && before+last <= others*(space-removedSize)
}

// Set makes data the contents of an asset, whole or not at all. It does not keep
// data. ErrNotPermitted: the asset is write-once. ErrInsufficientStorage: the
// asset is as it was.
func (s *Store) Set(k Key, data []byte, flags Flags) error {
	if err := s.ready(); err != nil {
		return err
	}
	old, exists := s.index[k]
	if exists && old.flags&WriteOnce != 0 {
		return veneer.ErrNotPermitted
	}
	if len(data) > s.pages*s.pageSize {
		return veneer.ErrInsufficientStorage
	}
	n, rest := s.parts(len(data))
	if !s.fits(n, rest) {
		return veneer.ErrInsufficientStorage
	}
	s.version++
	if n > 0 {
		s.pending = pending{key: k, version: s.version, parts: make([]uint32, n)}
	}
	e, err := s.append(k, data, n, flags)
	s.pending = pending{}
	if err != nil {
		// Parts that were counted as live are not any more; they are found
		// again, and dropped, like those that a power cut leaves.
		s.stale = true
		return err
	}
	if exists {
		s.live -= s.footprint(s.index[k]) // a collection may have found it damaged
	}
	s.live += s.footprint(e)
	s.index[k] = e
	return nil
}

// append writes the records of an asset: n parts and then its own, which
// commits it.
func (s *Store) append(k Key, data []byte, n int, flags Flags) (entry, error) {
	r := record{kind: kindPart, length: s.partSize, key: k, version: s.version}
	for i := range n {
		r.extra = uint32(i)
		loc, err := s.appendRecord(&r, data[i*s.partSize:][:s.partSize])
		if err != nil {
			return entry{}, err
		}
		s.pending.parts[i] = loc
	}
	r.kind, r.flags, r.length, r.extra = kindAsset, flags, len(data)-n*s.partSize, uint32(len(data))
	// Making room may collect parts, and find one damaged: room first, so that
	// nothing is committed without all its parts.
	if _, err := s.room(r.size()); err != nil {
		return entry{}, err
	}
	for _, loc := range s.pending.parts {
		if loc == 0 {
			return entry{}, fmt.Errorf("a part was damaged before the asset was complete: %w", veneer.ErrStorageFailure)
		}
	}
	loc, err := s.appendRecord(&r, data[n*s.partSize:])
	if err != nil {
		return entry{}, err
	}
	return entry{loc: loc, size: r.extra, version: s.version, parts: s.pending.parts, flags: flags}, nil
}

func (s *Store) appendRecord(r *record, payload []byte) (uint32, error) {
	loc, err := s.room(r.size())
	if err != nil {
		return 0, err
	}
	if err := s.write(loc, r, payload); err != nil {
		return 0, err
	}
	s.tail += r.size()
	return uint32(loc), nil
}

// Remove takes an asset away. It needs no more room than the store keeps for it.
// ErrDoesNotExist, ErrNotPermitted: the asset is write-once.
func (s *Store) Remove(k Key) error {
	if err := s.ready(); err != nil {
		return err
	}
	e, ok := s.index[k]
	switch {
	case !ok:
		return veneer.ErrDoesNotExist
	case e.flags&WriteOnce != 0:
		return veneer.ErrNotPermitted
	}
	if _, err := s.appendRecord(&record{kind: kindRemoved, key: k, version: e.version}, nil); err != nil {
		return err
	}
	s.live -= s.footprint(s.index[k])
	delete(s.index, k)
	return nil
}

// Stat returns the size and the flags of an asset. ErrDoesNotExist;
// ErrDataCorrupt where they, too, may be those of an older value.
func (s *Store) Stat(k Key) (Info, error) {
	if err := s.ready(); err != nil {
		return Info{}, err
	}
	e, ok := s.index[k]
	switch {
	case !ok:
		return Info{}, veneer.ErrDoesNotExist
	case e.lost:
		return Info{}, veneer.ErrDataCorrupt
	}
	return Info{int(e.size), e.flags}, nil
}

// Read copies an asset to dst from the offset off on and returns the number of
// bytes: the lesser of len(dst) and what there is. Every record that it takes
// bytes from is checked as a whole; on an error dst is cleared.
// ErrDoesNotExist; ErrInvalidArgument: off is past the end; ErrDataCorrupt.
func (s *Store) Read(k Key, off int, dst []byte) (int, error) {
	if err := s.ready(); err != nil {
		return 0, err
	}
	e, ok := s.index[k]
	switch {
	case !ok:
		return 0, veneer.ErrDoesNotExist
	case e.lost:
		return 0, veneer.ErrDataCorrupt
	case off < 0 || off > int(e.size):
		return 0, veneer.ErrInvalidArgument
	}
	dst = dst[:min(len(dst), int(e.size)-off)]
	for done := 0; done < len(dst); {
		i, at := (off+done)/s.partSize, (off+done)%s.partSize
		want := record{kind: kindPart, length: s.partSize, key: k, version: e.version, extra: uint32(i)}
		loc := e.loc
		if i < len(e.parts) {
			loc = e.parts[i]
		} else {
			want.kind, want.flags, want.extra = kindAsset, e.flags, e.size
			want.length = int(e.size) - len(e.parts)*s.partSize
		}
		n := min(len(dst)-done, want.length-at)
		if err := s.readRecord(int(loc), &want, at, dst[done:done+n]); err != nil {
			clear(dst)
			return 0, err
		}
		done += n
	}
	return len(dst), nil
}

// readRecord copies the payload from at on of the record at loc, which must be
// the record want, to dst, which does not go past its end.
func (s *Store) readRecord(loc int, want *record, at int, dst []byte) error {
	if err := s.read(loc, s.head[:]); err != nil {
		return err
	}
	var r record
	if !headerOK(s.head[:]) && !heal(s.head[:]) || !r.decode(s.head[:], s.partSize) || r != *want {
		return veneer.ErrDataCorrupt
	}
	// All of a payload goes to its destination at once; of one that is wanted in
	// part, all is read to check it.
	payload := dst
	if len(dst) != r.length {
		payload = s.page[:r.length]
		defer clear(payload)
	}
	if err := s.read(loc+recordHeader, payload); err != nil {
		return err
	}
	if err := s.read(loc+r.size()-8, s.end[:4]); err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(s.end[:4]) != stored(sum(sum(0, s.head[:]), payload)) {
		return veneer.ErrDataCorrupt
	}
	if len(dst) != r.length {
		copy(dst, payload[at:])
	}
	return nil
}
