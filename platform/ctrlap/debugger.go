package ctrlap

import "slices"

// The bits of APPROTECT.STATUS. What a 1 means is the board's (StatusProtected).
const (
	StatusAPProtect       uint32 = 1 << 0
	StatusSecureAPProtect uint32 = 1 << 1
)

// StatusEraseProtect is the bit of ERASEPROTECT.STATUS. What a 1 means is the
// board's (StatusProtected).
const StatusEraseProtect uint32 = 1 << 0

// Read is a debugger's read of the register at an offset. One that does not
// exist reads 0. Reading the mailbox takes the word out of it.
func (a *CtrlAP) Read(off uint32) uint32 {
	if a.c.Variant.Debugger[off] == DebugEraseProtectStatus {
		// Another block's lock may be behind it.
		return a.c.Variant.status(a.blocked(), StatusEraseProtect)
	}
	a.mu.Lock()
	v, raise := a.debuggerReads(a.c.Variant.Debugger[off])
	a.mu.Unlock()
	if raise && a.c.Interrupt != nil {
		a.c.Interrupt()
	}
	return v
}

func (a *CtrlAP) debuggerReads(r Register) (v uint32, raise bool) {
	switch r {
	case DebugReset:
		return a.resetReg, false
	case DebugEraseAllStatus:
		return a.c.Variant.EraseAllStatus[a.state], false
	case DebugAPProtectStatus:
		return a.c.Variant.status(a.apProtected, StatusAPProtect) |
			a.c.Variant.status(a.secureProtected, StatusSecureAPProtect), false
	case DebugAPProtectDisable:
		return publicKey(a.keys.ap.debugger), false
	case DebugSecureAPProtectDisable:
		return publicKey(a.keys.secure.debugger), false
	case DebugEraseProtectDisable:
		return a.erase.debugger, false
	case DebugMailboxTXData:
		return a.toCPU.data, false
	case DebugMailboxTXStatus:
		return a.toCPU.status(), false
	case DebugMailboxRXData:
		if a.toDbg.pending {
			a.toDbg.pending = false
			raise = a.event(eventTXDone)
		}
		return a.toDbg.data, raise
	case DebugMailboxRXStatus:
		return a.toDbg.status(), false
	case DebugInfoPartNo:
		return a.c.PartNo, false
	case DebugInfoHWRevision:
		return a.c.HWRevision, false
	case DebugIDR:
		return a.c.Variant.IDR, false
	}
	return 0, false
}

// publicKey is what a DISABLE register reads for a debugger: the key of the reset,
// which is no secret. Decided: of another key the next debugger is told nothing.
func publicKey(key uint32) uint32 {
	if key == DefaultKey {
		return key
	}
	return 0
}

// status gives a protection status its board's polarity.
func (v *Variant) status(protected bool, mask uint32) uint32 {
	if protected == v.StatusProtected {
		return mask
	}
	return 0
}

// Write is a debugger's write to the register at an offset: ignored for one
// that does not exist or is read-only. It returns when what it starts, as
// ERASEALL, has ended. A word in the mailbox that the CPU has not read is
// overwritten.
func (a *CtrlAP) Write(off, v uint32) {
	switch a.c.Variant.Debugger[off] {
	case DebugReset:
		a.mu.Lock()
		a.resetReg = v & 7
		a.mu.Unlock()
		a.reset(v)
	case DebugEraseAll:
		if v == 1 && !a.blocked() {
			a.eraseAll()
		}
	case DebugAPProtectDisable:
		a.mu.Lock()
		a.keys.ap.debugger = v
		a.mu.Unlock()
	case DebugSecureAPProtectDisable:
		a.mu.Lock()
		a.keys.secure.debugger = v
		a.mu.Unlock()
	case DebugEraseProtectDisable:
		a.mu.Lock()
		a.erase.debugger = v
		both := a.erase.match()
		a.mu.Unlock()
		if both {
			a.eraseAll()
		}
	case DebugMailboxTXData:
		a.mu.Lock()
		a.toCPU.send(v)
		raise := a.event(eventRXReady)
		a.mu.Unlock()
		if raise && a.c.Interrupt != nil {
			a.c.Interrupt()
		}
	}
}

// reset asks for the reset that v names, if the board knows it.
func (a *CtrlAP) reset(v uint32) {
	if v <= uint32(PinReset) && slices.Contains(a.c.Variant.Resets, ResetKind(v)) {
		a.c.Reset(ResetKind(v))
	}
}
