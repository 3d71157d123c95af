package dppic

import "github.com/postern-spe/postern/platform/bus"

// kind is what a register is of a group.
type kind uint8

const (
	noGroup kind = iota
	task
	subscription
	members
)

// groupRegister returns which register of which group is at off; i is 0 for EN and 1 for
// DIS.
func (d *DPPIC) groupRegister(off uint32) (k kind, group, i int) {
	n := uint32(d.v.Groups)
	switch {
	case off%4 != 0:
	case off < RegTasksChg+8*n:
		return task, int(off / 8), int(off % 8 / 4)
	case off >= RegSubscribeChg && off < RegSubscribeChg+8*n:
		return subscription, int(off-RegSubscribeChg) / 8, int(off % 8 / 4)
	case off >= RegChg && off < RegChg+4*n:
		return members, int(off-RegChg) / 4, 0
	}
	return noGroup, 0, 0
}

// ReadRegister returns the register at off, without what belongs to the other
// world. Tasks read 0.
func (d *DPPIC) ReadRegister(off uint32, view bus.Attribute) (uint32, bus.Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	secure := d.by.Channels()
	switch off {
	case RegChEn, RegChEnSet, RegChEnClr:
		if view == bus.NonSecure {
			return d.enabled &^ secure, bus.NoFault
		}
		return d.enabled, bus.NoFault
	}
	k, g, i := d.groupRegister(off)
	switch {
	case view == bus.NonSecure && d.isSecure(g, secure):
	case k == subscription:
		return d.subscribe[g][i], bus.NoFault
	case k == members:
		return d.group[g], bus.NoFault
	}
	return 0, bus.NoFault
}

// WriteRegister stores to the register at off; what belongs to the other world
// stays. A group's members cannot be written while one of its tasks has a
// subscription.
func (d *DPPIC) WriteRegister(off, v uint32, view bus.Attribute) bus.Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	secure := d.by.Channels()
	visible := d.channels()
	if view == bus.NonSecure {
		visible &^= secure
	}
	switch off {
	case RegChEn:
		d.enabled = d.enabled&^visible | v&visible
		return bus.NoFault
	case RegChEnSet:
		d.enabled |= v & visible
		return bus.NoFault
	case RegChEnClr:
		d.enabled &^= v & visible
		return bus.NoFault
	}
	k, g, i := d.groupRegister(off)
	if k == noGroup || view == bus.NonSecure && d.isSecure(g, secure) {
		return bus.NoFault
	}
	switch k {
	case task:
		d.do(g, i, v)
	case subscription:
		d.subscribe[g][i] = v & subscribeMask
	case members:
		if (d.subscribe[g][0]|d.subscribe[g][1])&subscribeEnable != 0 {
			break
		}
		// A group with an attribute of its own, and that being non-secure,
		// takes no secure channel from anybody.
		if d.by.Groups != nil && d.by.Groups()>>g&1 == 0 {
			visible &^= secure
		}
		d.group[g] = v & visible
	}
	return bus.NoFault
}

// do is TASKS_CHG[g].EN or DIS.
func (d *DPPIC) do(g, i int, v uint32) {
	switch {
	case v&1 == 0:
	case i == 0:
		d.enabled |= d.group[g]
	default:
		d.enabled &^= d.group[g]
	}
}
