// Package service is what a secure partition is written against: the Go mirror
// of psa/service.h (FF-M 1.1). A partition is a manifest and a Partition value;
// its code is the same whether the partition runs inside spe or, at a higher
// isolation level, in a process of its own.
package service

import (
	"github.com/postern-spe/postern/veneer"
)

// Handler answers one message in the Secure Function model: it is the SFN of a
// service (FF-M 1.1, chapter 4). It returns nil for PSA_SUCCESS, a
// veneer.Status for any other status, positive ones included, or an error that
// wraps a Status and says more. The caller sees the status only; the rest goes
// to the secure log. An error without a Status reaches the caller as
// veneer.ErrGenericError.
//
// A handler that panics is stopped together with its partition; its caller sees
// veneer.ErrServiceFailure.
type Handler func(m *Message) error

// Partition is the code of a secure partition. A partition of the SFN model has
// Services, one of the IPC model has Main; which, its manifest says.
type Partition struct {
	// Init is the manifest's entry_init (SFN): it runs before the partition
	// gets a message, after the partitions that it depends on. An error keeps
	// the secure world from starting. May be nil.
	Init func(rt Runtime) error

	// Services holds the SFN of each service that the manifest declares, by
	// the manifest's name.
	Services map[string]Handler

	// Main is the manifest's entry_point (IPC): the partition's thread, which
	// waits for signals and answers messages. It does not return while the
	// secure world runs.
	Main func(rt Runtime)

	// EndSession tells an SFN partition that a caller's session has ended: the
	// process is gone, or has left. What the partition kept for the session is
	// to be dropped. It runs under the same rule as a message (one at a time
	// unless the manifest allows more). May be nil. Not in FF-M, where a
	// client cannot go away; an IPC partition gets the disconnect messages.
	EndSession func(o veneer.Owner)
}

// Signal is psa_signal_t: a bit for each service of a partition, in the order
// of its manifest from bit 4 up, and Doorbell.
type Signal uint32

const (
	// Doorbell is PSA_DOORBELL, the signal that Notify raises.
	Doorbell Signal = 0x8
	// WaitAny is PSA_WAIT_ANY.
	WaitAny Signal = 0xffffffff
	// FirstServiceSignal is the signal of the first service of a manifest.
	FirstServiceSignal Signal = 0x10
)

// Timeout is the timeout argument of psa_wait.
type Timeout uint32

const (
	Poll  Timeout = 0          // PSA_POLL
	Block Timeout = 0x80000000 // PSA_BLOCK
)

// Runtime is what the secure partition manager gives a partition: the client
// calls, made as this partition, and the secure partition API. Signals, Get and
// Reply are for the IPC model only. Misuse is a PROGRAMMER ERROR of the
// partition and panics with a *Violation.
type Runtime interface {
	// Gate makes the five client calls with the partition's own, positive
	// client ID. Only services that the manifest names among its dependencies
	// answer.
	veneer.Gate

	// Wait is psa_wait: it returns those of the signals in mask that are
	// raised; with Block not before one is. It returns 0 when the secure world
	// shuts down: Main then returns.
	Wait(mask Signal, timeout Timeout) Signal

	// Get is psa_get: it takes the message behind one raised service signal.
	// ErrDoesNotExist when the secure world shuts down.
	Get(s Signal) (*Message, error)

	// Reply is psa_reply: err becomes the status by the rule of Handler.
	Reply(m *Message, err error)

	// Notify is psa_notify: it raises Doorbell of the partition with this ID.
	Notify(partitionID int32)

	// Clear is psa_clear: it lowers this partition's Doorbell.
	Clear()

	// Panic is psa_panic: the partition stops here. It does not return.
	Panic()

	// Lifecycle is psa_rot_lifecycle_state (FF-M 1.1, psa/lifecycle.h).
	Lifecycle() uint32
}
