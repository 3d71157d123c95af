package cracen

import "github.com/postern-spe/postern/platform/bus"

// Base is CRACEN's base address on the nRF54L15, in the secure alias: it has no
// other.
const Base uint32 = 0x50048000

// Register offsets from Base.
const (
	RegEnable           uint32 = 0x400
	RegSeedValid        uint32 = 0x404 // bit 0: the seed is valid
	RegSeed             uint32 = 0x410 // SEED[0..11], for the KMU alone
	RegSeedLock         uint32 = 0x440 // bit 0, until reset
	RegProtectedRAMLock uint32 = 0x444 // bit 0, until reset
)

// The bits of ENABLE.
const (
	EnableCryptoMaster uint32 = 1 << 0
	EnableRNG          uint32 = 1 << 1
	EnablePKEIKG       uint32 = 1 << 2
)

var _ bus.Peripheral = (*Engine)(nil)

// ReadRegister implements bus.Peripheral. CRACEN is secure only, and SEED reads 0.
func (e *Engine) ReadRegister(off uint32, view bus.Attribute) (uint32, bus.Fault) {
	if view != bus.Secure {
		return 0, bus.NoFault
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	bit := false
	switch off {
	case RegEnable:
		return e.enable, bus.NoFault
	case RegSeedValid:
		bit = e.seedValid
	case RegSeedLock:
		bit = e.seedLock
	case RegProtectedRAMLock:
		bit = e.ramLock
	}
	if bit {
		return 1, bus.NoFault
	}
	return 0, bus.NoFault
}

// WriteRegister implements bus.Peripheral. A store to SEED by anyone but the KMU,
// whose pushes do not come this way, is ignored. The keys of the IKG are there
// once ENABLE.PKEIKG and SEEDVALID are set, and gone when either is not.
func (e *Engine) WriteRegister(off, v uint32, view bus.Attribute) bus.Fault {
	if view != bus.Secure {
		return bus.NoFault
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch off {
	case RegEnable:
		e.enable = v & (EnableCryptoMaster | EnableRNG | EnablePKEIKG)
	case RegSeedValid:
		e.seedValid = v&1 != 0
	case RegSeedLock:
		e.seedLock = e.seedLock || v&1 != 0
	case RegProtectedRAMLock:
		e.ramLock = e.ramLock || v&1 != 0
	}
	e.power()
	return bus.NoFault
}
