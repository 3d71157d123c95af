package flashlog

// findings is what scanning finds besides assets.
type findings struct {
	records  int
	torn     int      // records that a cut has interrupted
	healed   []uint32 // where the records are in which damage was corrected
	unsealed []uint32 // where the seals are that a cut has left out
	damaged  []uint32 // where the records are that do not match their CRC
	wounds   []wound
}

// wound is a place from which on a page cannot be read.
type wound struct {
	page    int
	off     int    // in the page
	seq     uint32 // of the page
	bound   uint64 // what is hidden has no higher version
	scarred bool   // a record says so
}

// partRef is a part that scanning has found.
type partRef struct {
	id      id
	version uint64
	index   uint32
	loc     uint32
}

// replay builds the index from the pages in use, which it reads in the order in
// which they lie: versions say what is later.
func (s *Store) replay(headers []header) error {
	s.index, s.parts = make(map[id]entry, len(s.index)), make(map[id][]uint32)
	s.pending = pending{}
	s.found = findings{}
	s.scars = make(map[uint32]scar)
	for i := range s.vacated {
		s.vacated[i] = -1
	}
	s.version, s.tail, s.live, s.removals = 0, s.pageSize, 0, 0
	var refs []partRef
	for p := range headers {
		if s.table.pages[p].seq == 0 {
			continue
		}
		s.version = max(s.version, headers[p].version)
		var err error
		if refs, err = s.replayPage(p, refs); err != nil {
			return err
		}
	}
	suspect := s.boundWounds(headers)
	s.joinParts(refs)
	for k, e := range s.index {
		if e.state == removed {
			// hidden was counted as for an entry that is one of those counted.
			if e.hidden++; e.hidden == 0 {
				delete(s.index, k)
				continue
			}
			s.index[k] = e
		} else if e.state == stored && (e.version() <= suspect || int(e.size) > s.partSize && s.parts[k] == nil) {
			delete(s.parts, k)
			e.state = damaged
			s.index[k] = e
		}
		s.count(k, &e)
	}
	return nil
}

func (s *Store) replayPage(p int, refs []partRef) ([]partRef, error) {
	if err := s.load(p); err != nil {
		return nil, err
	}
	base := p * s.pageSize
	for off := pageHeader; ; {
		r, f := s.parse(s.page, off)
		switch f {
		case foundRecord:
		case foundEnd:
			if p == int(s.table.newest) {
				s.tail = off
			}
			return refs, nil
		case foundWound:
			s.found.wounds = append(s.found.wounds, wound{page: p, off: off, seq: s.table.pages[p].seq})
			return refs, nil
		case foundTorn:
			if off+recordOverhead <= s.pageSize {
				s.found.torn++
			}
			return refs, nil
		}
		loc := uint32(base + off)
		s.note(&r, loc)
		s.version = max(s.version, r.version)
		switch r.kind {
		case kindPart:
			refs = append(refs, partRef{r.id, r.version, r.extra, loc})
		case kindScar:
			s.scars[loc] = scar{r.version, r.extra}
			s.table.adjust(p, r.size())
			s.live += r.size()
		default:
			s.enter(&r, loc)
		}
		off += r.size()
	}
}

// note takes down what there is to say of a record.
func (s *Store) note(r *record, loc uint32) {
	s.found.records++
	switch {
	case !r.intact:
		s.found.damaged = append(s.found.damaged, loc)
	case !r.sealed:
		// The cut came between the commit and the seal.
		s.found.unsealed = append(s.found.unsealed, loc+uint32(r.size())-4)
	}
	if r.healed {
		s.found.healed = append(s.found.healed, loc)
	}
}

// enter puts an asset's own record into the index if none is later. Until all
// are there, hidden is one less than how many of the kinds asset and lost there
// are.
func (s *Store) enter(r *record, loc uint32) {
	old, ok := s.index[r.id]
	hidden := old.hidden
	if !ok {
		hidden-- // wraps
	}
	if r.kind != kindRemoved {
		hidden++
	}
	e := old
	if !ok || r.version > old.version() {
		e = newEntry(r, loc)
	}
	e.hidden = hidden
	s.index[r.id] = e
}

// boundWounds finds out what wounds may hide, and returns the highest version
// that is not to be relied on, 0 if there is none.
func (s *Store) boundWounds(headers []header) (suspect uint64) {
	scarred := make(map[uint32]bool) // pages, by sequence number
	for _, c := range s.scars {
		scarred[c.seq] = true
		suspect = max(suspect, c.version)
	}
	for i := range s.found.wounds {
		w := &s.found.wounds[i]
		// What came to a page before the next was opened has no higher version
		// than that one's header; copies have older ones.
		w.bound = s.version
		if next := s.table.pages[w.page].newer; next >= 0 {
			w.bound = headers[next].version
		}
		w.scarred = scarred[w.seq]
		if !w.scarred {
			suspect = max(suspect, w.bound)
		}
	}
	return suspect
}

// joinParts tells assets where their parts are. An asset without all its parts
// gets no list.
func (s *Store) joinParts(refs []partRef) {
	// Counted first, so that what is allocated is never more than what is there.
	missing := make(map[id]int)
	of := func(r *partRef) (n int, ok bool) {
		e, ok := s.index[r.id]
		if !ok || e.state != stored || e.version() != r.version {
			return 0, false
		}
		n, _ = split(int(e.size), s.partSize)
		return n, int64(r.index) < int64(n)
	}
	for i := range refs {
		if n, ok := of(&refs[i]); ok {
			if _, seen := missing[refs[i].id]; !seen {
				missing[refs[i].id] = n
			}
			missing[refs[i].id]--
		}
	}
	for i := range refs {
		r := &refs[i]
		if n, ok := of(r); ok && missing[r.id] <= 0 {
			list := s.parts[r.id]
			if list == nil {
				list = make([]uint32, n)
				s.parts[r.id] = list
			}
			list[r.index] = r.loc
		}
	}
	for k, list := range s.parts {
		for _, loc := range list {
			if loc == 0 {
				delete(s.parts, k)
				break
			}
		}
	}
}
