package spu

import (
	"fmt"

	"github.com/postern-spe/postern/platform/bus"
)

// SetPeripheral is SPU.SetPeripheral for the peripheral with a slave index.
func (a *APB) SetPeripheral(index uint8, secure, dmasec, lock bool) error {
	if index >= apbSlaves || a.periph[index].Load()&PeriphPresent == 0 {
		return fmt.Errorf("%s: slave %d: %w: not there", a.v.Name, index, ErrRange)
	}
	perm := a.periph[index].Load()
	if perm&mapMask < MapUserSelectable && secure != periphSecure(perm) {
		return fmt.Errorf("%s: slave %d: %w: its security is fixed", a.v.Name, index, ErrRange)
	}
	v := attr(secure) | locked(lock)
	if dmasec {
		v |= PeriphDMASec
	}
	w := periphWritable(perm)
	if !a.put(RegPeriph+4*uint32(index), perm&^w|v&w) {
		return fmt.Errorf("%s: slave %d: %w", a.v.Name, index, ErrLocked)
	}
	return nil
}

// SetDPPI makes the channels in mask secure and the others not.
func (a *APB) SetDPPI(mask uint32, lock bool) error {
	return a.setFeatures("DPPIC.CH", RegFeatureDPPICCh, featureChannels, mask, lock)
}

// SetDPPIGroups makes the channel groups in mask secure and the others not.
func (a *APB) SetDPPIGroups(mask uint32, lock bool) error {
	return a.setFeatures("DPPIC.CHG", RegFeatureDPPICChg, featureGroups, mask, lock)
}

// SetGPIO makes the pins of a port in mask secure and the others not.
func (a *APB) SetGPIO(port int, mask uint32, lock bool) error {
	if port < 0 || port >= featurePorts {
		return fmt.Errorf("%s: GPIO port %d: %w", a.v.Name, port, ErrRange)
	}
	return a.setFeatures(fmt.Sprintf("GPIO[%d].PIN", port), RegFeatureGPIO+4*featurePins*uint32(port), featurePins, mask, lock)
}

// setFeatures stops at the first feature that a lock has frozen at another value.
func (a *APB) setFeatures(name string, reg uint32, n int, mask uint32, lock bool) error {
	for i := range n {
		off := reg + 4*uint32(i)
		v := featureReset(off)&^PermSecure | attr(mask>>i&1 != 0) | locked(lock)
		if !a.put(off, v) {
			return fmt.Errorf("%s: FEATURE.%s[%d]: %w", a.v.Name, name, i, ErrLocked)
		}
	}
	return nil
}

// EnableInterrupts clears the event and lets it interrupt.
func (a *APB) EnableInterrupts() {
	a.change(apbEvent, 0)
	a.change(apbIntEn, apbIntEn)
}

// put writes a register and reports whether it has the value now.
func (a *APB) put(off, v uint32) bool {
	a.WriteRegister(off, v, bus.Secure)
	got, _ := a.ReadRegister(off, bus.Secure)
	return got == v
}
