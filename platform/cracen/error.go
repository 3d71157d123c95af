package cracen

import (
	"errors"
	"fmt"

	"github.com/postern-spe/postern/platform/kmu54l"
)

// Errors, named after the status that the PSA Crypto API gives for them.
var (
	ErrDoesNotExist       = errors.New("cracen: no such key")                             // PSA_ERROR_DOES_NOT_EXIST
	ErrAlreadyExists      = errors.New("cracen: a slot of the key is not empty")          // PSA_ERROR_ALREADY_EXISTS
	ErrNotPermitted       = errors.New("cracen: not permitted")                           // PSA_ERROR_NOT_PERMITTED
	ErrNotSupported       = errors.New("cracen: not supported")                           // PSA_ERROR_NOT_SUPPORTED
	ErrInvalidArgument    = errors.New("cracen: invalid argument")                        // PSA_ERROR_INVALID_ARGUMENT
	ErrBadState           = errors.New("cracen: the metadata is of another version")      // PSA_ERROR_BAD_STATE
	ErrCorruptionDetected = errors.New("cracen: corruption detected")                     // PSA_ERROR_CORRUPTION_DETECTED
	ErrHardwareFailure    = errors.New("cracen: hardware failure")                        // PSA_ERROR_HARDWARE_FAILURE
	ErrKeyMissing         = errors.New("cracen: the IKG's seed has not been provisioned") // PSA_ERROR_INVALID_HANDLE
)

// slotError is err, of an operation on a slot, with what it means for a key in
// front: a revoked, locked or blocked slot is a matter of permission, an empty one
// is no key, and everything else the hardware's.
func slotError(err error) error {
	if err == nil {
		return nil
	}
	kind := ErrHardwareFailure
	switch {
	case errors.Is(err, kmu54l.ErrEmpty):
		kind = ErrDoesNotExist
	case errors.Is(err, kmu54l.ErrRevoked), errors.Is(err, kmu54l.ErrLocked), errors.Is(err, kmu54l.ErrBlocked):
		kind = ErrNotPermitted
	case errors.Is(err, kmu54l.ErrDamaged):
		kind = ErrCorruptionDetected
	}
	return fmt.Errorf("%w: %w", kind, err)
}
