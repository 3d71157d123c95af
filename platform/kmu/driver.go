package kmu

import (
	"fmt"

	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/uicr"
)

// use selects a slot for one operation of the driver; the result deselects it.
func (k *KMU) use(slot int) func() {
	k.mu.Lock()
	if slot >= 0 && slot < uicr.Slots {
		k.selected = uint8(slot + 1)
	}
	return func() {
		k.selected = 0
		k.mu.Unlock()
	}
}

// Config returns the state and the settings of a slot, from 0 on. ErrSlot if
// there is none.
func (k *KMU) Config(slot int) (Config, error) {
	defer k.use(slot)()
	return k.config(slot)
}

func (k *KMU) config(slot int) (Config, error) {
	if slot < 0 || slot >= uicr.Slots {
		return Config{}, ErrSlot
	}
	dest, perm, err := k.slots.Config(slot)
	if err != nil {
		return Config{}, err
	}
	c := Config{State: Active, Dest: dest, Perm: perm}
	switch {
	case dest&perm == 0xFFFFFFFF && k.values.Erased(at(slot), keycells.ValueSize):
		c.State = Empty
	case perm&PermState == 0:
		c.State = Revoked
	}
	return c, nil
}

// Write fills an empty slot: destination, value, and last the permissions,
// which close it; each word is a power point. A slot can be written once:
// ErrFilled afterwards, also by a write that the power failed in. dest is NoDest
// for a slot that is not pushed, and a multiple of 4 otherwise: ErrDest. ErrPerm
// is for permissions that would leave the slot revoked or impossible to revoke.
// The value is copied.
func (k *KMU) Write(slot int, dest, perm uint32, v *keycells.Value) error {
	defer k.use(slot)()
	c, err := k.config(slot)
	switch {
	case err != nil:
		return err
	case c.State != Empty:
		return ErrFilled
	case perm>>16 != 0xFFFF:
		return fmt.Errorf("slot %d, 0x%08x: %w", slot, perm, ErrPerm)
	case perm&PermPush != 0 && (dest == NoDest || dest%4 != 0):
		return fmt.Errorf("slot %d, 0x%08x: %w", slot, dest, ErrDest)
	}
	if dest != NoDest {
		if err := k.slots.ProgramDest(slot, dest); err != nil {
			return err
		}
	}
	if err := k.values.ProgramValue(at(slot), v); err != nil {
		return err
	}
	if err := k.slots.ProgramPerm(slot, perm); err != nil {
		return err
	}
	if c, err = k.config(slot); err == nil && (c.Dest != dest || c.Perm != perm) {
		err = ErrWrite
	}
	return err
}

// Read returns the value of a slot whose permissions let the processor see it;
// the caller destroys it. Otherwise ErrEmpty, ErrRevoked or ErrDenied.
func (k *KMU) Read(slot int) (*keycells.Value, error) {
	defer k.use(slot)()
	if _, err := k.allowed(slot, PermRead); err != nil {
		return nil, err
	}
	var copied *keycells.Value
	err := k.values.Lend(at(slot), func(v *keycells.Value) error {
		copied = v.Clone()
		return nil
	})
	return copied, err
}

// Push sends the value of a slot to its destination. ErrEmpty, ErrRevoked and
// ErrDenied as for Read, ErrDest if it has none; the destination may refuse, too.
func (k *KMU) Push(slot int) error {
	defer k.use(slot)()
	return k.push(slot)
}

func (k *KMU) push(slot int) error {
	c, err := k.allowed(slot, PermPush)
	switch {
	case err != nil:
		return err
	case c.Dest == NoDest:
		return ErrDest
	}
	return k.values.Lend(at(slot), func(v *keycells.Value) error { return k.dest.Push(c.Dest, v) })
}

// active returns the configuration of a slot that holds a key which has not been
// revoked.
func (k *KMU) active(slot int) (Config, error) {
	c, err := k.config(slot)
	switch {
	case err != nil:
		return c, err
	case c.State == Empty:
		return c, ErrEmpty
	case c.State == Revoked:
		return c, ErrRevoked
	}
	return c, nil
}

func (k *KMU) allowed(slot int, right uint32) (Config, error) {
	c, err := k.active(slot)
	if err == nil && c.Perm&right == 0 {
		err = ErrDenied
	}
	return c, err
}

// Revoke ends a key for good: its state is cleared, then its value wiped. The
// slot cannot be used again before an ERASEALL. Power that fails between the two
// leaves a revoked slot, which gives its value to nobody and loses it at the next
// boot. ErrWrite: the slot's STATE half had been written before, so that it
// cannot be revoked.
func (k *KMU) Revoke(slot int) error {
	defer k.use(slot)()
	if _, err := k.active(slot); err != nil {
		return err
	}
	return k.setPerm(slot, revoke)
}

// setPerm programs PERM, and wipes the value when that revokes the slot.
func (k *KMU) setPerm(slot int, perm uint32) error {
	if err := k.slots.ProgramPerm(slot, perm); err != nil {
		return err
	}
	_, now, err := k.slots.Config(slot)
	switch {
	case err != nil:
		return err
	case now&PermState == 0 && perm&PermState == 0:
		return k.wipe(slot)
	case perm&PermState == 0:
		return ErrWrite
	}
	return nil
}
