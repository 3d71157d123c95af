package flashlog

import (
	"encoding/binary"
	"fmt"

	"github.com/postern-spe/postern/veneer"
)

// room makes place for a record of size bytes in the newest page and returns
// its offset in the area. The caller has checked that there is room by the
// store's rule, so N collections suffice; pages never used come first.
func (s *Store) room(size int) (int, error) {
	for range 2 * s.pages {
		if s.last > 0 && s.tail+size <= s.pageSize {
			return s.pageOf(s.last) + s.tail, nil
		}
		if s.inUse() == s.pages-1 {
			if err := s.collect(); err != nil {
				return 0, err
			}
			continue
		}
		if _, err := s.openPage(); err != nil {
			return 0, err
		}
		s.last++
		s.tail = pageHeader
	}
	return 0, fmt.Errorf("no page with room for a record of %d bytes: %w", size, veneer.ErrInsufficientStorage)
}

// collect makes the oldest page the reserve, with the live records of it copied
// to what was the reserve.
func (s *Store) collect() error {
	// From the first copy on the index points to a page that does not count
	// until it is marked: an error on the way sends the store to mount.
	s.stale = true
	dst, err := s.openPage()
	if err != nil {
		return err
	}
	src := s.pageOf(s.first)
	if err := s.load(src); err != nil {
		return err
	}
	end := dst + pageHeader
	for off := pageHeader; ; {
		r, f := s.parse(s.page, off)
		if f == foundWound {
			if end, err = s.copyLost(src+off, src+s.pageSize, end); err != nil {
				return err
			}
		}
		if f != foundRecord {
			break
		}
		if end, err = s.copyRecord(&r, src, off, end); err != nil {
			return err
		}
		off += r.size()
	}
	clear(s.head[:4])
	if err := s.program(dst+pageMark, s.head[:4]); err != nil {
		return err
	}
	// Nothing new may be written before the erase: until then the newest page
	// can still be taken for one that only holds copies.
	if err := s.erase(src); err != nil {
		return err
	}
	s.first++
	s.last++
	s.tail = end - dst
	s.stale = false
	return nil
}

// copyRecord copies the record r of s.page to end if it is live, and returns the
// offset behind it.
func (s *Store) copyRecord(r *record, src, off, end int) (int, error) {
	loc := uint32(src + off)
	e, ok := s.index[r.key]
	switch {
	case r.kind == kindPart:
		part := s.livePart(r, loc, e)
		if part == nil {
			return end, nil
		}
		if !r.intact {
			// The asset's own record stays; without this part it is lost, also
			// to whoever opens the store next.
			if int64(r.extra) < int64(len(e.parts)) && part == &e.parts[r.extra] {
				s.lose(r.key, e)
			}
			*part = 0
			return end, nil
		}
		*part = uint32(end)
	case !ok || e.loc != loc:
		return end, nil
	case e.lost || !r.intact:
		return s.writeLost(r.key, e, end)
	default:
		e.loc = uint32(end)
		s.index[r.key] = e
	}
	whole := s.page[off:][:r.size()]
	binary.LittleEndian.PutUint32(whole[r.size()-4:], 0) // the seal
	if err := s.program(end, whole); err != nil {
		return 0, err
	}
	return end + r.size(), nil
}

// livePart returns where the index holds the location loc of the part r, or nil
// where r is of no use any more.
func (s *Store) livePart(r *record, loc uint32, e entry) *uint32 {
	if !e.lost && e.version == r.version && int64(r.extra) < int64(len(e.parts)) && e.parts[r.extra] == loc {
		return &e.parts[r.extra]
	}
	p := &s.pending
	if p.key == r.key && p.version == r.version && int64(r.extra) < int64(len(p.parts)) && p.parts[r.extra] == loc {
		return &p.parts[r.extra]
	}
	return nil
}

// lose marks an asset as lost in the index.
func (s *Store) lose(k Key, e entry) entry {
	s.live -= s.footprint(e)
	e.lost = true
	s.live += s.footprint(e)
	s.index[k] = e
	return e
}

// writeLost writes a record of kind lost for an asset at end, and returns the
// offset behind it. It is not longer than the record that it stands for.
func (s *Store) writeLost(k Key, e entry, end int) (int, error) {
	e = s.lose(k, e)
	r := record{kind: kindLost, flags: e.flags, key: k, version: e.version, extra: e.size}
	if err := s.write(end, &r, nil); err != nil {
		return 0, err
	}
	e.loc, e.parts = uint32(end), nil
	s.index[k] = e
	return end + r.size(), nil
}

// copyLost writes a record of kind lost for each asset whose own record is at
// from..to, where damage has come up since the store was opened, and drops the
// parts that are there. It is the one operation that walks the index.
func (s *Store) copyLost(from, to, end int) (int, error) {
	within := func(loc uint32) bool { return int(loc) >= from && int(loc) < to }
	for k, e := range s.index {
		for i, loc := range e.parts {
			if within(loc) {
				e.parts[i] = 0
				e = s.lose(k, e)
			}
		}
		if within(e.loc) {
			var err error
			if end, err = s.writeLost(k, e, end); err != nil {
				return 0, err
			}
		}
	}
	for i, loc := range s.pending.parts {
		if within(loc) {
			s.pending.parts[i] = 0
		}
	}
	return end, nil
}
