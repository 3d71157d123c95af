package kmu54l

import (
	"errors"
	"fmt"
)

// Why an operation fails. On the chip ErrRevoked has an event of its own for PUSH
// and READMETADATA; everything else is EVENTS_ERROR.
var (
	ErrSlot        = errors.New("there is no such slot")
	ErrEmpty       = errors.New("the slot is empty")
	ErrNotErased   = errors.New("the slot is not erased")
	ErrRevoked     = errors.New("the slot is revoked")
	ErrLocked      = errors.New("the slot's policy is locked")
	ErrBlocked     = errors.New("the slot is blocked until reset")
	ErrNotWritable = errors.New("the RRAMC is not in unbuffered write mode")
	ErrSource      = errors.New("the policy or the destination is not one")
	ErrDamaged     = errors.New("the slot is damaged")
)

// Op is an operation of the KMU.
type Op uint8

// In the order of the tasks.
const (
	OpProvision Op = iota
	OpPush
	OpRevoke
	OpReadMetadata
	OpPushBlock
)

func (o Op) String() string {
	return [...]string{"provision", "push", "revoke", "read metadata", "block push"}[o]
}

// Error is an operation of the driver that failed: errors.Is finds the reason.
type Error struct {
	Op   Op
	Slot int
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("kmu54l: %v of slot %d: %v", e.Op, e.Slot, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// The results of Nordic's lib_kmu, which tells two kinds of failure apart.
const (
	LibError   = -1 // LIB_KMU_ERROR
	LibRevoked = -3 // LIB_KMU_REVOKED
)

// Code returns what lib_kmu returns for the operation: LibRevoked where the
// hardware raises EVENTS_REVOKED as a failure, and LibError otherwise.
func (e *Error) Code() int {
	if saysRevoked(e.Op, e.Err) {
		return LibRevoked
	}
	return LibError
}

// saysRevoked: pushing a revoked slot and reading its metadata have their own
// event. Revoking it once more and blocking it are errors like others.
func saysRevoked(op Op, err error) bool {
	return (op == OpPush || op == OpReadMetadata) && errors.Is(err, ErrRevoked)
}

func opError(op Op, slot int, err error) error {
	if err == nil {
		return nil
	}
	return &Error{op, slot, err}
}
