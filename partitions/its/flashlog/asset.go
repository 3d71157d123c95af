package flashlog

import (
	"encoding/binary"
	"fmt"

	"github.com/postern-spe/postern/veneer"
)

// Set makes data the contents of an asset, whole or not at all. It does not keep
// data. ErrNotPermitted: the asset is write-once. ErrInsufficientStorage: the
// asset is as it was.
func (s *Store) Set(k Key, data []byte, flags Flags) error {
	if err := s.ready(); err != nil {
		return err
	}
	i := k.id()
	old, known := s.index[i]
	exists := known && old.state != removed
	if exists && old.flags&WriteOnce != 0 {
		return veneer.ErrNotPermitted
	}
	if err := s.admit(len(data), i, &old, exists); err != nil {
		return err
	}
	n, _ := split(len(data), s.partSize)
	s.pending = pending{id: i, version: s.version + 1}
	if n > 0 {
		s.pending.parts = make([]uint32, n)
	}
	e, err := s.append(data, flags)
	parts := s.pending.parts
	s.pending = pending{}
	if err != nil {
		// Parts that were counted as live are not any more; they are found
		// again, and dropped, like those that a power cut leaves.
		s.stale = true
		return err
	}
	// The parts were counted as they were written, and are again with the rest.
	for _, loc := range parts {
		s.weighPart(loc, -1)
	}
	s.supersede(i, &e)
	if n > 0 {
		s.parts[i] = parts
	}
	s.count(i, &e)
	s.index[i] = e
	return nil
}

// supersede makes dead what the index has of an asset, which e is to replace; a
// collection may have moved or damaged it since it was looked at last. e gets
// the number of records that it hides.
func (s *Store) supersede(i id, e *entry) {
	s.version = e.version()
	old, known := s.index[i]
	if !known {
		return
	}
	s.uncount(i, &old)
	delete(s.parts, i)
	e.hidden = old.hidden
	if old.state != removed {
		e.hidden++
	}
}

// weighPart counts a part of the asset that is being written.
func (s *Store) weighPart(loc uint32, sign int) {
	if loc != 0 {
		n := sign * recordSize(s.partSize)
		s.table.adjust(s.pageAt(loc), n)
		s.live += n
	}
}

// append writes the records of the pending asset: its parts and then its own,
// which commits it.
func (s *Store) append(data []byte, flags Flags) (entry, error) {
	if s.version == maxVersion {
		return entry{}, fmt.Errorf("no versions left: %w", veneer.ErrStorageFailure)
	}
	p := &s.pending
	r := record{kind: kindPart, length: s.partSize, id: p.id, version: p.version}
	for i := range p.parts {
		r.extra = uint32(i)
		loc, err := s.appendRecord(&r, data[i*s.partSize:][:s.partSize])
		if err != nil {
			return entry{}, err
		}
		p.parts[i] = loc
		s.weighPart(loc, 1)
	}
	rest := data[len(p.parts)*s.partSize:]
	r.kind, r.flags, r.length, r.extra = kindAsset, flags, len(rest), uint32(len(data))
	// Making room may collect parts, and find one damaged: room first, so that
	// nothing is committed without all its parts.
	if err := s.makeRoom(r.size()); err != nil {
		return entry{}, err
	}
	for _, loc := range p.parts {
		if loc == 0 {
			return entry{}, fmt.Errorf("a part was damaged before the asset was complete: %w", veneer.ErrStorageFailure)
		}
	}
	loc, err := s.appendRecord(&r, rest)
	if err != nil {
		return entry{}, err
	}
	return newEntry(&r, loc), nil
}

func (s *Store) appendRecord(r *record, payload []byte) (uint32, error) {
	if err := s.makeRoom(r.size()); err != nil {
		return 0, err
	}
	loc := int(s.table.newest)*s.pageSize + s.tail
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
	i := k.id()
	e, err := s.look(i)
	switch {
	case err != nil:
		return err
	case e.flags&WriteOnce != 0:
		return veneer.ErrNotPermitted
	case s.version == maxVersion:
		return fmt.Errorf("no versions left: %w", veneer.ErrStorageFailure)
	}
	r := record{kind: kindRemoved, id: i, version: s.version + 1}
	loc, err := s.appendRecord(&r, nil)
	if err != nil {
		s.stale = true
		return err
	}
	gone := newEntry(&r, loc)
	e = s.index[i] // where making room may have moved it
	s.remember(s.pageAt(e.loc))
	s.supersede(i, &gone)
	s.count(i, &gone)
	s.index[i] = gone
	return nil
}

// look returns the entry of an asset that is there. ErrDoesNotExist.
func (s *Store) look(i id) (entry, error) {
	if e, ok := s.index[i]; ok && e.state != removed {
		return e, nil
	}
	return entry{}, veneer.ErrDoesNotExist
}

// Stat returns the size and the flags of an asset. ErrDoesNotExist;
// ErrDataCorrupt where they, too, may be those of an older value.
func (s *Store) Stat(k Key) (Info, error) {
	if err := s.ready(); err != nil {
		return Info{}, err
	}
	e, err := s.look(k.id())
	switch {
	case err != nil:
		return Info{}, err
	case e.state != stored:
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
	i := k.id()
	e, err := s.look(i)
	switch {
	case err != nil:
		return 0, err
	case e.state != stored:
		return 0, veneer.ErrDataCorrupt
	case off < 0 || off > int(e.size):
		return 0, veneer.ErrInvalidArgument
	}
	dst = dst[:min(len(dst), int(e.size)-off)]
	n, rest := split(int(e.size), s.partSize)
	var parts []uint32
	if n > 0 {
		parts = s.parts[i]
	}
	for done := 0; done < len(dst); {
		part, at := (off+done)/s.partSize, (off+done)%s.partSize
		want := record{kind: kindPart, length: s.partSize, id: i, version: e.version(), extra: uint32(part)}
		loc := e.loc
		if part < n {
			loc = parts[part]
		} else {
			want.kind, want.flags, want.extra, want.length = kindAsset, e.flags, e.size, rest
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
	whole := s.page[:want.size()]
	defer clear(whole)
	if err := s.read(loc, whole); err != nil {
		return err
	}
	h := whole[:recordHeader]
	var r record
	if !headerOK(h) && !heal(h) || !r.decode(h, s.partSize, s.flash.Size()) || r != *want ||
		binary.LittleEndian.Uint32(whole[len(whole)-8:]) != notBlank(sum(0, whole[:recordHeader+r.length])) {
		return veneer.ErrDataCorrupt
	}
	copy(dst, whole[recordHeader+at:])
	return nil
}
