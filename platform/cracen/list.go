package cracen

import "github.com/postern-spe/postern/platform/kmu54l"

// Entry is what List says of a slot that is not erased, or of a key.
type Entry struct {
	Slot  int // the first
	Slots int // how many: 1 unless it is a key
	State kmu54l.State
	// Metadata is the first slot's word, and Attributes what it means, of a
	// provisioned slot.
	Metadata   Metadata
	Attributes Attributes
	// Err is why a slot is no key: ErrDoesNotExist for one that belongs to none,
	// ErrNotPermitted for a revoked one, or what is wrong with its metadata.
	Err error
}

// List returns what is in the slots, in their order, and no value.
func (c *CRACEN) List() ([]Entry, error) {
	defer c.mu.Unlock()
	if err := c.begin(); err != nil {
		return nil, err
	}
	var list []Entry
	for slot := 0; slot < kmu54l.Slots; slot++ {
		e := Entry{Slot: slot, Slots: 1}
		var err error
		e.State, err = c.kmu.State(slot)
		switch {
		case err != nil:
			e.Err = slotError(err)
		case e.State == kmu54l.Erased:
			continue
		case e.State == kmu54l.Revoked:
			e.Err = ErrNotPermitted
		default:
			e = c.describe(slot)
		}
		list = append(list, e)
		slot += e.Slots - 1
	}
	return list, nil
}

// describe returns the entry of a provisioned slot.
func (c *CRACEN) describe(slot int) Entry {
	e := Entry{Slot: slot, Slots: 1, State: kmu54l.Provisioned}
	m, err := c.kmu.Metadata(slot)
	if err != nil {
		e.Err = slotError(err)
		return e
	}
	e.Metadata = Metadata(m)
	a, p, err := c.find(KeyID(Scheme(m>>4&3), slot))
	if err != nil {
		e.Err = err
		return e
	}
	e.Attributes = a
	// A slot that a key should have and that is something else stands for itself.
	for e.Slots < p.Slots() {
		m, err := c.kmu.Metadata(slot + e.Slots)
		if err != nil || m != secondary {
			e.Err = ErrCorruptionDetected
			break
		}
		e.Slots++
	}
	return e
}
