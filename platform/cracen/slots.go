package cracen

import (
	"fmt"

	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/kmu54l"
)

// The slots that Nordic's software keeps for itself.
const (
	// LastApplicationSlot is the last of the slots, from 0 on, for keys of
	// applications. A non-secure one reaches no others.
	LastApplicationSlot = 179

	// SlotSeed is the first of the seed's three.
	SlotSeed = 183

	// SlotInvalidation is the first of two with random bytes, which wipe AES_KEY0.
	SlotInvalidation = 248

	slotJournal = 186
)

// slotRange is a range of slots and what may be in it.
type slotRange struct {
	first, last int
	use         string
	fits        func(a Attributes, s Scheme) bool
}

// The ranges that keys can be provisioned in. All other slots are reserved.
var slotRanges = []slotRange{
	{0, LastApplicationSlot, "keys of applications", func(_ Attributes, s Scheme) bool { return s != Seed }},
	{SlotSeed, SlotSeed + 2, "the IKG's seed", func(a Attributes, s Scheme) bool { return s == Seed }},
	{226, 231, "MCUboot's public keys", publicKey},
	{242, 247, "the bootloader's public keys", publicKey},
	{SlotInvalidation, SlotInvalidation + 1, "the invalidation of the protected RAM",
		func(a Attributes, s Scheme) bool { return s == Protected && a.Bits == 256 }},
}

func publicKey(a Attributes, _ Scheme) bool { return a.IsPublic() }

// IsPublic reports whether the key is a public key.
func (a Attributes) IsPublic() bool {
	return a.Type == TypePublicSecpR1 || a.Type == TypePublicTwistedEdw
}

// Placement is where a key goes.
type Placement struct {
	Metadata    Metadata
	First, Last int // slots
}

// Slots returns how many slots the key takes.
func (p Placement) Slots() int { return p.Last - p.First + 1 }

func (p Placement) String() string {
	if p.First == p.Last {
		return fmt.Sprintf("slot %d", p.First)
	}
	return fmt.Sprintf("slots %d to %d", p.First, p.Last)
}

// Overlaps reports whether the two share a slot.
func (p Placement) Overlaps(q Placement) bool { return p.First <= q.Last && q.First <= p.Last }

// Place returns where the key with these attributes goes. Beside Metadata's
// errors: ErrInvalidArgument for slots that do not exist, are reserved, or are
// for keys of another kind, and ErrNotSupported for an ENCRYPTED key that the push
// area has no room for.
func (a Attributes) Place() (Placement, error) {
	m, err := a.Metadata()
	if err != nil {
		return Placement{}, err
	}
	f, err := m.Fields()
	if err != nil {
		return Placement{}, err // Metadata's word has no reserved bits
	}
	_, first, _ := ParseKeyID(a.ID)
	p := Placement{m, first, first + slotCount(a, f.Scheme) - 1}
	if f.Scheme == Encrypted && p.Slots()*keycells.ValueSize > PushAreaSize {
		return Placement{}, fmt.Errorf("%w: an ENCRYPTED key of %d slots", ErrNotSupported, p.Slots())
	}
	if p.Last >= kmu54l.Slots {
		return Placement{}, fmt.Errorf("%w: %v of %d", ErrInvalidArgument, p, kmu54l.Slots)
	}
	for _, r := range slotRanges {
		if p.First < r.first || p.First > r.last {
			continue
		}
		if p.Last > r.last || !r.fits(a, f.Scheme) || f.Scheme == Seed && p.First != SlotSeed {
			return Placement{}, fmt.Errorf("%w: %v: %d to %d are for %s", ErrInvalidArgument, p, r.first, r.last, r.use)
		}
		return p, nil
	}
	return Placement{}, fmt.Errorf("%w: slot %d is reserved", ErrInvalidArgument, p.First)
}

// slotCount returns how many slots a key takes: its value's, and where it is
// encrypted those of nonce and tag.
func slotCount(a Attributes, s Scheme) int {
	n := (a.storedSize() + keycells.ValueSize - 1) / keycells.ValueSize
	if s == Encrypted {
		n += 2
	}
	return n
}

// storedSize returns the size of the value in bytes. A point is stored without
// the byte 0x04 before its coordinates.
func (a Attributes) storedSize() int {
	n := (int(a.Bits) + 7) / 8
	if a.Type == TypePublicSecpR1 {
		n *= 2
	}
	return n
}

// ValueSize returns the size in bytes of the key's value, as the PSA Crypto API
// imports and exports it.
func (a Attributes) ValueSize() int {
	if a.Type == TypePublicSecpR1 {
		return 1 + a.storedSize()
	}
	return a.storedSize()
}

// stored returns the part of value that goes into the slots. A point may come
// without its 0x04. The message never says what value is.
func (a Attributes) stored(value []byte) ([]byte, error) {
	n := a.storedSize()
	switch {
	case len(value) == n:
		return value, nil
	case a.Type == TypePublicSecpR1 && len(value) == 1+n && value[0] == 0x04:
		return value[1:], nil
	}
	return nil, fmt.Errorf("%w: a value of %d bytes; a key of type 0x%04x and %d bits has %d", ErrInvalidArgument,
		len(value), a.Type, a.Bits, a.ValueSize())
}

// CheckValue reports what is wrong with value as that of a key with these
// attributes: its size, or that it is no uncompressed point. Whether a point is
// on its curve, and a scalar in range, shows when the key is used, as with
// Nordic's driver.
func (a Attributes) CheckValue(value []byte) error {
	_, err := a.stored(value)
	return err
}
