package platform

import (
	"encoding/binary"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/ctrlap"
	"github.com/postern-spe/postern/platform/tampc"
	"github.com/postern-spe/postern/platform/uicr"
)

// DebugAP returns the number of the CTRL-AP among the access ports.
func (s *SoC) DebugAP() uint8 { return s.blocks.chip.debugAP }

// protectDebug writes what a device's UICR says about its debug port.
func protectDebug(u *uicr.UICR, p DebugPolicy) error {
	switch p {
	case DebugLocked:
		return u.Protect()
	case DebugNonSecure:
		return u.UnprotectNonSecure()
	}
	return u.Unprotect()
}

// debugLabel separates the debug key from what else is derived from MKEK.
const debugLabel = "postern debug key"

// debugKey returns the key that unlocks the debug port of a device that was
// provisioned so.
func debugKey(k RootKeys) (uint32, error) {
	var b [4]byte
	defer clear(b[:])
	if err := k.DeriveMKEK([]byte(debugLabel), nil, b[:]); err != nil {
		return 0, err
	}
	v := binary.LittleEndian.Uint32(b[:])
	if v == 0 || v == ctrlap.DefaultKey {
		v = ^v // neither is a secret
	}
	return v, nil
}

// bootDebug is the firmware's part in the protection of the debug port. What the
// UICR protects stays protected whatever is written here.
func (s *SoC) bootDebug() error {
	key := ctrlap.DefaultKey
	if s.debug == DebugUnlock {
		var err error
		if key, err = debugKey(s.Keys); err != nil {
			return err
		}
	}
	if t := s.blocks.tampc; t != nil {
		if s.debug == DebugUnlock {
			s.unlockKey.Store(key) // the debugger sends it through the mailbox
			s.blocks.ctrlap.WriteRegister(ctrlap.RegIntenSet, 1, bus.Secure)
			return nil
		}
		s.openSignals()
		return nil
	}
	for _, r := range []struct {
		off, v uint32
	}{
		{ctrlap.RegAPProtectDisable, key}, {ctrlap.RegAPProtectLock, 1},
		{ctrlap.RegSecureAPProtectDisable, key}, {ctrlap.RegSecureAPProtectLock, 1},
	} {
		// Registers that a board does not have ignore it.
		s.blocks.ctrlap.WriteRegister(r.off, r.v, bus.Secure)
	}
	return nil
}

// mailbox is the firmware's answer to a word in the CTRL-AP's mailbox: the debug
// key opens the debug signals, and nothing else does anything.
func (s *SoC) mailbox() {
	s.blocks.ctrlap.WriteRegister(ctrlap.RegEventsRXReady, 0, bus.Secure)
	v, _ := s.blocks.ctrlap.ReadRegister(ctrlap.RegMailboxRXData, bus.Secure)
	if key := s.unlockKey.Load(); key != 0 && v == key {
		s.openSignals()
	}
}

// openSignals raises the debug signals of nRF54L, which are low after a reset.
// What the UICR protects is locked.
func (s *SoC) openSignals() {
	for _, off := range []uint32{tampc.RegDBGEN, tampc.RegNIDEN, tampc.RegSPIDEN, tampc.RegSPNIDEN} {
		s.blocks.tampc.WriteRegister(off, tampc.CtrlKey|tampc.CtrlWriteProtection, bus.Secure)
		s.blocks.tampc.WriteRegister(off, tampc.CtrlKey|tampc.CtrlValue, bus.Secure)
	}
}
