package flashlog

import (
	"fmt"

	"github.com/postern-spe/postern/veneer"
)

// partID names one part of one set of an asset.
type partID struct {
	key     Key
	version uint32
	index   uint32
}

// mount reads the area into the index and finishes what a power cut
// interrupted. It changes nothing in an area that it refuses.
func (s *Store) mount() error {
	if err := s.scan(); err != nil {
		return err
	}
	return s.repair()
}

// scan is the half of mount that reads.
func (s *Store) scan() error {
	s.stale = true // until repair is done
	if err := s.findPages(); err != nil {
		return err
	}
	return s.replay()
}

// repair is the half of mount that writes, after scan.
func (s *Store) repair() error {
	// The page after last is the reserve. What a cut has left there is a torn
	// header, an interrupted erase, a collection that was not marked or a page
	// that was retired: none of it counts.
	if s.last > 0 {
		if err := s.makeBlank(s.pageOf(s.last + 1)); err != nil {
			return err
		}
	}
	s.end = [12]byte{}
	for _, seal := range s.unsealed {
		if err := s.program(int(seal), s.end[:4]); err != nil {
			return err
		}
	}
	s.unsealed = nil
	s.stale = false
	return nil
}

// findPages sets first and last from the page headers.
func (s *Store) findPages() error {
	var newest uint32
	var mark bool
	valid := make([]uint32, s.pages)
	for i := range valid {
		h := s.head[:pageHeader]
		if err := s.read(i*s.pageSize, h); err != nil {
			return err
		}
		if seq, ok := pageSequence(h, i, s.pages); ok {
			valid[i] = seq
			if seq > newest {
				newest, mark = seq, collected(h)
			}
		}
	}
	n := uint32(s.pages)
	present := func(seq uint32) bool { return seq > 0 && valid[(seq-1)%n] == seq }

	s.first, s.last = 1, newest
	if newest >= n { // the newest page was opened to collect newest-n+1
		switch victim := newest - n + 1; {
		case mark:
			s.first = victim + 1
		case present(victim):
			s.first, s.last = victim, newest-1
		default:
			return s.refuse(victim)
		}
	}
	for seq := s.first; seq <= s.last; seq++ {
		if !present(seq) {
			return s.refuse(seq)
		}
	}
	// Pages that were never used are blank, but for a header that a cut tore in
	// the first of them.
	for seq := s.last + 1; seq <= n; seq++ {
		if s.last+1 == n {
			break // the reserve of a full ring: a torn erase leaves anything
		}
		if err := s.load(s.pageOf(seq)); err != nil {
			return err
		}
		if unused := s.page; !blank(unused[pageHeader:]) || seq > s.last+1 && !blank(unused) {
			return s.refuse(seq)
		}
	}
	return nil
}

// refuse is the error for page headers that no power cut can have left. To go
// on would be to bring back old values, or to erase what is somebody else's.
func (s *Store) refuse(seq uint32) error {
	return fmt.Errorf("offset 0x%x: damaged or not a store: no page with sequence %d: %w",
		s.pageOf(seq), seq, veneer.ErrDataCorrupt)
}

// replay builds the index from the pages in use.
func (s *Store) replay() error {
	s.index = make(map[Key]entry)
	s.pending = pending{}
	s.unsealed = nil
	s.version, s.tail = 0, s.pageSize
	early := make(map[partID]uint32) // parts whose asset is further on, or was never committed
	for seq := s.first; seq <= s.last; seq++ {
		if err := s.replayPage(seq, early); err != nil {
			return err
		}
	}
	s.live = 0
	for k, e := range s.index {
		for _, loc := range e.parts {
			// All parts were there before the asset was committed.
			e.lost = e.lost || loc == 0
		}
		s.index[k] = e
		s.live += s.footprint(e)
	}
	return nil
}

func (s *Store) replayPage(seq uint32, early map[partID]uint32) error {
	base := s.pageOf(seq)
	if err := s.load(base); err != nil {
		return err
	}
	for off := pageHeader; ; {
		r, f := s.parse(s.page, off)
		if f != foundRecord {
			if f == foundWound {
				s.suspect()
			}
			if seq == s.last && f == foundEnd {
				s.tail = off
			}
			return nil
		}
		if !r.sealed && r.intact && seq == s.last {
			// The cut came between the commit and the seal.
			s.unsealed = append(s.unsealed, uint32(base+off+r.size()-4))
		}
		s.version = max(s.version, r.version)
		s.apply(&r, uint32(base+off), early)
		off += r.size()
	}
}

// suspect takes every asset that is known so far for lost: the damaged place
// may have held its latest value, or its removal.
func (s *Store) suspect() {
	for k, e := range s.index {
		e.lost = true
		s.index[k] = e
	}
}

// apply enters one record, in the order of the log.
func (s *Store) apply(r *record, loc uint32, early map[partID]uint32) {
	switch r.kind {
	case kindRemoved:
		delete(s.index, r.key)
	case kindLost:
		s.index[r.key] = entry{loc: loc, size: r.extra, version: r.version, flags: r.flags, lost: true}
	case kindPart:
		if e, ok := s.index[r.key]; ok && e.version == r.version && int64(r.extra) < int64(len(e.parts)) {
			e.parts[r.extra] = loc // a copy that collection made
			return
		}
		early[partID{r.key, r.version, r.extra}] = loc
	case kindAsset:
		e := entry{loc: loc, size: r.extra, version: r.version, flags: r.flags}
		if n := (int(r.extra) - r.length) / s.partSize; n > 0 {
			old := s.index[r.key]
			e.parts = make([]uint32, n)
			for i := range e.parts {
				if old.version == r.version && i < len(old.parts) {
					e.parts[i] = old.parts[i] // this record is a copy, its parts were there before
				}
				if e.parts[i] == 0 {
					e.parts[i] = early[partID{r.key, r.version, uint32(i)}]
				}
			}
		}
		s.index[r.key] = e
	}
}
