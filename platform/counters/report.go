package counters

// Report is what there is in an area, for people.
type Report struct {
	Records int    // written since the counters last moved from one half of the area to the other
	Room    int    // how many records a half has room for
	Moves   uint32 // between the halves: each has erased both of them once

	// What a power failure has left for Open to complete.
	Torn  bool // a record was being written: it does not count, and the counters move
	Moved bool // a move was under way, or ended but for an erase: the half that does not count is not blank
}

// Check reads the counters of an area as Open does, and changes nothing. Its
// errors are Open's.
func Check(a Area) (Report, error) {
	l, err := newLog(a)
	if err != nil {
		return Report{}, err
	}
	_, left, err := l.read()
	if err == nil && left == tornRecord {
		err = l.movable()
	}
	if err != nil {
		return Report{}, err
	}
	return Report{
		Records: l.next - 1,
		Room:    l.slots - 1,
		Moves:   l.generation - 1,
		Torn:    left == tornRecord,
		Moved:   left == movedBank,
	}, nil
}
