package psa

// Lifecycle is the security lifecycle of the device: the state in bits 15:8,
// and 7:0 free for the implementation (FF-M 1.1, psa_rot_lifecycle_state; the
// attestation token carries the same value).
type Lifecycle uint16

// Lifecycle states.
const (
	LifecycleUnknown              Lifecycle = 0x0000
	LifecycleAssemblyAndTest      Lifecycle = 0x1000
	LifecycleProvisioning         Lifecycle = 0x2000
	LifecycleSecured              Lifecycle = 0x3000
	LifecycleNonPRoTDebug         Lifecycle = 0x4000
	LifecycleRecoverablePRoTDebug Lifecycle = 0x5000
	LifecycleDecommissioned       Lifecycle = 0x6000
)

// State returns the value without the bits that are free.
func (l Lifecycle) State() Lifecycle { return l &^ 0xff }

// String returns the state's name in the words of RFC 9783.
func (l Lifecycle) String() string {
	switch l.State() {
	case LifecycleUnknown:
		return "unknown"
	case LifecycleAssemblyAndTest:
		return "assembly-and-test"
	case LifecycleProvisioning:
		return "psa-rot-provisioning"
	case LifecycleSecured:
		return "secured"
	case LifecycleNonPRoTDebug:
		return "non-psa-rot-debug"
	case LifecycleRecoverablePRoTDebug:
		return "recoverable-psa-rot-debug"
	case LifecycleDecommissioned:
		return "decommissioned"
	}
	return hex("lifecycle", uint64(l), 4)
}
