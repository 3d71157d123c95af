package cracen

import (
	"errors"

	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/kmu54l"
)

// A slot is provisioned and revoked wholly or not at all; a key of several slots
// is not. So before such a key is written or destroyed the journal slot is
// provisioned, Rotating, with the metadata
//
//	bits  7:0   how many slots
//	bits 15:8   the first one
//
// and revoked when it is done. Whoever finds it provisioned revokes the slots that
// it lists: what was being destroyed is, and what was being written is taken
// back. The first slot, which has the key's metadata, is provisioned last and
// revoked first: without it the others are no key, with it they are all there.
//
// What a revocation policy forbids, recovery cannot do. Slots of a Locked key that
// was being written stay as they are: with the first among them the key is
// there, without it the slots are lost until ERASEALL. Those of a Revocable key
// stay revoked. Nordic's driver answers every operation with a hardware failure
// in the first case, from then on; here only these slots are out of use.

func (c *CRACEN) openJournal(first, slots int) error {
	v := keycells.NewValue(make([]byte, keycells.ValueSize))
	return slotError(c.kmu.Provision(slotJournal, kmu54l.Slot{
		Value: v, Policy: kmu54l.Rotating, Metadata: uint32(first)<<8 | uint32(slots),
	}))
}

func (c *CRACEN) closeJournal() error { return slotError(c.kmu.Revoke(slotJournal)) }

// recover does what the journal says is left to do. The caller holds c.mu.
func (c *CRACEN) recover() error {
	m, err := c.kmu.Metadata(slotJournal)
	switch {
	case errors.Is(err, kmu54l.ErrEmpty):
		return nil
	case err != nil:
		return slotError(err)
	}
	first, slots := int(m>>8), int(m&0xFF)
	if first+slots > kmu54l.Slots || first <= slotJournal && slotJournal < first+slots {
		return ErrCorruptionDetected // not of this driver's making
	}
	if err := c.revokeSlots(first, slots); err != nil {
		return err
	}
	return c.closeJournal()
}

// revokeSlots revokes what can be, from the first slot on.
func (c *CRACEN) revokeSlots(first, slots int) error {
	for slot := first; slot < first+slots; slot++ {
		err := c.kmu.Revoke(slot)
		switch {
		case err == nil, errors.Is(err, kmu54l.ErrEmpty), errors.Is(err, kmu54l.ErrRevoked), errors.Is(err, kmu54l.ErrLocked):
		default:
			return slotError(err)
		}
	}
	return nil
}

// fill provisions the slots of p, all erased, with value, which is as many bytes
// as they hold. The caller holds c.mu.
func (c *CRACEN) fill(p Placement, policy kmu54l.Policy, dest uint32, value []byte) error {
	if p.Slots() > 1 {
		if err := c.openJournal(p.First, p.Slots()); err != nil {
			return err
		}
	}
	for i := p.Slots() - 1; i >= 0; i-- {
		v := keycells.NewValue(value[i*keycells.ValueSize:][:keycells.ValueSize])
		metadata := secondary
		if i == 0 {
			metadata = uint32(p.Metadata)
		}
		err := c.kmu.Provision(p.First+i, kmu54l.Slot{
			Value: v, Policy: policy, Dest: dest + uint32(i)*keycells.ValueSize, Metadata: metadata,
		})
		v.Destroy()
		if err != nil {
			// The slots were empty: this is not about them, and the journal knows
			// what to take back.
			return errors.Join(slotError(err), c.recover())
		}
	}
	if p.Slots() > 1 {
		return c.closeJournal()
	}
	return nil
}
