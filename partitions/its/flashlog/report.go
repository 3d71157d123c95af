package flashlog

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

	// Corrupt is how many assets answer DATA_CORRUPT.
	Corrupt int
	// Damage is where records do not match their CRC, or cannot be found: in
	// dead records it is of no consequence.
	Damage []Damage

	// Repairs is what mounting the store will do, or has done.
	Repairs []Repair
}

// Damage is a damaged place.
type Damage struct {
	Offset int    // in the area
	What   string // a few words
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
		Healed:   s.found.healed,
		Live:     s.live + s.removals*removedSize,
		Free:     (s.table.most() - s.table.inUse) * s.room,
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
	for _, e := range s.index {
		if e.state == removed {
			continue
		}
		r.Assets++
		r.Bytes += int(e.size)
		if e.state != stored {
			r.Corrupt++
		}
	}
	for _, loc := range s.found.damaged {
		r.Damage = append(r.Damage, Damage{int(loc), "contents do not match their CRC"})
	}
	for _, w := range s.found.wounds {
		at := w.page*s.pageSize + w.off
		r.Damage = append(r.Damage, Damage{at, "header beyond repair, it hides what follows in the page"})
		if !w.scarred {
			r.Repairs = append(r.Repairs, Repair{at, "take down that a record of any earlier asset may be lost"})
		}
	}
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
