package kmu

import "errors"

// Error is an error that Nordic's key library has a number for
// (nrf_cc3xx_platform_defines.h).
type Error int32

// The errors of the library's KMU functions that the driver here has.
const (
	ErrSlot   Error = -0x701A // no such slot
	ErrFilled Error = -0x701B // the slot is not empty
	ErrDest   Error = -0x701C // the destination is no address for a key
	ErrWrite  Error = -0x701D // the slot does not hold what was written
	ErrPerm   Error = -0x701E // permissions that make no key
)

func (e Error) Error() string {
	switch e {
	case ErrSlot:
		return "kmu: no such slot"
	case ErrFilled:
		return "kmu: the slot is not empty"
	case ErrDest:
		return "kmu: no address that a key can be pushed to"
	case ErrWrite:
		return "kmu: the slot does not hold what was written"
	case ErrPerm:
		return "kmu: these permissions make no key"
	}
	return "kmu: unknown error"
}

// Errors that the hardware shows as 0xDEADDEAD or as an event.
var (
	ErrDenied  = errors.New("kmu: the slot's permissions do not allow it")
	ErrRevoked = errors.New("kmu: the slot is revoked")
	ErrEmpty   = errors.New("kmu: the slot is empty")
)
