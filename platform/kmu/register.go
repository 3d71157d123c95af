package kmu

import (
	"errors"

	"github.com/postern-spe/postern/platform/bus"
)

// Register offsets from the KMU's base, which is the NVMC's.
const (
	RegTasksPush     uint32 = 0x000 // TASKS_PUSH_KEYSLOT
	RegEventsPushed  uint32 = 0x100 // EVENTS_KEYSLOT_PUSHED
	RegEventsRevoked uint32 = 0x104 // EVENTS_KEYSLOT_REVOKED
	RegEventsError   uint32 = 0x108 // EVENTS_KEYSLOT_ERROR
	RegIntEn         uint32 = 0x300
	RegIntEnSet      uint32 = 0x304
	RegIntEnClr      uint32 = 0x308
	RegIntPend       uint32 = 0x30C
	RegStatus        uint32 = 0x40C
	RegSelectKeySlot uint32 = 0x500
)

// The bits of INTEN and its relatives.
const (
	IntPushed  uint32 = 1 << 0
	IntRevoked uint32 = 1 << 1
	IntError   uint32 = 1 << 2
	intAll            = IntPushed | IntRevoked | IntError
)

// The bits of STATUS.
const (
	StatusSelected uint32 = 1 << 0
	StatusBlocked  uint32 = 1 << 1
)

// HasRegister reports whether the word at offset off of the page that NVMC and
// KMU share is the KMU's.
func HasRegister(off uint32) bool {
	switch off {
	case RegTasksPush, RegEventsPushed, RegEventsRevoked, RegEventsError,
		RegIntEn, RegIntEnSet, RegIntEnClr, RegIntPend, RegStatus, RegSelectKeySlot:
		return true
	}
	return false
}

// ReadRegister is a load of the register at off. There are none in the
// non-secure view.
func (k *KMU) ReadRegister(off uint32, view bus.Attribute) (uint32, bus.Fault) {
	if view != bus.Secure {
		return 0, bus.NoFault
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var v uint32
	switch off {
	case RegEventsPushed, RegEventsRevoked, RegEventsError:
		v = k.events >> event(off) & 1
	case RegIntEn, RegIntEnSet, RegIntEnClr:
		v = k.inten
	case RegIntPend:
		v = k.inten & k.events
	case RegStatus:
		if k.slot() >= 0 {
			v |= StatusSelected
		}
		if k.blocked {
			v |= StatusBlocked
		}
	case RegSelectKeySlot:
		v = uint32(k.selected)
	}
	return v, bus.NoFault
}

// WriteRegister is a store to the register at off.
func (k *KMU) WriteRegister(off, v uint32, view bus.Attribute) bus.Fault {
	if view != bus.Secure {
		return bus.NoFault
	}
	k.mu.Lock()
	before := k.events & k.inten
	switch off {
	case RegTasksPush:
		if v&1 != 0 {
			k.events |= k.task()
		}
	case RegEventsPushed, RegEventsRevoked, RegEventsError:
		k.events = k.events&^(1<<event(off)) | v&1<<event(off)
	case RegIntEn:
		k.inten = v & intAll
	case RegIntEnSet:
		k.inten |= v & intAll
	case RegIntEnClr:
		k.inten &^= v
	case RegSelectKeySlot:
		k.selected, k.blocked = uint8(v), false
	}
	raised := k.events & k.inten &^ before
	k.mu.Unlock()
	if raised != 0 && k.irq != nil {
		k.irq()
	}
	return bus.NoFault
}

// event returns the bit of the event whose register is at off.
func event(off uint32) uint32 { return (off - RegEventsPushed) / 4 }

// task is TASKS_PUSH_KEYSLOT: it ends in exactly one of the three events.
func (k *KMU) task() uint32 {
	err := k.push(k.slot())
	switch {
	case err == nil:
		return IntPushed
	case errors.Is(err, ErrRevoked):
		return IntRevoked
	}
	return IntError
}
