package cracen

import (
	"errors"
	"fmt"
	"io"

	"github.com/postern-spe/postern/platform/kmu54l"
)

// workSize is the size of the memory in which a key is made ready for its slots:
// the most that a key fills, a public key of P-384 or an ENCRYPTED one.
const workSize = PushAreaSize

// Provision puts a key into its slots, from the one in its ID on. value is not
// kept; its size is a.ValueSize(), or one less for a point without its 0x04.
// Beside the errors of Place and CheckValue: ErrAlreadyExists where a slot is not
// empty (a revoked one never is again), ErrKeyMissing for an ENCRYPTED key on a
// device without a seed, ErrHardwareFailure.
//
// The first PROTECTED key brings the two slots of random bytes with it that wipe
// AES_KEY0.
func (c *CRACEN) Provision(a Attributes, value []byte) error {
	p, err := a.Place()
	if err != nil {
		return err
	}
	stored, err := a.stored(value)
	if err != nil {
		return err
	}
	return c.provision(a, p, func(p []byte) error {
		copy(p, stored)
		return nil
	})
}

// ProvisionRandom is Provision with a value that is made on the device. A public
// key cannot be made so: ErrInvalidArgument.
func (c *CRACEN) ProvisionRandom(a Attributes) error {
	p, err := a.Place()
	if err != nil {
		return err
	}
	if a.IsPublic() {
		return fmt.Errorf("%w: a public key is not made of random bytes", ErrInvalidArgument)
	}
	return c.provision(a, p, c.fillRandom)
}

func (c *CRACEN) fillRandom(p []byte) error {
	_, err := io.ReadFull(c.random, p)
	return err
}

// provision puts a key into the slots of p. value fills in what the slots hold of
// it in the clear.
func (c *CRACEN) provision(a Attributes, p Placement, value func(p []byte) error) error {
	defer c.mu.Unlock()
	if err := c.begin(); err != nil {
		return err
	}
	return c.provisionPlaced(a, p, value)
}

// provisionPlaced is provision where the driver is locked and recovered.
func (c *CRACEN) provisionPlaced(a Attributes, p Placement, value func(p []byte) error) error {
	for slot := p.First; slot <= p.Last; slot++ {
		s, err := c.kmu.State(slot)
		switch {
		case err != nil:
			return slotError(err)
		case s != kmu54l.Erased:
			return fmt.Errorf("%w: slot %d is %v", ErrAlreadyExists, slot, s)
		}
	}
	f, err := p.Metadata.Fields()
	if err != nil {
		return err
	}
	defer clear(c.work)
	dest := c.engine.pushArea
	switch f.Scheme {
	case Protected:
		dest = ProtectedAESKey0
		if p.First != SlotInvalidation {
			if err := c.invalidationSlots(); err != nil {
				return err
			}
		}
	case Seed:
		dest = SeedRegisters
	}
	if f.Scheme == Encrypted {
		err = c.encrypt(p, a.storedSize(), value)
	} else {
		err = value(c.work[:a.storedSize()])
	}
	if err != nil {
		return err
	}
	return c.fill(p, f.Policy, dest, c.work)
}

// invalidation are the attributes of the two slots that overwrite AES_KEY0.
var invalidation = Attributes{
	Type: TypeAES, Bits: 256, Lifetime: LocationKMU<<8 | uint32(PersistenceDefault), Usage: UsageEncrypt,
	Algorithm: 0x04C01000, ID: KeyID(Protected, SlotInvalidation),
}

// invalidationSlots provisions these two where they are not.
func (c *CRACEN) invalidationSlots() error {
	p, err := invalidation.Place()
	if err != nil {
		return err
	}
	err = c.provisionPlaced(invalidation, p, c.fillRandom)
	if errors.Is(err, ErrAlreadyExists) {
		return nil // one of them that is revoked shows at the first use of a key
	}
	return err
}

// find returns what the first slot of the key says. The caller holds c.mu.
func (c *CRACEN) find(id uint32) (Attributes, Placement, error) {
	scheme, slot, ok := ParseKeyID(id)
	if !ok {
		return Attributes{}, Placement{}, ErrDoesNotExist
	}
	m, err := c.kmu.Metadata(slot)
	switch {
	case err != nil:
		return Attributes{}, Placement{}, slotError(err)
	case m == secondary, slot == slotJournal:
		return Attributes{}, Placement{}, ErrDoesNotExist
	}
	a, err := Metadata(m).Attributes(slot)
	if err != nil {
		return Attributes{}, Placement{}, err
	}
	if a.ID != KeyID(scheme, slot) {
		return Attributes{}, Placement{}, ErrDoesNotExist
	}
	p := Placement{Metadata(m), slot, slot + slotCount(a, scheme) - 1}
	if p.Last >= kmu54l.Slots {
		return Attributes{}, Placement{}, ErrCorruptionDetected
	}
	return a, p, nil
}

// Attributes returns the attributes of a key, which are what its first slot's
// metadata says, or for the IKG's keys their own. ErrDoesNotExist; ErrNotPermitted
// for a revoked key; ErrKeyMissing; the errors of Metadata.Attributes.
func (c *CRACEN) Attributes(id uint32) (Attributes, error) {
	defer c.mu.Unlock()
	if err := c.begin(); err != nil {
		return Attributes{}, err
	}
	for _, a := range builtin {
		if a.ID == id {
			if !c.hasSeed() {
				return Attributes{}, ErrKeyMissing
			}
			return a, nil
		}
	}
	a, _, err := c.find(id)
	return a, err
}

// Destroy revokes all slots of a key. ErrNotPermitted for a Locked one, for a
// revoked one and for the IKG's; ErrDoesNotExist; ErrHardwareFailure.
func (c *CRACEN) Destroy(id uint32) error {
	for _, a := range builtin {
		if a.ID == id {
			return ErrNotPermitted
		}
	}
	defer c.mu.Unlock()
	if err := c.begin(); err != nil {
		return err
	}
	a, p, err := c.find(id)
	switch {
	case err != nil:
		return err
	case uint8(a.Lifetime) == PersistenceReadOnly:
		return ErrNotPermitted
	case p.Slots() == 1:
		return slotError(c.kmu.Revoke(p.First))
	}
	if err := c.openJournal(p.First, p.Slots()); err != nil {
		return err
	}
	return c.recover()
}

// BlockPush keeps a key from being used until reset. Its errors are those of
// Attributes.
func (c *CRACEN) BlockPush(id uint32) error {
	defer c.mu.Unlock()
	if err := c.begin(); err != nil {
		return err
	}
	_, p, err := c.find(id)
	for slot := p.First; err == nil && slot <= p.Last; slot++ {
		err = slotError(c.kmu.BlockPush(slot))
	}
	return err
}
