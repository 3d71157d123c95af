package kmu54l

import "github.com/postern-spe/postern/platform/bus"

// Register offsets from the KMU's base.
const (
	RegTasksProvision    uint32 = 0x000
	RegTasksPush         uint32 = 0x004
	RegTasksRevoke       uint32 = 0x008
	RegTasksReadMetadata uint32 = 0x00C
	RegTasksPushBlock    uint32 = 0x010

	RegEventsProvisioned  uint32 = 0x100
	RegEventsPushed       uint32 = 0x104
	RegEventsRevoked      uint32 = 0x108
	RegEventsError        uint32 = 0x10C
	RegEventsMetadataRead uint32 = 0x110
	RegEventsPushBlocked  uint32 = 0x114

	RegStatus   uint32 = 0x400 // bit 0: 0 Ready, 1 Busy
	RegKeySlot  uint32 = 0x500 // bits 7:0: the ID that the tasks are for
	RegSrc      uint32 = 0x504 // where in RAM PROVISION finds the source struct
	RegMetadata uint32 = 0x508 // what READMETADATA has read
)

// Base is the KMU's base address on the nRF54L15, in the secure alias: it has no
// other.
const Base uint32 = 0x50045000

var _ bus.Peripheral = (*KMU)(nil)

// events by their index in KMU.events.
func event(reg uint32) uint32 { return (reg - RegEventsProvisioned) / 4 }

// done is the event of each operation's success.
var done = [...]uint32{
	OpProvision:    RegEventsProvisioned,
	OpPush:         RegEventsPushed,
	OpRevoke:       RegEventsRevoked,
	OpReadMetadata: RegEventsMetadataRead,
	OpPushBlock:    RegEventsPushBlocked,
}

// ReadRegister implements bus.Peripheral. The KMU is secure only.
func (k *KMU) ReadRegister(off uint32, view bus.Attribute) (uint32, bus.Fault) {
	if view != bus.Secure {
		return 0, bus.NoFault
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch off {
	case RegEventsProvisioned, RegEventsPushed, RegEventsRevoked, RegEventsError, RegEventsMetadataRead, RegEventsPushBlocked:
		if k.events[event(off)] {
			return 1, bus.NoFault
		}
	case RegKeySlot:
		return uint32(k.keySlot), bus.NoFault
	case RegSrc:
		return k.src, bus.NoFault
	case RegMetadata:
		return k.metadata, bus.NoFault
	}
	return 0, bus.NoFault // STATUS: Ready
}

// WriteRegister implements bus.Peripheral. A task runs before it returns.
func (k *KMU) WriteRegister(off, v uint32, view bus.Attribute) bus.Fault {
	if view != bus.Secure {
		return bus.NoFault
	}
	if off <= RegTasksPushBlock {
		if v&1 != 0 {
			k.task(Op(off / 4))
		}
		return bus.NoFault
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch off {
	case RegEventsProvisioned, RegEventsPushed, RegEventsRevoked, RegEventsError, RegEventsMetadataRead, RegEventsPushBlocked:
		k.events[event(off)] = v&1 != 0
	case RegKeySlot:
		k.keySlot = uint8(v)
	case RegSrc:
		k.src = v
	case RegMetadata:
		k.metadata = v
	}
	return bus.NoFault
}

// task does op on the slot that KEYSLOT names; exactly one event comes of it.
func (k *KMU) task(op Op) {
	writable := k.to.Writable() // before the lock, as in writing
	k.mu.Lock()
	defer k.mu.Unlock()
	slot := int(k.keySlot)
	var err error
	switch op {
	case OpProvision:
		err = k.provision(slot, writable, k.source)
	case OpPush:
		err = k.push(slot)
	case OpRevoke:
		err = k.revoke(slot, writable)
	case OpReadMetadata:
		var r record
		if r, err = k.provisioned(slot); err == nil {
			k.metadata = r.metadata
		}
	case OpPushBlock:
		err = k.pushBlock(slot)
	}
	reg := done[op]
	switch {
	case saysRevoked(op, err):
		reg = RegEventsRevoked
	case err != nil:
		reg = RegEventsError
	}
	k.events[event(reg)] = true
}

// source reads the source struct that SRC points to.
func (k *KMU) source(p []byte) error {
	if k.src%4 != 0 {
		return ErrSource
	}
	return k.to.Source(k.src, p)
}
