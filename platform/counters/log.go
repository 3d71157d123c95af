package counters

import (
	"fmt"
	"math"
)

// log is the area as two banks, of half its pages each. One is the active one:
// a head in its first slot, then records in the order in which they were
// written, then erased slots. The value of a counter is that of its last record.
//
// When it is full, the other bank is erased, gets one record for each counter,
// and last its head, with the next generation. With the head it is the active
// one, and the old one is erased. At every moment one bank at least is whole,
// and of two with a head the one of the later generation counts.
//
// While it counts, a word is programmed once after an erase: a record that a
// power failure tore is left behind by moving to the other bank. So a record
// that is none, and is not the last, was not left by a power failure.
type log struct {
	area  Area
	bank  int // size in bytes
	slots int // per bank

	active     int
	generation uint32
	next       int // the slot that the next record goes to
}

func newLog(a Area) (*log, error) {
	page := a.PageSize()
	if page <= 0 || page%recordSize != 0 || a.Size()/page < 2 {
		return nil, fmt.Errorf("%w: %d bytes in pages of %d", ErrArea, a.Size(), page)
	}
	bank := a.Size() / page / 2 * page
	slots := min(bank/recordSize, maxSlots)
	if slots < 1+Count+1 {
		return nil, fmt.Errorf("%w: room for %d records", ErrArea, slots)
	}
	if s, ok := a.(syncer); ok {
		a = settled{a, s}
	}
	return &log{area: a, bank: bank, slots: slots}, nil
}

func (l *log) full() bool { return l.next == l.slots }

func (l *log) write(bank, slot int, r record) error {
	return l.area.Program(bank*l.bank+slot*recordSize, r.encode())
}

func (l *log) erase(bank int) error {
	for off := 0; off < l.bank; off += l.area.PageSize() {
		if err := l.area.Erase(bank*l.bank + off); err != nil {
			return err
		}
	}
	return nil
}

// clear erases both banks. An erase that is interrupted can leave a head, and only
// some of the records after it; so each head goes first, and the active bank's
// last, which leaves no bank that could be taken for an earlier state.
func (l *log) clear() error {
	order := [2]int{0, 1}
	first, ok0, err := l.head(0)
	if err != nil {
		return err
	}
	second, ok1, err := l.head(1)
	if err != nil {
		return err
	}
	if ok0 && (!ok1 || first > second) {
		order = [2]int{1, 0}
	}
	for _, bank := range order {
		if bank == 0 && ok0 || bank == 1 && ok1 {
			// Where this fails the erase says why, or there was a third write
			// to a word, by a Format that was interrupted here before.
			_ = l.area.Program(bank*l.bank, make([]byte, recordSize))
		}
		if err := l.erase(bank); err != nil {
			return err
		}
	}
	return nil
}

// head returns the generation of a bank that has a head.
func (l *log) head(bank int) (generation uint32, ok bool, err error) {
	p := make([]byte, recordSize)
	if err := l.area.Read(bank*l.bank, p); err != nil {
		return 0, false, err
	}
	r, ok := decode(p)
	return r.generation, ok && r == head(r.generation), nil
}

// append writes one counter's record.
func (l *log) append(id ID, v uint32) error {
	err := l.write(l.active, l.next, record{kindCounter, byte(id), uint16(l.next), v, l.generation})
	l.next++
	return err
}

// begin makes an erased bank the active one, with the values that are not 0.
func (l *log) begin(bank int, generation uint32, values [Count]uint32) error {
	slot := 1
	for id, v := range values {
		if v == 0 {
			continue
		}
		if err := l.write(bank, slot, record{kindCounter, byte(id), uint16(slot), v, generation}); err != nil {
			return err
		}
		slot++
	}
	if err := l.write(bank, 0, head(generation)); err != nil {
		return err
	}
	l.active, l.generation, l.next = bank, generation, slot
	return nil
}

// movable reports whether there is a generation to move to.
func (l *log) movable() error {
	if l.generation == math.MaxUint32 {
		return fmt.Errorf("%w: out of generations", ErrDamaged)
	}
	return nil
}

// compact moves to the other bank, which is erased first, with new values.
func (l *log) compact(values [Count]uint32) error {
	if err := l.movable(); err != nil {
		return err
	}
	old := l.active
	p := make([]byte, l.bank)
	if err := l.area.Read((1-old)*l.bank, p); err != nil {
		return err
	}
	if !blank(p) {
		if err := l.erase(1 - old); err != nil {
			return err
		}
	}
	if err := l.begin(1-old, l.generation+1, values); err != nil {
		return err
	}
	return l.erase(old)
}

// recover finds the active bank, reads it, and completes what was interrupted.
func (l *log) recover() (values [Count]uint32, err error) {
	values, left, err := l.read()
	switch {
	case err != nil:
		return values, err
	case left == tornRecord:
		return values, l.compact(values)
	case left == movedBank:
		// A head of the generation before may still be in it, which must not come
		// to count should this bank's ever be lost.
		return values, l.erase(1 - l.active)
	}
	return values, nil
}

// leftover is what a power failure has left to be done.
type leftover int

const (
	nothing    leftover = iota
	tornRecord          // the last record is none
	movedBank           // the bank that does not count is not erased
)

// read finds the active bank and reads it.
func (l *log) read() (values [Count]uint32, left leftover, err error) {
	var banks [2][]byte
	l.active = -1
	for b := range banks {
		banks[b] = make([]byte, l.bank)
		if err := l.area.Read(b*l.bank, banks[b]); err != nil {
			return values, nothing, err
		}
		switch generation, ok, err := l.head(b); {
		case err != nil:
			return values, nothing, err
		case !ok:
		case l.active >= 0 && generation == l.generation:
			return values, nothing, fmt.Errorf("%w: both banks are of generation %d", ErrDamaged, generation)
		case l.active < 0 || generation > l.generation:
			l.active, l.generation = b, generation
		}
	}
	if l.active < 0 {
		if blank(banks[0]) && blank(banks[1]) {
			return values, nothing, ErrBlank
		}
		return values, nothing, fmt.Errorf("%w: no bank has a head", ErrDamaged)
	}
	values, torn, err := l.replay(banks[l.active])
	switch {
	case err != nil:
		return values, nothing, err
	case torn:
		return values, tornRecord, nil
	case !blank(banks[1-l.active]):
		return values, movedBank, nil
	}
	return values, nothing, nil
}

// replay reads the records of the active bank. torn reports that the last one is
// none: it was being written when the power failed.
func (l *log) replay(p []byte) (values [Count]uint32, torn bool, err error) {
	slot := func(n int) []byte { return p[n*recordSize:][:recordSize] }
	for l.next = 1; l.next < l.slots; l.next++ {
		r, ok := decode(slot(l.next))
		if !ok {
			break
		}
		if r.kind != kindCounter || r.id >= Count || int(r.slot) != l.next || r.generation != l.generation || r.value <= values[r.id] {
			return values, false, fmt.Errorf("%w: the record in slot %d does not belong there", ErrDamaged, l.next)
		}
		values[r.id] = r.value
	}
	if l.full() {
		return values, false, nil
	}
	torn = !blank(slot(l.next))
	after := l.next
	if torn {
		after++
	}
	if !blank(p[after*recordSize:]) {
		return values, false, fmt.Errorf("%w: no record in slot %d, and more after it", ErrDamaged, l.next)
	}
	return values, torn, nil
}
