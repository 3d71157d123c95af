package flashlog

import (
	"cmp"
	"slices"
	"sort"
)

// Report is what there is in an area: for people, who get neither contents nor
// names of assets from it.
type Report struct {
	Pages, PageSize int // of the area, bytes
	InUse           int // pages that hold records

	Records  int // that were committed, live or not
	Assets   int
	Bytes    int // sizes of the assets
	Removals int // records of assets that are gone, as long as they are needed
	Torn     int // records that power cuts have interrupted, which are of no consequence
	Healed   int // records with a flipped bit that is corrected when they are read

	Live, Dead, Free int // bytes: of records that count; of what collecting makes free; never written

	MinErases, MaxErases uint32 // of a page in use
	Erases               uint64 // of all pages in use

	// Largest is the size of the largest asset that still fits beside the others,
	// -1 if none does. Where assets have been removed there may be room for a
	// larger one, which only trying finds out.
	Largest int

	// Corrupt is how many assets answer DATA_CORRUPT.
	Corrupt int
	// Damage is what power cuts do not leave, in the order of the offsets.
	Damage []Damage

	// Repairs is what mounting the store will do, or has done.
	Repairs []Repair
}

// Effect is what damage does to assets.
type Effect int

const (
	// Harmless: it is in a record that does not count any more.
	Harmless Effect = iota
	// Corrected: it is one flipped bit, put right whenever the record is read.
	Corrected
	// Corrupting: it is in a record of an asset, which answers DATA_CORRUPT.
	Corrupting
	// Hiding: it hides records. Assets that may have had one there answer
	// DATA_CORRUPT; those that were there alone are not there any more.
	Hiding
)

// Damage is a damaged place.
type Damage struct {
	Offset int    // of the record in the area
	What   string // a few words
	Effect Effect
}

// Repair is one thing that a power cut or damage makes necessary.
type Repair struct {
	Offset int    // in the area
	What   string // a few words
}

// Report says what Check has found. It reads one page.
func (c *Checked) Report() (Report, error) {
	s := c.store
	r := Report{
		Pages:    len(s.table.pages),
		PageSize: s.pageSize,
		InUse:    s.table.inUse,
		Records:  s.found.records,
		Removals: s.removals,
		Torn:     s.found.torn,
		Healed:   len(s.found.healed),
		Live:     s.live + s.removals*removedSize,
		Free:     (s.table.most() - s.table.inUse) * s.room,
		Largest:  s.largest(),
	}
	if s.table.inUse > 0 {
		r.Free += s.pageSize - s.tail
		r.MinErases = ^uint32(0)
	}
	r.Dead = s.table.most()*s.room - r.Live - r.Free
	for _, p := range s.table.pages {
		if p.seq != 0 {
			r.MinErases, r.MaxErases = min(r.MinErases, p.erases), max(r.MaxErases, p.erases)
			r.Erases += uint64(p.erases)
		}
	}
	s.reportAssets(&r)
	for _, loc := range s.found.healed {
		r.Damage = append(r.Damage, Damage{int(loc), "one flipped bit in what describes a record", Corrected})
	}
	for _, w := range s.found.wounds {
		at := w.page*s.pageSize + w.off
		r.Damage = append(r.Damage, Damage{at, "header beyond repair, it hides what follows in the page", Hiding})
		if !w.scarred {
			r.Repairs = append(r.Repairs, Repair{at, "take down that a record of any earlier asset may be lost"})
		}
	}
	slices.SortFunc(r.Damage, func(a, b Damage) int { return cmp.Compare(a.Offset, b.Offset) })
	for _, loc := range s.found.unsealed {
		r.Repairs = append(r.Repairs, Repair{int(loc), "seal a complete record"})
	}
	if err := s.load(s.next); err != nil {
		return Report{}, err
	}
	if !blank(s.page) {
		r.Repairs = append(r.Repairs, Repair{s.next * s.pageSize, "erase a page that holds nothing that counts"})
	}
	return r, nil
}

// reportAssets counts the assets, and says of the records that do not match their
// CRC whose they are.
func (s *Store) reportAssets(r *Report) {
	damaged := make(map[uint32]bool, len(s.found.damaged)) // true: a record of an asset
	for _, loc := range s.found.damaged {
		damaged[loc] = false
	}
	// touch reports whether there is damage at loc, which is an asset's.
	touch := func(loc uint32) bool {
		_, is := damaged[loc]
		if is {
			damaged[loc] = true
		}
		return is
	}
	for k, e := range s.index {
		if e.state == removed {
			continue
		}
		r.Assets++
		r.Bytes += int(e.size)
		corrupt := e.state != stored
		if len(damaged) > 0 && e.state != lost {
			corrupt = touch(e.loc) || corrupt
			for _, loc := range s.parts[k] {
				corrupt = touch(loc) || corrupt
			}
		}
		if corrupt {
			r.Corrupt++
		}
	}
	for _, loc := range s.found.damaged {
		effect := Harmless
		if damaged[loc] {
			effect = Corrupting
		}
		r.Damage = append(r.Damage, Damage{int(loc), "contents do not match their CRC", effect})
	}
}

// largest returns the size of the largest asset that certainly fits, -1 if none
// does.
func (s *Store) largest() int {
	// A size that is found fits, also if one between it and a smaller one should
	// not.
	return sort.Search(s.flash.Size(), func(size int) bool { return !s.fits(size, false) }) - 1
}
