package flashlog

// id is a Key without padding, which a map hashes and stores in 12 bytes.
type id struct {
	owner     int32
	low, high uint32
}

func (k Key) id() id { return id{k.Owner, uint32(k.UID), uint32(k.UID >> 32)} }

func (i id) key() Key { return Key{i.owner, uint64(i.high)<<32 | uint64(i.low)} }

// state is what the latest record of an asset makes of it.
type state uint8

const (
	stored  state = iota // it is there
	damaged              // its record is there; it is beyond reading, or perhaps not the latest
	lost                 // a record of kind lost is there
	removed              // a record of kind removed is there
)

// entry is where the latest record of an asset is, an asset's own record being
// the last of its records.
type entry struct {
	loc    uint32 // in the area
	size   uint32 // bytes of the asset
	low    uint32 // version
	hidden uint32 // older records of the asset, of kinds asset and lost, that are still in the area
	high   uint16 // version
	flags  Flags
	state  state
}

func (e *entry) version() uint64 { return uint64(e.high)<<32 | uint64(e.low) }

// newEntry is the entry of a record at loc, with nothing hidden.
func newEntry(r *record, loc uint32) entry {
	e := entry{loc: loc, size: r.extra, low: uint32(r.version), high: uint16(r.version >> 32), flags: r.flags}
	switch r.kind {
	case kindLost:
		e.state = lost
	case kindRemoved:
		e.state = removed
	}
	return e
}

// isOf reports whether the entry is of the record r. Somebody may have put another
// in its place, with right CRCs, since it was read: its size is not what was counted.
func (e *entry) isOf(r *record) bool {
	found := newEntry(r, e.loc)
	found.hidden = e.hidden
	return found == *e
}

// split returns how many records an asset of size bytes has besides its own,
// and the payload of that one: 1..partSize bytes, 0 for an empty asset only.
func split(size, partSize int) (n, rest int) {
	if size == 0 {
		return 0, 0
	}
	n = (size - 1) / partSize
	return n, size - n*partSize
}

// own returns the bytes in flash of the record that an entry is of.
func (s *Store) own(e *entry) int {
	if e.state == lost || e.state == removed {
		return recordOverhead
	}
	_, rest := split(int(e.size), s.partSize)
	return recordSize(rest)
}

// pageAt returns the number of the page that a location is in.
func (s *Store) pageAt(loc uint32) int { return int(loc) / s.pageSize }

// count makes the records of an entry live, and uncount dead. Of an asset that is
// stored the parts are known.
func (s *Store) count(k id, e *entry)   { s.weigh(k, e, 1) }
func (s *Store) uncount(k id, e *entry) { s.weigh(k, e, -1) }

func (s *Store) weigh(k id, e *entry, sign int) {
	n := sign * s.own(e)
	s.table.adjust(s.pageAt(e.loc), n)
	if e.state == removed {
		s.removals += sign
		return
	}
	s.live += n
	if e.state != stored || int(e.size) <= s.partSize {
		return
	}
	part := sign * recordSize(s.partSize)
	for _, loc := range s.parts[k] {
		s.table.adjust(s.pageAt(loc), part)
		s.live += part
	}
}

// damage marks an asset as beyond reading: its parts are of no use any more.
func (s *Store) damage(k id, e *entry) {
	s.uncount(k, e)
	e.state = damaged
	delete(s.parts, k)
	s.count(k, e)
	s.index[k] = *e
}
