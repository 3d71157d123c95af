package kmu

import (
	"encoding/binary"

	"github.com/postern-spe/postern/platform/uicr"
)

// slot returns the slot that SELECTKEYSLOT names, or -1.
func (k *KMU) slot() int {
	if k.selected > uicr.Slots {
		return -1
	}
	return int(k.selected) - 1
}

// locate returns the slot that the word at off of the UICR belongs to, and where
// in the slot's configuration (0 DEST, 4 PERM) or value it is.
func locate(off uint32) (slot int, word uint32, value bool) {
	if off >= uicr.RegKeySlotKey {
		off -= uicr.RegKeySlotKey
		return int(off / uicr.SlotSize), off % uicr.SlotSize &^ 3, true
	}
	off -= uicr.RegKeySlotConfig
	return int(off / 8), off % 8 &^ 3, false
}

// LoadSlot is a secure load of the word at off from the UICR's base, in the key
// slots: what the slot that SELECTKEYSLOT names lets the processor see, and
// 0xDEADDEAD for everything else.
func (k *KMU) LoadSlot(off uint32) uint32 {
	k.mu.Lock()
	defer k.mu.Unlock()
	slot, word, value := locate(off)
	if slot != k.slot() {
		k.blocked = true
		return uicr.Denied
	}
	dest, perm, err := k.slots.Config(slot)
	switch {
	case err != nil:
	case !value && word == 0:
		return dest
	case !value:
		return perm
	case perm&PermRead != 0 && perm&PermState != 0:
		var p [4]byte
		if k.values.Read(at(slot)+int(word), p[:]) == nil {
			return binary.LittleEndian.Uint32(p[:])
		}
	}
	k.blocked = true
	return uicr.Denied
}

// StoreSlot is a secure store to the word at off from the UICR's base, in the
// key slots, which the NVMC has enabled. One that the slot does not allow is
// ignored; the error is the cells'.
func (k *KMU) StoreSlot(off, v uint32) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	slot, word, value := locate(off)
	if slot != k.slot() {
		k.blocked = true
		return nil
	}
	if !value && word == 4 {
		return k.storePerm(slot, v)
	}
	_, perm, err := k.slots.Config(slot)
	if err != nil {
		return err
	}
	if perm&PermWrite == 0 || perm&PermState == 0 {
		k.blocked = true
		return nil
	}
	if !value {
		return k.slots.ProgramDest(slot, v)
	}
	var p [4]byte
	binary.LittleEndian.PutUint32(p[:], v)
	return k.values.Program(at(slot)+int(word), p[:])
}

// storePerm is a store to PERM: halves that have been written are ignored.
func (k *KMU) storePerm(slot int, v uint32) error {
	_, before, err := k.slots.Config(slot)
	if err != nil {
		return err
	}
	if before>>16 != 0xFFFF {
		v |= 0xFFFF0000
	}
	return k.setPerm(slot, v)
}
