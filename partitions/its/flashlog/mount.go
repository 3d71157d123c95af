package flashlog

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/postern-spe/postern/veneer"
)

// scan is the half of mount that reads.
func (s *Store) scan() error {
	s.stale = true // until repair is done
	headers, err := s.findPages()
	if err != nil {
		return err
	}
	return s.replay(headers)
}

// repair is the half of mount that writes, after scan.
func (s *Store) repair() error {
	// What a cut has left in the page that is next is a torn header, an
	// interrupted erase, a collection that was not marked or a page that was
	// retired: none of it counts.
	if err := s.makeBlank(); err != nil {
		return err
	}
	for _, seal := range s.found.unsealed {
		if err := s.seal(int(seal)); err != nil {
			return err
		}
	}
	s.found.unsealed = nil
	for i := range s.found.wounds {
		if err := s.dress(&s.found.wounds[i]); err != nil {
			return err
		}
	}
	s.stale = false
	return nil
}

// dress makes a wound known to whoever opens the store next, when it may be no
// longer to be seen how much it has hidden.
func (s *Store) dress(w *wound) error {
	switch {
	case w.scarred:
		return nil
	case s.table.inUse == s.table.most():
		if err := s.collect(w.page); err != nil {
			return err
		}
	default:
		r := record{kind: kindScar, version: w.bound, extra: w.seq}
		loc, err := s.appendRecord(&r, nil)
		if err != nil {
			return err
		}
		s.scars[loc] = scar{w.bound, w.seq}
		s.table.adjust(s.pageAt(loc), recordOverhead)
		s.live += recordOverhead
	}
	w.scarred = true
	return nil
}

// findPages reads the page headers, finds out which pages are in use, and
// returns the headers.
func (s *Store) findPages() ([]header, error) {
	s.table.clear()
	s.last, s.next, s.nextWorn = 0, 0, 0
	n := len(s.table.pages)
	headers := make([]header, n) // seq 0: none
	valid := make([]int, 0, n)
	var mark bool
	for p := range headers {
		b := s.page[:pageHeader]
		if err := s.read(p*s.pageSize, b); err != nil {
			return nil, err
		}
		h, ok := decodeHeader(b, p)
		if !ok {
			continue
		}
		if len(valid) == 0 || h.seq > s.last {
			s.last, mark = h.seq, marked(b)
		}
		headers[p] = h
		valid = append(valid, p)
	}
	slices.SortFunc(valid, func(a, b int) int { return cmp.Compare(headers[a].seq, headers[b].seq) })
	inUse, err := s.accountFor(headers, valid, mark)
	if err != nil {
		return nil, err
	}
	s.last = 0
	for _, p := range inUse {
		if headers[p].seq == s.last {
			return nil, s.refuse(p)
		}
		s.last = headers[p].seq
		s.table.open(p, s.last, headers[p].erases)
	}
	return headers, nil
}

// accountFor returns which of the pages with a valid header are in use, the
// oldest first, and sets the one that is next. mark is that of the newest.
func (s *Store) accountFor(headers []header, valid []int, mark bool) ([]int, error) {
	n := len(headers)
	if len(valid) < n-1 {
		return valid, s.young(headers, len(valid))
	}
	newest := valid[len(valid)-1]
	h := &headers[newest]
	victim := slices.Index(valid, int(h.victim))
	if len(valid) == n-1 {
		s.next = n * (n - 1) / 2 // less all others
		for _, p := range valid {
			s.next -= p
		}
		switch {
		case h.victim == noVictim:
			return valid, s.young(headers, n-1)
		case !mark || int(h.victim) != s.next:
			return nil, s.refuse(s.next)
		}
		s.nextWorn = h.victimErases
		return valid, nil
	}
	switch {
	case !mark: // copies and no more
		s.next, s.nextWorn = newest, h.erases
		return valid[:len(valid)-1], nil
	case victim < 0 || int(h.victim) == newest:
		return nil, s.refuse(newest)
	}
	s.next, s.nextWorn = int(h.victim), h.victimErases-1
	return slices.Delete(valid, victim, victim+1), nil
}

// young checks an area in which k pages are in use that are the first that ever
// were.
func (s *Store) young(headers []header, k int) error {
	for p := range k {
		if headers[p].seq != uint32(p+1) {
			return s.refuse(p)
		}
	}
	s.next, s.nextWorn = k, 0
	if k == len(headers)-1 {
		return nil // the reserve: a collection may have begun there
	}
	// Pages that were never used are blank, but for a header that a cut tore in
	// the first of them, and for a bit that has flipped since: openPage erases a
	// page that is not blank.
	for p := k; p < len(headers); p++ {
		if err := s.load(p); err != nil {
			return err
		}
		unused := s.page
		if p == k {
			unused = s.page[pageHeader:]
		}
		if headers[p].seq != 0 || !almostBlank(unused) {
			return s.refuse(p)
		}
	}
	return nil
}

// refuse is the error for page headers that no power cut can have left. To go
// on would be to bring back old values, or to erase what is somebody else's.
func (s *Store) refuse(p int) error {
	return fmt.Errorf("offset 0x%x: damaged or not a store: this page should not be here, or not be so: %w",
		p*s.pageSize, veneer.ErrDataCorrupt)
}
