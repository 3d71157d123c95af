package spe

import (
	"errors"

	"github.com/postern-spe/postern/partitions/crypto"
	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/cracen"
	"github.com/postern-spe/postern/platform/disk"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// keySlots returns the keys in the KMU of a board with CRACEN, nil on others: their
// KMU gives keys to CryptoCell for the device's own purposes only.
func keySlots(soc *platform.SoC) crypto.KeySlots {
	if c, ok := soc.Keys.(*cracen.CRACEN); ok {
		return &kmuKeys{c}
	}
	return nil
}

// kmuKeys is CRACEN's driver in the words of PSA Crypto.
type kmuKeys struct{ driver *cracen.CRACEN }

func (k *kmuKeys) Attributes(id psa.KeyID) (psa.KeyAttributes, error) {
	a, err := k.driver.Attributes(uint32(id))
	return fromKMU(a), kmuStatus(err)
}

func (k *kmuKeys) Use(id psa.KeyID, f func(value []byte) error) error {
	return kmuStatus(k.driver.Use(uint32(id), f))
}

func (k *kmuKeys) Stored(attrs psa.KeyAttributes) (psa.KeyAttributes, error) {
	p, err := toKMU(attrs).Place()
	if err != nil {
		return psa.KeyAttributes{}, kmuStatus(err)
	}
	a, err := p.Metadata.Attributes(p.First)
	return fromKMU(a), kmuStatus(err)
}

func (k *kmuKeys) Provision(attrs psa.KeyAttributes, value []byte) error {
	return kmuStatus(k.driver.Provision(toKMU(attrs), value))
}

func (k *kmuKeys) Destroy(id psa.KeyID) error { return kmuStatus(k.driver.Destroy(uint32(id))) }

func (k *kmuKeys) List() ([]psa.KeyAttributes, error) {
	entries, err := k.driver.List()
	if err != nil {
		return nil, kmuStatus(err)
	}
	var keys []psa.KeyAttributes
	for _, e := range entries {
		if e.Err == nil {
			keys = append(keys, fromKMU(e.Attributes))
		}
	}
	return keys, nil
}

func toKMU(a psa.KeyAttributes) cracen.Attributes {
	return cracen.Attributes{
		Type: uint16(a.Type), Bits: a.Bits, Lifetime: uint32(a.Lifetime),
		Usage: uint32(a.Usage), Algorithm: uint32(a.Algorithm), ID: uint32(a.ID),
	}
}

func fromKMU(a cracen.Attributes) psa.KeyAttributes {
	return psa.KeyAttributes{
		Type: psa.KeyType(a.Type), Bits: a.Bits, Lifetime: psa.Lifetime(a.Lifetime),
		Usage: psa.Usage(a.Usage), Algorithm: psa.Algorithm(a.Algorithm), ID: psa.KeyID(a.ID),
	}
}

// kmuStatuses are the statuses of the driver's errors. A key that is not there is
// an invalid handle to who calls with its identifier.
var kmuStatuses = [...]struct {
	err    error
	status veneer.Status
}{
	{cracen.ErrDoesNotExist, veneer.ErrInvalidHandle},
	{cracen.ErrKeyMissing, veneer.ErrInvalidHandle},
	{cracen.ErrAlreadyExists, veneer.ErrAlreadyExists},
	{cracen.ErrNotPermitted, veneer.ErrNotPermitted},
	{cracen.ErrNotSupported, veneer.ErrNotSupported},
	{cracen.ErrInvalidArgument, veneer.ErrInvalidArgument},
	{cracen.ErrBadState, veneer.ErrBadState},
	{cracen.ErrCorruptionDetected, veneer.ErrCorruptionDetected},
}

// kmuStatus returns the status of an error of the driver. What the table does not
// have is the hardware's failure; a status is one already, from what Use called.
func kmuStatus(err error) error {
	if err == nil {
		return nil
	}
	var s veneer.Status
	if errors.As(err, &s) {
		return s
	}
	if errors.As(err, new(*disk.SyncError)) {
		return veneer.ErrStorageFailure
	}
	for _, m := range kmuStatuses {
		if errors.Is(err, m.err) {
			return m.status
		}
	}
	return veneer.ErrHardwareFailure
}
