package uicr

import "errors"

// KeyUnit is the KMU as the page sees it: it decides every access to the key
// slots, and has the values. off is an offset from the UICR's base.
type KeyUnit interface {
	// LoadSlot is a secure load of the word at off.
	LoadSlot(off uint32) uint32
	// StoreSlot is a secure store that the controller has let pass. The error
	// is the cells': they do not take it.
	StoreSlot(off, v uint32) error
	// EraseValues erases the values of all slots.
	EraseValues() error
	// BlankValues reports whether no slot has a value.
	BlankValues() bool
}

// KeySlots is the KMU's port to the settings of the key slots, DEST and PERM.
// Slots are numbered from 0. It checks no permissions: that is the KMU's work.
type KeySlots struct{ u *UICR }

// ClaimKeySlots gives the key slots to k, once.
func (u *UICR) ClaimKeySlots(k KeyUnit) (*KeySlots, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case !u.layout.KeySlots:
		return nil, errors.New("uicr: this chip has no key slots in the UICR")
	case u.kmu != nil:
		return nil, errors.New("uicr: the key slots belong to a KMU already")
	}
	u.kmu = k
	return &KeySlots{u}, nil
}

// Config returns CONFIG[slot].DEST and CONFIG[slot].PERM.
func (k *KeySlots) Config(slot int) (dest, perm uint32, err error) {
	if dest, err = k.u.cells.Word(RegKeySlotConfig + 8*slot); err != nil {
		return 0, 0, err
	}
	perm, err = k.u.cells.Word(RegKeySlotConfig + 8*slot + 4)
	return dest, perm, err
}

// ProgramDest programs CONFIG[slot].DEST, which only loses bits.
func (k *KeySlots) ProgramDest(slot int, dest uint32) error {
	k.u.mu.Lock()
	defer k.u.mu.Unlock()
	return k.u.and(RegKeySlotConfig+8*slot, dest)
}

// ProgramPerm programs CONFIG[slot].PERM, whose halves are write-once each: the
// permissions first and alone, the revocation later and alone. A half that has
// been written is left as it is.
func (k *KeySlots) ProgramPerm(slot int, perm uint32) error {
	k.u.mu.Lock()
	defer k.u.mu.Unlock()
	off := RegKeySlotConfig + 8*slot + 4
	v, err := k.u.accepted(off, 2, perm)
	if err != nil {
		return err
	}
	return k.u.and(off, v)
}
