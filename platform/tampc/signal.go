package tampc

// Signal is a signal that a protector guards.
type Signal uint8

const (
	DBGEN            Signal = iota // PROTECT.DOMAIN[0]: non-secure invasive debug
	NIDEN                          // PROTECT.DOMAIN[0]: non-secure trace
	SPIDEN                         // PROTECT.DOMAIN[0]: secure invasive debug
	SPNIDEN                        // PROTECT.DOMAIN[0]: secure trace
	AuxDBGEN                       // PROTECT.AP[0].DBGEN: the auxiliary access port
	ActiveShield                   // PROTECT.ACTIVESHIELD
	CracenTamp                     // PROTECT.CRACENTAMP
	GlitchSlowDomain               // PROTECT.GLITCHSLOWDOMAIN
	GlitchFastDomain               // PROTECT.GLITCHFASTDOMAIN
	ExtResetEn                     // PROTECT.EXTRESETEN
	IntResetEn                     // PROTECT.INTRESETEN: a detected attack resets
	EraseProtect                   // PROTECT.ERASEPROTECT: no ERASEALL for a debugger
	signals          = iota
)

// statusOffset is where a protector has its STATUS, from its CTRL.
const statusOffset = 4

// Offsets of the protectors' CTRL registers.
const (
	RegDBGEN            = 0x500
	RegNIDEN            = 0x508
	RegSPIDEN           = 0x510
	RegSPNIDEN          = 0x518
	RegAuxDBGEN         = 0x700
	RegActiveShield     = 0x900
	RegCracenTamp       = 0x938
	RegGlitchSlowDomain = 0x940
	RegGlitchFastDomain = 0x948
	RegExtResetEn       = 0x970
	RegIntResetEn       = 0x978
	RegEraseProtect     = 0x980
)

// signalAt returns the protector that has its CTRL, or its STATUS, at off.
func signalAt(off uint32) (s Signal, status, ok bool) {
	status = off&statusOffset != 0
	switch off &^ statusOffset {
	case RegDBGEN:
		return DBGEN, status, true
	case RegNIDEN:
		return NIDEN, status, true
	case RegSPIDEN:
		return SPIDEN, status, true
	case RegSPNIDEN:
		return SPNIDEN, status, true
	case RegAuxDBGEN:
		return AuxDBGEN, status, true
	case RegActiveShield:
		return ActiveShield, status, true
	case RegCracenTamp:
		return CracenTamp, status, true
	case RegGlitchSlowDomain:
		return GlitchSlowDomain, status, true
	case RegGlitchFastDomain:
		return GlitchFastDomain, status, true
	case RegExtResetEn:
		return ExtResetEn, status, true
	case RegIntResetEn:
		return IntResetEn, status, true
	case RegEraseProtect:
		return EraseProtect, status, true
	}
	return 0, false, false
}

// resetsHigh reports whether a signal is high after a reset: the detectors that
// need no set-up are on.
func (s Signal) resetsHigh() bool {
	return s == CracenTamp || s == GlitchSlowDomain || s == GlitchFastDomain || s == IntResetEn
}

// Fields of a CTRL register.
const (
	CtrlValue           uint32 = 1 << 0
	CtrlLock            uint32 = 1 << 1
	CtrlWriteProtection uint32 = 0xF << 4 // reads 1 while set; written as 0xF it is taken away
	CtrlKey             uint32 = 0x50FA << 16

	ctrlKeyMask uint32 = 0xFFFF << 16
	ctrlGuarded uint32 = 1 << 4
)

// protector is one signal's pair of registers.
type protector struct {
	value     bool
	locked    bool // VALUE keeps what it is until reset
	guarded   bool // WRITEPROTECTION
	disturbed bool // STATUS.ERROR
}

func (p *protector) ctrl() (v uint32) {
	if p.value {
		v |= CtrlValue
	}
	if p.locked {
		v |= CtrlLock
	}
	if p.guarded {
		v |= ctrlGuarded
	}
	return v
}

func (p *protector) status() uint32 {
	if p.disturbed {
		return 1
	}
	return 0
}

// clear is a write to STATUS: a 1 clears the error.
func (p *protector) clear(v uint32) {
	if v&1 != 0 {
		p.disturbed = false
	}
}

// write is a write to CTRL. Changing VALUE or LOCK takes two, the first of which
// takes the write protection away and does nothing else; so one stray write
// cannot open a port. It returns false for a second one without the first.
func (p *protector) write(v uint32) bool {
	switch {
	case v&ctrlKeyMask != CtrlKey, p.locked:
		return true
	case v&CtrlWriteProtection == CtrlWriteProtection:
		p.guarded = false
		return true
	case p.guarded:
		return false
	}
	p.value = v&CtrlValue != 0
	p.locked = v&CtrlLock != 0
	p.guarded = true
	return true
}
