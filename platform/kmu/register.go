package kmu

import (
	"errors"

	"github.com/postern-spe/postern/platform/uicr"
)

// Register offsets from the KMU's base, which is the NVMC's.
const (
	RegTasksPush     = 0x000
	RegEventsPushed  = 0x100
	RegEventsRevoked = 0x104
	RegEventsError   = 0x108
	RegStatus        = 0x40C
	RegSelectKeySlot = 0x500
)

// The bits of STATUS.
const (
	StatusSelected uint32 = 1 << 0
	StatusBlocked  uint32 = 1 << 1
)

const (
	eventPushed = iota
	eventRevoked
	eventError
)

// HasRegister reports whether the word at offset off of the page that NVMC and
// KMU share is the KMU's.
func HasRegister(off uint32) bool {
	switch off {
	case RegTasksPush, RegEventsPushed, RegEventsRevoked, RegEventsError, RegStatus, RegSelectKeySlot:
		return true
	}
	return false
}

// ReadRegister is a secure load of the register at off.
func (k *KMU) ReadRegister(off uint32) uint32 {
	k.mu.Lock()
	defer k.mu.Unlock()
	var v uint32
	switch off {
	case RegEventsPushed, RegEventsRevoked, RegEventsError:
		if k.events[(off-RegEventsPushed)/4] {
			v = 1
		}
	case RegStatus:
		if k.selected != 0 {
			v |= StatusSelected
		}
		if k.blocked {
			v |= StatusBlocked
		}
	case RegSelectKeySlot:
		v = uint32(k.selected)
	}
	return v
}

// WriteRegister is a secure store to the register at off. Selecting anew ends
// STATUS.BLOCKED; the manual does not say what does.
func (k *KMU) WriteRegister(off, v uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch off {
	case RegTasksPush:
		if v&1 != 0 {
			k.task()
		}
	case RegEventsPushed, RegEventsRevoked, RegEventsError:
		k.events[(off-RegEventsPushed)/4] = v&1 != 0
	case RegSelectKeySlot:
		// IDs run from 1 to 128; 0 is no slot, and so is anything above.
		k.selected, k.blocked = 0, false
		if v <= uicr.Slots {
			k.selected = uint8(v)
		}
	}
}

// task is TASKS_PUSH_KEYSLOT: it ends in exactly one of the three events.
func (k *KMU) task() {
	err := k.push(int(k.selected) - 1)
	switch {
	case err == nil:
		k.events[eventPushed] = true
	case errors.Is(err, ErrRevoked):
		k.events[eventRevoked] = true
	default:
		k.events[eventError] = true
	}
}

// Reset puts the registers back; the slots stay.
func (k *KMU) Reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.selected, k.blocked, k.events = 0, false, [3]bool{}
}
