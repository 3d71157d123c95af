package ctrlap

import "github.com/postern-spe/postern/platform/bus"

// The bits of STATUS (nRF5340): 1 where the UICR did not protect at the last
// reset, and where a debugger is attached.
const (
	StatusUICRAPProtect       uint32 = 1 << 0
	StatusUICRSecureAPProtect uint32 = 1 << 1
	StatusDebugInterfaceMode  uint32 = 1 << 2
)

// The events' bits in INTEN and INTPEND.
const (
	eventRXReady = 0
	eventTXDone  = 1
	eventMask    = 1<<eventRXReady | 1<<eventTXDone
)

// exists reports whether the CPU has a register at off in this view.
func (a *CtrlAP) exists(off uint32, view bus.Attribute) bool {
	return a.c.Variant.CPU[off] && (view == bus.Secure || !a.c.Variant.SecureOnly)
}

// ReadRegister returns a register of the CPU's side. Reading the mailbox takes
// the word out of it.
func (a *CtrlAP) ReadRegister(off uint32, view bus.Attribute) (uint32, bus.Fault) {
	if !a.exists(off, view) {
		return 0, bus.NoFault
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cpuReads(off), bus.NoFault
}

func (a *CtrlAP) cpuReads(off uint32) uint32 {
	switch off {
	case RegEventsRXReady:
		return a.events >> eventRXReady & 1
	case RegEventsTXDone:
		return a.events >> eventTXDone & 1
	case RegInten, RegIntenSet, RegIntenClr:
		return a.inten
	case RegIntPend:
		return a.inten & a.events
	case RegMailboxRXData:
		// Decided: the word is gone then. It may have been a key, and the
		// debugger's side can read what it wrote.
		v := a.toCPU.data
		a.toCPU.pending, a.toCPU.data = false, 0
		return v
	case RegMailboxRXStatus:
		return a.toCPU.status()
	case RegMailboxTXData:
		return a.toDbg.data
	case RegMailboxTXStatus:
		return a.toDbg.status()
	case RegEraseProtectLock, RegAPProtectLock, RegSecureAPProtectLock:
		return bit(0, a.locked[off])
	case RegEraseProtectDisable:
		if a.c.Variant.WriteOnlyKey {
			return 0
		}
		return a.erase.cpu
	case RegAPProtectDisable:
		return a.keys.ap.cpu
	case RegSecureAPProtectDisable:
		return a.keys.secure.cpu
	case RegStatus:
		return bit(0, !a.apProtected) | bit(1, !a.secureProtected) | bit(2, a.attached)
	}
	return 0 // RESET, which is write-only
}

// WriteRegister stores to a register of the CPU's side. It returns when an
// ERASEALL that it starts has ended.
func (a *CtrlAP) WriteRegister(off, v uint32, view bus.Attribute) bus.Fault {
	if !a.exists(off, view) {
		return bus.NoFault
	}
	if off == RegReset {
		a.reset(v)
		return bus.NoFault
	}
	a.mu.Lock()
	raise, erase := a.cpuWrites(off, v)
	a.mu.Unlock()
	if raise && a.c.Interrupt != nil {
		a.c.Interrupt()
	}
	if erase {
		a.eraseAll()
	}
	return bus.NoFault
}

func (a *CtrlAP) cpuWrites(off, v uint32) (raise, erase bool) {
	switch off {
	case RegEventsRXReady:
		return a.setEvent(eventRXReady, v), false
	case RegEventsTXDone:
		return a.setEvent(eventTXDone, v), false
	case RegInten:
		return a.enable(v & eventMask), false
	case RegIntenSet:
		return a.enable(a.inten | v&eventMask), false
	case RegIntenClr:
		a.inten &^= v
	case RegMailboxTXData:
		a.toDbg.send(v)
	case RegEraseProtectLock:
		if v&1 != 0 || a.c.Variant.LockAny {
			a.locked[off] = true
		}
	case RegAPProtectLock, RegSecureAPProtectLock:
		if v&1 != 0 {
			a.locked[off] = true
		}
	case RegEraseProtectDisable:
		// One write until reset, so that nothing can be tried out here. A
		// write of 0 is none: it is no key.
		if a.locked[RegEraseProtectLock] || a.cpuErase || v == 0 {
			break
		}
		a.erase.cpu, a.cpuErase = v, true
		return false, a.erase.match()
	case RegAPProtectDisable:
		if !a.locked[RegAPProtectLock] {
			a.keys.ap.cpu = v
		}
	case RegSecureAPProtectDisable:
		if !a.locked[RegSecureAPProtectLock] {
			a.keys.secure.cpu = v
		}
	}
	return false, false
}

// event makes an event happen, on boards that have events, and reports whether
// that raises the interrupt. It is called with the lock held.
func (a *CtrlAP) event(n uint) bool {
	if !a.c.Variant.CPU[RegInten] {
		return false
	}
	return a.setEvent(n, 1)
}

func (a *CtrlAP) setEvent(n uint, v uint32) (raise bool) {
	if v&1 == 0 {
		a.events &^= 1 << n
		return false
	}
	raise = a.events>>n&1 == 0 && a.inten>>n&1 != 0
	a.events |= 1 << n
	return raise
}

// enable sets INTEN. An event that was waiting for it raises the interrupt.
func (a *CtrlAP) enable(inten uint32) (raise bool) {
	raise = a.events&inten&^a.inten != 0
	a.inten = inten
	return raise
}
