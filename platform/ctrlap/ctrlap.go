// Package ctrlap emulates the control access port of the nRF5340 application
// core, the nRF9160 and the nRF54L15 (Product Specifications and datasheet,
// chapter CTRL-AP; the CPU's registers as the devices' SVDs name them): the one
// access port that a debug probe reaches whatever the state of the protection.
// It has two faces. The debugger's, Read and Write, is behind the debug port;
// the CPU's, a bus.Peripheral, is on the bus. Between them are the mailbox, the
// keys that open a protected device from both sides, and ERASEALL.
//
// Not emulated: the network core's CTRL-AP, and the debug power-up handshake.
//
// Trust: every offset and value on the debugger's side is an attacker's, and so
// is the CPU's side where the guard gives it to non-secure software.
//
// Three things the documents leave open are decided here. The UICR's protections
// are those of the last reset, as STATUS says of two of them: programming one
// takes effect with the next reset. A UICR that cannot be read protects. An
// ERASEALL that failed never reports an end: where the board has no value for an
// error, the status stays busy.
package ctrlap

import (
	"sync"

	"github.com/postern-spe/postern/platform/bus"
)

// DefaultKey is what the nRF5340's debugger side has in both DISABLE registers
// after a reset: firmware that writes it opens the port to any debugger.
const DefaultKey uint32 = 0x50FA50FA

// UICR is what the port asks of the UICR. An error means protected.
type UICR interface {
	APProtected() (bool, error)
	SecureAPProtected() (bool, error)
	EraseProtected() (bool, error)
}

// Signals are the debug signals of an nRF54L's tamper controller (TAMPC), whose
// values firmware sets. They are asked at every access.
type Signals interface {
	DebugEnabled() bool       // PROTECT.DOMAIN[0].DBGEN
	SecureDebugEnabled() bool // PROTECT.DOMAIN[0].SPIDEN
	EraseProtected() bool     // PROTECT.ERASEPROTECT
}

// ResetKind is a reset that the port asks for. The values are those of the
// nRF54L's RESET registers; the other boards know SoftReset alone.
type ResetKind uint8

const (
	SoftReset ResetKind = 1
	HardReset ResetKind = 2
	PinReset  ResetKind = 4
)

func (k ResetKind) String() string {
	switch k {
	case SoftReset:
		return "soft"
	case HardReset:
		return "hard"
	case PinReset:
		return "pin"
	}
	return "no"
}

// Config is what a port is connected to. Its functions are called with no lock
// of the port held, on the goroutine of the access that causes them.
type Config struct {
	Variant Variant
	UICR    UICR
	// Signals is nil on boards without a TAMPC.
	Signals Signals
	// EraseAll wipes the device: flash, UICR, keys and RAM. When it returns nil
	// none of it is left.
	EraseAll func() error
	// Reset restarts the device; it may return before that.
	Reset func(ResetKind)
	// Interrupt is raised on boards with Events. It may be nil.
	Interrupt bus.Interrupt
	// OpenedByErase says that the reset before this boot came after an
	// ERASEALL: the ports are open until the next reset, whatever the UICR
	// says by then.
	OpenedByErase bool
	// Retained is what a soft reset has left of the port before; nil after any
	// other reset.
	Retained *Keys
	// PartNo and HWRevision are what INFO reads, where there is one.
	PartNo, HWRevision uint32
}

// Keys are the DISABLE keys of access-port protection, CPU's and debugger's. On
// the nRF5340 they outlast a soft reset.
type Keys struct{ ap, secure pair }

// pair is the key of each side of one DISABLE register.
type pair struct{ cpu, debugger uint32 }

func (p pair) match() bool { return p.cpu != 0 && p.cpu == p.debugger }

// CtrlAP is the access port. It is safe for concurrent use.
type CtrlAP struct {
	c Config

	mu    sync.Mutex
	keys  Keys
	erase pair // ERASEPROTECT.DISABLE
	// cpuErase: the CPU has had its one write of ERASEPROTECT.DISABLE.
	cpuErase bool
	locked   map[uint32]bool // by offset of the LOCK register
	toCPU    box
	toDbg    box
	state    eraseState
	resetReg uint32 // RESET as the debugger reads it back
	attached bool
	events   uint32 // bit 0 RXREADY, bit 1 TXDONE
	inten    uint32

	// The UICR at the last reset.
	apProtected, secureProtected, eraseProtected bool
}

// box is one direction of the mailbox.
type box struct {
	data    uint32
	pending bool
}

// New returns the access port as it is after a reset.
func New(c Config) *CtrlAP {
	a := &CtrlAP{c: c}
	a.Reset()
	return a
}

// Reset puts the registers to their reset values and samples the UICR.
func (a *CtrlAP) Reset() {
	ap := protected(a.c.UICR.APProtected())
	secure := protected(a.c.UICR.SecureAPProtected())
	erase := protected(a.c.UICR.EraseProtected())
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = Keys{}
	if a.c.Variant.SoftBranch {
		a.keys.ap.debugger, a.keys.secure.debugger = DefaultKey, DefaultKey
		if a.c.Retained != nil {
			a.keys = *a.c.Retained
		}
	}
	a.erase, a.cpuErase, a.locked = pair{}, false, make(map[uint32]bool)
	a.toCPU, a.toDbg = box{}, box{}
	if a.state != eraseBusy { // an erase runs to its end
		a.state = eraseReady
	}
	a.resetReg, a.events, a.inten = 0, 0, 0
	a.apProtected, a.secureProtected, a.eraseProtected = ap, secure, erase
}

// protected: a UICR that cannot be read protects.
func protected(p bool, err error) bool { return p || err != nil }

// Retained returns what a soft reset leaves of the port, for the Config of the
// next boot.
func (a *CtrlAP) Retained() *Keys {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.keys
	return &k
}

// Attach says whether a debugger is at the port: STATUS.DBGIFACEMODE.
func (a *CtrlAP) Attach(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.attached = on
}

// MemoryAccess reports whether a debugger may use the memory access port (AHB-AP)
// now, and what its accesses are at most: the secure attribute, or, with
// SECUREAPPROTECT closed, the non-secure one, and then it cannot see the CPU
// while that is secure either.
func (a *CtrlAP) MemoryAccess() (bus.Origin, bool) {
	a.mu.Lock()
	open, secure := a.open()
	a.mu.Unlock()
	// The signals are asked without the lock: their block has its own.
	if s := a.c.Signals; s != nil && !a.c.OpenedByErase {
		open = open && s.DebugEnabled()
		secure = secure && s.SecureDebugEnabled()
	}
	from := bus.Origin{Master: bus.Debugger, Attr: bus.NonSecure}
	if open && secure {
		from.Attr = bus.Secure
	}
	return from, open
}

// open reports what UICR and keys leave open. SECUREAPPROTECT opens nothing
// while APPROTECT is closed. It is called with the lock held.
func (a *CtrlAP) open() (open, secure bool) {
	if a.c.OpenedByErase {
		return true, true
	}
	open, secure = !a.apProtected, !a.secureProtected
	if a.c.Variant.SoftBranch {
		open = open && a.keys.ap.match()
		secure = secure && a.keys.secure.match()
	}
	return open, secure
}

// send puts v into one direction of the mailbox.
func (b *box) send(v uint32) { b.data, b.pending = v, true }

// status is TXSTATUS and RXSTATUS: 1 while the other side has not read.
func (b *box) status() uint32 { return bit(0, b.pending) }

func bit(n uint, set bool) uint32 {
	if set {
		return 1 << n
	}
	return 0
}
