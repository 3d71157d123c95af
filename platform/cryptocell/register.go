package cryptocell

import (
	"encoding/binary"

	"github.com/postern-spe/postern/platform/bus"
)

// Register offsets from the base of CRYPTOCELL. The first 4 KiB are the wrapper,
// which holds ENABLE; the engine's own registers (CC_HOST_RGF among them) begin
// at 0x1000.
const (
	RegEnable        uint32 = 0x0500
	RegHostCryptoKey uint32 = 0x1A38 // HOST_CRYPTOKEY_SEL
	RegHostKPRTLLock uint32 = 0x1A4C // HOST_IOT_KPRTL_LOCK
	RegHostKDR0      uint32 = 0x1A50 // HOST_IOT_KDR0..3
	RegHostKDR3      uint32 = 0x1A5C
	RegHostLCS       uint32 = 0x1A60 // HOST_IOT_LCS
)

// RegisterSize is how many bytes from the base on are decoded.
const RegisterSize = 0x2000

// The fields of HOST_IOT_LCS.
const (
	lcsMask   uint32 = 7
	lcsDebug  uint32 = 0
	lcsSecure uint32 = 2
)

// kdrAll: all four words of KDR have been written, and it is retained.
const kdrAll uint8 = 0xF

// ReadRegister is a load of the register at off. There are none in the
// non-secure view, and only ENABLE while the engine is not enabled. Keys are not
// read back: HOST_IOT_KDR0 says whether KDR is retained.
//
// Decided here, because the manual does not say: registers of an engine that is
// not enabled read 0 and ignore stores, and its AES and ChaCha keys are lost.
func (e *Engine) ReadRegister(off uint32, view bus.Attribute) (uint32, bus.Fault) {
	if view != bus.Secure {
		return 0, bus.NoFault
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case off == RegEnable:
		return bit(e.enable, 0), bus.NoFault
	case !e.on():
		return 0, bus.NoFault
	}
	switch off {
	case RegHostCryptoKey:
		return e.keySel, bus.NoFault
	case RegHostKPRTLLock:
		return bit(e.kprtl, 0), bus.NoFault
	case RegHostKDR0:
		return bit(e.kdrSet == kdrAll, 0), bus.NoFault
	case RegHostLCS:
		return e.lcs | bit(e.lcsValid, 8), bus.NoFault
	}
	return 0, bus.NoFault
}

func bit(set bool, n uint) uint32 {
	if set {
		return 1 << n
	}
	return 0
}

// WriteRegister is a store to the register at off. HOST_IOT_LCS,
// HOST_IOT_KPRTL_LOCK and each word of HOST_IOT_KDR can be written once until
// reset; a lifecycle state that is none is ignored and does not count.
func (e *Engine) WriteRegister(off, v uint32, view bus.Attribute) bus.Fault {
	if view != bus.Secure {
		return bus.NoFault
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if off == RegEnable {
		if e.enable = v&1 != 0; !e.on() {
			e.powerDown()
		}
		return bus.NoFault
	}
	if !e.on() || e.kdr == nil {
		return bus.NoFault
	}
	switch off {
	case RegHostCryptoKey:
		e.keySel = v & 3
	case RegHostKPRTLLock:
		e.kprtl = e.kprtl || v&1 != 0
	case RegHostLCS:
		if s := v & lcsMask; !e.lcsValid && (s == lcsDebug || s == lcsSecure) {
			e.lcs, e.lcsValid = s, true
		}
	default:
		if off < RegHostKDR0 || off > RegHostKDR3 {
			break
		}
		i := (off - RegHostKDR0) / 4
		if e.kdrSet&(1<<i) == 0 {
			binary.LittleEndian.PutUint32(e.kdr[4*i:], v)
			e.kdrSet |= 1 << i
		}
	}
	return bus.NoFault
}
