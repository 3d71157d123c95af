package uicr

import (
	"encoding/binary"
	"errors"
)

// Slots is how many key slots there are; a slot holds SlotSize bytes.
const (
	Slots    = 128
	SlotSize = 16
)

// KeySlots is the KMU's port to the key slots. Slots are numbered from 0. It
// checks no permissions: that is the KMU's work.
type KeySlots struct{ u *UICR }

// ClaimKeySlots returns the port, once.
func (u *UICR) ClaimKeySlots() (*KeySlots, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.claimed {
		return nil, errors.New("uicr: the key slots belong to a KMU already")
	}
	u.claimed = true
	return &KeySlots{u}, nil
}

// Config returns CONFIG[slot].DEST and CONFIG[slot].PERM.
func (k *KeySlots) Config(slot int) (dest, perm uint32, err error) {
	if dest, err = k.u.array.Word(RegKeySlotConfig + 8*slot); err != nil {
		return 0, 0, err
	}
	perm, err = k.u.array.Word(RegKeySlotConfig + 8*slot + 4)
	return dest, perm, err
}

// SetDest programs CONFIG[slot].DEST.
func (k *KeySlots) SetDest(slot int, dest uint32) error {
	k.u.mu.Lock()
	defer k.u.mu.Unlock()
	return k.u.program(RegKeySlotConfig+8*slot, dest)
}

// SetPerm writes CONFIG[slot].PERM, whose halves are write-once each: the
// permissions first and alone, the revocation later and alone.
func (k *KeySlots) SetPerm(slot int, perm uint32) error {
	k.u.mu.Lock()
	defer k.u.mu.Unlock()
	return k.u.writeOnce(RegKeySlotConfig+8*slot+4, perm)
}

// Value copies KEY[slot].VALUE[0..3] to p, in memory order.
func (k *KeySlots) Value(slot int, p *[SlotSize]byte) error {
	return k.u.array.Read(RegKeySlotKey+SlotSize*slot, p[:])
}

// SetValue programs KEY[slot].VALUE[0..3].
func (k *KeySlots) SetValue(slot int, p *[SlotSize]byte) error {
	k.u.mu.Lock()
	defer k.u.mu.Unlock()
	return k.u.array.Program(RegKeySlotKey+SlotSize*slot, p[:])
}

// Empty reports whether nothing of a slot has been written: DEST, PERM and all
// of VALUE read all ones.
func (k *KeySlots) Empty(slot int) (bool, error) {
	dest, perm, err := k.Config(slot)
	if err != nil {
		return false, err
	}
	var p [SlotSize]byte
	defer clear(p[:])
	if err := k.Value(slot, &p); err != nil {
		return false, err
	}
	all := dest & perm
	for i := 0; i < SlotSize; i += 4 {
		all &= binary.LittleEndian.Uint32(p[i:])
	}
	return all == 0xFFFFFFFF, nil
}
