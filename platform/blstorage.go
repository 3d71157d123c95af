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

// What Nordic's bootloader keeps in the OTP (bl_storage, its older layout, with
// one public key of a 32-byte hash). u is what the OTP writes once: 2 bytes on
// nRF53 and nRF91, 4 on nRF54L.
//
//	0x00  s0_address, s1_address     2 words
//	0x08  left_assembly, left_provisioning, left_secure  3 u, and u unused
//	then  num_public_keys            1 word
//	      implementation_id          32 bytes
//	      key_data[0].valid          1 word, erased while the key is valid
//	      key_data[0].hash           32 bytes
const (
	otpSlots     = 0x00
	otpLifecycle = 0x08

	numKeysOfDevice        = 1
	erasedWord      uint32 = 0xFFFFFFFF
)

// blStorage is the bootloader's storage as read.
type blStorage struct {
	left             [3]bool // assembly, provisioning, secure
	numKeys          uint32
	implementationID [ImplementationIDSize]byte
	keyValid         uint32
	keyHash          [SignerIDSize]byte
}

// otpOffsets are where the fields after the lifecycle are.
type otpOffsets struct{ numKeys, implID, keyValid, keyHash, size int }

func offsetsFor(unit int) (o otpOffsets) {
	o.numKeys = otpLifecycle + 4*unit
	o.implID = o.numKeys + 4
	o.keyValid = o.implID + ImplementationIDSize
	o.keyHash = o.keyValid + 4
	o.size = o.keyHash + SignerIDSize
	return o
}

func readBLStorage(u *uicr.UICR) (blStorage, error) {
	var b blStorage
	unit := u.Layout().Unit
	o := offsetsFor(unit)
	p := make([]byte, o.size)
	if err := u.ReadOTP(0, p); err != nil {
		return b, err
	}
	for i := range b.left {
		b.left[i] = !allErased(p[otpLifecycle+unit*i : otpLifecycle+unit*(i+1)])
	}
	b.numKeys = binary.LittleEndian.Uint32(p[o.numKeys:])
	copy(b.implementationID[:], p[o.implID:])
	b.keyValid = binary.LittleEndian.Uint32(p[o.keyValid:])
	copy(b.keyHash[:], p[o.keyHash:])
	return b, nil
}

// writeBLStorage writes the fields that a device gets before it leaves
// provisioning: where the two image slots are, who it is, and whose images it
// boots.
func writeBLStorage(u *uicr.UICR, s0, s1 uint32, id [ImplementationIDSize]byte, keyHash [SignerIDSize]byte) error {
	le := binary.LittleEndian
	o := offsetsFor(u.Layout().Unit)
	return errors.Join(
		u.WriteOTP(otpSlots, le.AppendUint32(le.AppendUint32(nil, s0), s1)),
		u.WriteOTP(o.numKeys, le.AppendUint32(nil, numKeysOfDevice)),
		u.WriteOTP(o.implID, id[:]),
		u.WriteOTP(o.keyHash, keyHash[:]),
	)
}

// lifecycle is the state that the states left spell: they are left in order, so
// a state left before an earlier one is no state at all.
func (b *blStorage) lifecycle() uint32 {
	states := []uint32{LifecycleAssemblyAndTest, LifecycleProvisioning, LifecycleSecured, LifecycleDecommissioned}
	n := 0
	for n < len(b.left) && b.left[n] {
		n++
	}
	for _, later := range b.left[n:] {
		if later {
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
	unit := u.Layout().Unit
	for i, left := range b.left {
		if !left {
			return u.WriteOTP(otpLifecycle+unit*i, make([]byte, unit))
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
