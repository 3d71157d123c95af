package flashlog

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/postern-spe/postern/veneer"
)

// scar is a record of kind scar.
type scar struct {
	version uint64
	seq     uint32 // of the page that was damaged
}

// collect makes the page victim the reserve, with its live records copied to
// what was the reserve, which is the newest page then.
func (s *Store) collect(victim int) error {
	// From the first copy on the index points to a page that does not count
	// until it is marked: an error on the way sends the store to mount.
	s.stale = true
	if err := s.openPage(victim); err != nil {
		return err
	}
	if err := s.load(victim); err != nil {
		return err
	}
	s.copyPage(victim)
	dst := s.next * s.pageSize
	if len(s.copies) > s.room {
		return fmt.Errorf("offset 0x%x: more than a page is live: %w", victim*s.pageSize, veneer.ErrStorageFailure)
	}
	if len(s.copies) > 0 {
		if err := s.program(dst+pageHeader, s.copies); err != nil {
			return err
		}
	}
	clear(s.copies)
	if err := s.settle(dst, dst+s.pageSize); err != nil {
		return err
	}
	s.end = [4]byte{}
	if err := s.program(dst+pageMark, s.end[:]); err != nil {
		return err
	}
	if err := s.settle(dst+pageMark, dst+pageHeader); err != nil {
		return err
	}
	// Nothing new may be written before the erase: until then the newest page
	// can still be taken for one that only holds copies.
	if err := s.erase(victim * s.pageSize); err != nil {
		return err
	}
	s.next, s.nextWorn = victim, s.table.pages[victim].erases+1
	s.table.retire(victim)
	s.tail = pageHeader + len(s.copies)
	s.stale = false
	return nil
}

// copyPage puts the live records of the page victim, which is in s.page, into
// s.copies, and lets index and table say that they are in the page next.
func (s *Store) copyPage(victim int) {
	s.copies, s.gone = s.copies[:0], s.gone[:0]
	base := victim * s.pageSize
	for off := pageHeader; ; {
		r, f := s.parse(s.page, off)
		if f != foundRecord {
			break
		}
		loc := uint32(base + off)
		switch r.kind {
		case kindPart:
			s.copyPart(&r, loc, off)
		case kindScar:
			if c, ok := s.scars[loc]; ok {
				delete(s.scars, loc)
				s.scars[s.move(victim, s.page[off:][:r.size()])] = c
			}
		case kindRemoved:
			s.gone = append(s.gone, located{r, off}) // when it is known what they hide
		default:
			s.copyOwn(&r, loc, off)
		}
		off += r.size()
	}
	for i := range s.gone {
		r := &s.gone[i]
		s.copyOwn(&r.record, uint32(base+r.off), r.off)
	}
	for _, w := range s.found.wounds {
		if w.page == victim && !w.scarred {
			s.copyScar(w)
		}
	}
	if s.table.pages[victim].live != 0 {
		s.copyUnseen(victim)
	}
}

// move appends a record of the page victim to the copies and returns where it
// will be.
func (s *Store) move(victim int, whole []byte) uint32 {
	s.table.adjust(victim, -len(whole))
	return s.add(whole)
}

func (s *Store) add(whole []byte) uint32 {
	loc := s.next*s.pageSize + pageHeader + len(s.copies)
	s.copies = append(s.copies, whole...)
	binary.LittleEndian.PutUint32(s.copies[len(s.copies)-4:], 0) // the seal
	s.table.adjust(s.next, len(whole))
	return uint32(loc)
}

// copyOwn copies the record r, at off in s.page, if it is live. If not, there is
// one less that the latest record of its asset hides.
func (s *Store) copyOwn(r *record, loc uint32, off int) {
	e, ok := s.index[r.id]
	switch {
	case !ok:
	case e.loc != loc:
		if r.kind == kindRemoved || e.hidden == 0 {
			return
		}
		if e.hidden--; e.hidden == 0 && e.state == removed {
			s.uncount(r.id, &e)
			delete(s.index, r.id)
			return
		}
		s.index[r.id] = e
	case e.state == damaged || !r.intact || !e.isOf(r):
		s.writeOff(r.id, &e)
	default:
		e.loc = s.move(s.pageAt(loc), s.page[off:][:r.size()])
		s.index[r.id] = e
	}
}

// copyPart copies the part r, at off in s.page, if it is live.
func (s *Store) copyPart(r *record, loc uint32, off int) {
	list := s.parts[r.id]
	at := func(list []uint32) bool { return int64(r.extra) < int64(len(list)) && list[r.extra] == loc }
	switch p := &s.pending; {
	case at(list):
		if !r.intact {
			// The asset's own record stays; without this part it is lost, also
			// to whoever opens the store next.
			e := s.index[r.id]
			s.damage(r.id, &e)
			return
		}
	case p.id == r.id && p.version == r.version && at(p.parts):
		if !r.intact {
			s.weighPart(loc, -1)
			p.parts[r.extra] = 0
			return
		}
		list = p.parts
	default:
		return
	}
	list[r.extra] = s.move(s.pageAt(loc), s.page[off:][:r.size()])
}

// writeOff puts a record of kind lost, or removed if it stands for one, into the
// copies in place of the one that e is of, which is not shorter.
func (s *Store) writeOff(k id, e *entry) {
	s.uncount(k, e)
	delete(s.parts, k)
	r := record{kind: kindRemoved, flags: e.flags, id: k, version: e.version(), extra: e.size}
	if e.state != removed {
		e.state, r.kind = lost, kindLost
	}
	e.loc = uint32(s.next*s.pageSize + pageHeader + len(s.copies))
	s.copies = r.put(s.copies, nil)
	s.count(k, e)
	s.index[k] = *e
}

// copyScar puts the record of a wound into the copies.
func (s *Store) copyScar(w wound) {
	r := record{kind: kindScar, version: w.bound, extra: w.seq}
	s.scars[s.add(r.put(nil, nil))] = scar{w.bound, w.seq}
	s.live += recordOverhead
}

// copyUnseen sees to what is live in the page victim and was not found there,
// since damage has come up after the store was opened. It is the one operation
// that walks the index.
func (s *Store) copyUnseen(victim int) {
	within := func(loc uint32) bool { return s.pageAt(loc) == victim }
	for k, list := range s.parts {
		if slices.ContainsFunc(list, within) {
			e := s.index[k]
			s.damage(k, &e)
		}
	}
	for i, loc := range s.pending.parts {
		if loc != 0 && within(loc) {
			s.weighPart(loc, -1)
			s.pending.parts[i] = 0
		}
	}
	for k, e := range s.index {
		if within(e.loc) {
			s.writeOff(k, &e)
		}
	}
	for loc, c := range s.scars {
		if within(loc) {
			r := record{kind: kindScar, version: c.version, extra: c.seq}
			delete(s.scars, loc)
			s.scars[s.move(victim, r.put(nil, nil))] = c
		}
	}
}
