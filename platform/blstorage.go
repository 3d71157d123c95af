package platform

import (
	"encoding/binary"
	"errors"

	"github.com/postern-spe/postern/platform/uicr"
)

// The PSA lifecycle states (psa/lifecycle.h).
const (
	LifecycleUnknown         uint32 = 0x0000
	LifecycleAssemblyAndTest uint32 = 0x1000
	LifecycleProvisioning    uint32 = 0x2000
	LifecycleSecured         uint32 = 0x3000
	LifecycleDecommissioned  uint32 = 0x6000
)

// Offsets in the OTP of what Nordic's bootloader keeps there (bl_storage, its
// older layout, with one public key of a 32-byte hash):
//
//	0x00  s0_address, s1_address     2 words
//	0x08  left_assembly, left_provisioning, left_secure  3 halfwords
//	0x10  num_public_keys            1 word
//	0x14  implementation_id          32 bytes
//	0x34  key_data[0].valid          1 word, erased while the key is valid
//	0x38  key_data[0].hash           32 bytes
const (
	otpSlots        = 0x00
	otpLifecycle    = 0x08
	otpNumKeys      = 0x10
	otpImplID       = 0x14
	otpKeyValid     = 0x34
	otpKeyHash      = 0x38
	blStorageSize   = 0x58
	stateNotLeft    = 0xFFFF
	stateLeft       = 0x0000
	erasedWord      = 0xFFFFFFFF
	numKeysOfDevice = 1
)

// blStorage is the bootloader's storage as read.
type blStorage struct {
	left             [3]uint16 // assembly, provisioning, secure
	numKeys          uint32
	implementationID [ImplementationIDSize]byte
	keyValid         uint32
	keyHash          [SignerIDSize]byte
}

func readBLStorage(u *uicr.UICR) (blStorage, error) {
	var b blStorage
	var p [blStorageSize]byte
	if err := u.ReadOTP(0, p[:]); err != nil {
		return b, err
	}
	for i := range b.left {
		b.left[i] = binary.LittleEndian.Uint16(p[otpLifecycle+2*i:])
	}
	b.numKeys = binary.LittleEndian.Uint32(p[otpNumKeys:])
	copy(b.implementationID[:], p[otpImplID:])
	b.keyValid = binary.LittleEndian.Uint32(p[otpKeyValid:])
	copy(b.keyHash[:], p[otpKeyHash:])
	return b, nil
}

// writeBLStorage writes the fields that a device gets before it leaves
// provisioning: where the two image slots are, who it is, and whose images it
// boots.
func writeBLStorage(u *uicr.UICR, s0, s1 uint32, id [ImplementationIDSize]byte, keyHash [SignerIDSize]byte) error {
	le := binary.LittleEndian
	return errors.Join(
		u.WriteOTP(otpSlots, le.AppendUint32(le.AppendUint32(nil, s0), s1)),
		u.WriteOTP(otpNumKeys, le.AppendUint32(nil, numKeysOfDevice)),
		u.WriteOTP(otpImplID, id[:]),
		u.WriteOTP(otpKeyHash, keyHash[:]),
	)
}

// lifecycle is the state that the halfwords of the states left spell: they are
// left in order, so a state left before an earlier one is no state at all.
func (b *blStorage) lifecycle() uint32 {
	states := []uint32{LifecycleAssemblyAndTest, LifecycleProvisioning, LifecycleSecured, LifecycleDecommissioned}
	n := 0
	for n < len(b.left) && b.left[n] != stateNotLeft {
		n++
	}
	for _, later := range b.left[n:] {
		if later != stateNotLeft {
			return LifecycleUnknown
		}
	}
	return states[n]
}

// advanceLifecycle leaves the state that the device is in, for good.
func advanceLifecycle(u *uicr.UICR) error {
	b, err := readBLStorage(u)
	if err != nil {
		return err
	}
	for i, left := range b.left {
		if left == stateNotLeft {
			return u.WriteOTP(otpLifecycle+2*i, binary.LittleEndian.AppendUint16(nil, stateLeft))
		}
	}
	return errors.New("platform: a decommissioned device has no next state")
}

// fault says what is not plausible about a provisioned device's storage.
func (b *blStorage) fault() string {
	switch lc := b.lifecycle(); {
	case lc == LifecycleUnknown:
		return "holds lifecycle states that contradict each other"
	case lc < LifecycleSecured:
		return "is of a device that has not been provisioned to the end"
	case b.numKeys != numKeysOfDevice || b.keyValid != erasedWord || allErased(b.keyHash[:]):
		return "holds no valid root-of-trust public key"
	case allErased(b.implementationID[:]):
		return "holds no implementation identifier"
	}
	return ""
}

func allErased(p []byte) bool {
	for _, b := range p {
		if b != 0xFF {
			return false
		}
	}
	return true
}
