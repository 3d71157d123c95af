package mpc

import (
	"errors"
	"fmt"

	"github.com/postern-spe/postern/platform/bus"
)

// Register offsets from the MPC's base, 0x50041000.
const (
	RegEventsMemAccErr  = 0x100
	RegIntEn            = 0x300 // bit 0: MEMACCERR
	RegIntEnSet         = 0x304
	RegIntEnClr         = 0x308
	RegMemAccErrAddress = 0x400
	RegMemAccErrInfo    = 0x404
	RegOverride         = 0x800 // five registers at +0x20n

	overrideConfig = 0x00 // LOCK bit 8, ENABLE bit 9
	overrideStart  = 0x04
	overrideEnd    = 0x08
	overridePerm   = 0x10
	overrideMask   = 0x14
	overrideStride = 0x20

	configLock   uint32 = 1 << 8
	configEnable uint32 = 1 << 9
	addrMask     uint32 = ^uint32(Granularity - 1)
)

// ErrRange is the cause of an override that does not exist or cannot be expressed,
// and ErrLocked of one that is locked.
var (
	ErrRange  = errors.New("out of range")
	ErrLocked = errors.New("the override is locked")
)

// ReadRegister returns the register at off. In the non-secure view all registers
// read 0.
func (m *MPC) ReadRegister(off uint32, view bus.Attribute) (uint32, bus.Fault) {
	if view == bus.NonSecure {
		return 0, bus.NoFault
	}
	state := m.state.Load()
	switch off {
	case RegEventsMemAccErr:
		return uint32(state/stateEvent) & 1, bus.NoFault
	case RegIntEn, RegIntEnSet, RegIntEnClr:
		return uint32(state/stateIntEn) & 1, bus.NoFault
	case RegMemAccErrAddress:
		return uint32(state), bus.NoFault
	case RegMemAccErrInfo:
		return uint32(state>>stateInfo&0x1F) << infoShift, bus.NoFault
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, r, _ := m.cell(off); r != nil {
		return *r, bus.NoFault
	}
	return 0, bus.NoFault
}

// WriteRegister stores to the register at off. A write to a locked override, to a
// read-only register or in the non-secure view is ignored.
func (m *MPC) WriteRegister(off, v uint32, view bus.Attribute) bus.Fault {
	if view == bus.NonSecure {
		return bus.NoFault
	}
	one := uint64(v & 1)
	switch off {
	case RegEventsMemAccErr:
		m.change(stateEvent, one*stateEvent)
	case RegIntEn:
		m.change(stateIntEn, one*stateIntEn)
	case RegIntEnSet:
		m.change(one*stateIntEn, stateIntEn)
	case RegIntEnClr:
		m.change(one*stateIntEn, 0)
	default:
		m.mu.Lock()
		defer m.mu.Unlock()
		if o, r, mask := m.cell(off); r != nil && o.config&configLock == 0 {
			*r = v & mask
			m.update()
		}
	}
	return bus.NoFault
}

// cell returns an override's register at an offset and its bits, nil where there
// is none. The caller holds mu.
func (m *MPC) cell(off uint32) (o *override, r *uint32, mask uint32) {
	n := (off - RegOverride) / overrideStride
	if off < RegOverride || n >= Overrides {
		return nil, nil, 0
	}
	o = &m.overrides[n]
	switch off % overrideStride {
	case overrideConfig:
		return o, &o.config, configLock | configEnable
	case overrideStart:
		return o, &o.start, addrMask
	case overrideEnd:
		return o, &o.end, addrMask
	case overridePerm:
		return o, &o.perm, permMask
	case overrideMask:
		return o, &o.mask, permMask
	}
	return nil, nil, 0
}

// SetOverride sets the n-th override, wholly or, with an error, not at all.
// ErrRange where there is none to set or its addresses are not whole units in
// ascending order, ErrLocked.
func (m *MPC) SetOverride(n int, o Override, enable, lock bool) error {
	if n < 0 || n >= Overrides-1 || (o.Start|o.End)&^addrMask != 0 || o.End < o.Start || (o.Perm|o.Mask)&^permMask != 0 {
		return fmt.Errorf("mpc: override %d [0x%08x, 0x%08x): %w", n, o.Start, o.End, ErrRange)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.overrides[n].config&configLock != 0 {
		return fmt.Errorf("mpc: override %d: %w", n, ErrLocked)
	}
	r := override{0, o.Start, o.End, o.Perm, o.Mask}
	if enable {
		r.config |= configEnable
	}
	if lock {
		r.config |= configLock
	}
	m.overrides[n] = r
	m.update()
	return nil
}

// NonSecure returns the override with which TF-M opens [start, end) to the
// non-secure world: the attribute, and nothing else, is taken from it.
func NonSecure(start, end uint32) Override { return Override{start, end, 0, PermSecure} }

// EnableInterrupts clears the event and lets it interrupt.
func (m *MPC) EnableInterrupts() {
	m.change(stateEvent, 0)
	m.change(stateIntEn, stateIntEn)
}
