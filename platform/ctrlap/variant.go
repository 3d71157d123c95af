package ctrlap

// Register is a register of the debugger's side; its offset is the board's.
type Register uint8

const (
	DebugReset Register = iota + 1
	DebugEraseAll
	DebugEraseAllStatus
	DebugAPProtectStatus
	DebugAPProtectDisable
	DebugSecureAPProtectDisable
	DebugEraseProtectStatus
	DebugEraseProtectDisable
	DebugMailboxTXData
	DebugMailboxTXStatus
	DebugMailboxRXData
	DebugMailboxRXStatus
	DebugInfoPartNo
	DebugInfoHWRevision
	DebugIDR
)

// Offsets of the CPU's registers, the same on every board that has them (SVD:
// CTRLAPPERI).
const (
	RegEventsRXReady = 0x100 // nRF54L
	RegEventsTXDone  = 0x104 // nRF54L
	RegInten         = 0x300 // nRF54L
	RegIntenSet      = 0x304 // nRF54L
	RegIntenClr      = 0x308 // nRF54L
	RegIntPend       = 0x30C // nRF54L

	RegMailboxRXData   = 0x400
	RegMailboxRXStatus = 0x404
	RegMailboxTXData   = 0x480
	RegMailboxTXStatus = 0x484

	RegEraseProtectLock       = 0x500
	RegEraseProtectDisable    = 0x504
	RegReset                  = 0x520 // nRF54L
	RegAPProtectLock          = 0x540 // nRF5340
	RegAPProtectDisable       = 0x544 // nRF5340
	RegSecureAPProtectLock    = 0x548 // nRF5340
	RegSecureAPProtectDisable = 0x54C // nRF5340
	RegStatus                 = 0x600 // nRF5340
)

// Variant is what differs between the boards' ports.
type Variant struct {
	// Debugger are the registers of the debugger's side by offset.
	Debugger map[uint32]Register
	// CPU are the offsets of the CPU's registers.
	CPU map[uint32]bool
	// SecureOnly: the CPU's registers exist in the secure view alone.
	SecureOnly bool
	// SoftBranch: access-port protection has the DISABLE keys as well as the
	// UICR, and both must open it.
	SoftBranch bool
	// StatusProtected: a 1 in a protection status means protected, not open.
	StatusProtected bool
	// Resets are the reset kinds that RESET takes.
	Resets []ResetKind
	// LockAny: any value written to ERASEPROTECT.LOCK locks.
	LockAny bool
	// WriteOnlyKey: ERASEPROTECT.DISABLE reads 0 to the CPU.
	WriteOnlyKey bool
	// EraseAllStatus is what ERASEALLSTATUS reads, by state.
	EraseAllStatus [eraseStates]uint32
	// IDR is the identification register; debug probes compare it.
	IDR uint32
}

// Offset returns where the debugger finds a register, and whether the board has
// it.
func (v *Variant) Offset(r Register) (uint32, bool) {
	for off, at := range v.Debugger {
		if at == r {
			return off, true
		}
	}
	return 0, false
}

// NRF5340 is the application core's port. APPROTECT.STATUS is documented in the
// chapter's text but missing from its register overview; it is at the offset
// that the nRF91 has it, where debug probes look for it.
func NRF5340() Variant {
	return Variant{
		Debugger: map[uint32]Register{
			0x000: DebugReset, 0x004: DebugEraseAll, 0x008: DebugEraseAllStatus,
			0x00C: DebugAPProtectStatus, 0x010: DebugAPProtectDisable, 0x014: DebugSecureAPProtectDisable,
			0x018: DebugEraseProtectStatus, 0x01C: DebugEraseProtectDisable,
			0x020: DebugMailboxTXData, 0x024: DebugMailboxTXStatus,
			0x028: DebugMailboxRXData, 0x02C: DebugMailboxRXStatus, 0x0FC: DebugIDR,
		},
		CPU: offsets(RegMailboxRXData, RegMailboxRXStatus, RegMailboxTXData, RegMailboxTXStatus,
			RegEraseProtectLock, RegEraseProtectDisable, RegAPProtectLock, RegAPProtectDisable,
			RegSecureAPProtectLock, RegSecureAPProtectDisable, RegStatus),
		SoftBranch:     true,
		Resets:         []ResetKind{SoftReset},
		EraseAllStatus: nvmcStatus,
		IDR:            0x12880000,
	}
}

// NRF9160 is the port of the nRF9160: protection is the UICR's alone, and the
// CPU's side is a secure peripheral.
func NRF9160() Variant {
	return Variant{
		Debugger: map[uint32]Register{
			0x000: DebugReset, 0x004: DebugEraseAll, 0x008: DebugEraseAllStatus,
			0x00C: DebugAPProtectStatus, 0x018: DebugEraseProtectStatus, 0x01C: DebugEraseProtectDisable,
			0x020: DebugMailboxTXData, 0x024: DebugMailboxTXStatus,
			0x028: DebugMailboxRXData, 0x02C: DebugMailboxRXStatus, 0x0FC: DebugIDR,
		},
		CPU: offsets(RegMailboxRXData, RegMailboxRXStatus, RegMailboxTXData, RegMailboxTXStatus,
			RegEraseProtectLock, RegEraseProtectDisable),
		SecureOnly:     true,
		Resets:         []ResetKind{SoftReset},
		EraseAllStatus: nvmcStatus,
		IDR:            0x12880000,
	}
}

// NRF54L15 is the port of the nRF54L15, where firmware opens access ports
// through the TAMPC and not here. The datasheets of the series give
// ERASEPROTECT.STATUS as 1 when protected, the other way round than before;
// APPROTECT.STATUS, whose values we have not seen, is taken to be the same.
func NRF54L15() Variant {
	return Variant{
		Debugger: map[uint32]Register{
			0x000: DebugReset, 0x004: DebugEraseAll, 0x008: DebugEraseAllStatus,
			0x00C: DebugEraseProtectStatus, 0x010: DebugEraseProtectDisable, 0x014: DebugAPProtectStatus,
			0x020: DebugMailboxTXData, 0x024: DebugMailboxTXStatus,
			0x028: DebugMailboxRXData, 0x02C: DebugMailboxRXStatus,
			0x030: DebugInfoPartNo, 0x034: DebugInfoHWRevision, 0x0FC: DebugIDR,
		},
		CPU: offsets(RegEventsRXReady, RegEventsTXDone, RegInten, RegIntenSet, RegIntenClr, RegIntPend,
			RegMailboxRXData, RegMailboxRXStatus, RegMailboxTXData, RegMailboxTXStatus,
			RegEraseProtectLock, RegEraseProtectDisable, RegReset),
		StatusProtected: true,
		Resets:          []ResetKind{SoftReset, HardReset, PinReset},
		LockAny:         true,
		WriteOnlyKey:    true,
		EraseAllStatus:  [eraseStates]uint32{eraseReady: 0, eraseBusy: 2, eraseDone: 1, eraseFailed: 3},
		IDR:             0x32880000,
	}
}

// nvmcStatus has no value for an error: a failed erase stays busy.
var nvmcStatus = [eraseStates]uint32{eraseReady: 0, eraseBusy: 1, eraseDone: 0, eraseFailed: 1}

func offsets(offs ...uint32) map[uint32]bool {
	m := make(map[uint32]bool, len(offs))
	for _, off := range offs {
		m[off] = true
	}
	return m
}
