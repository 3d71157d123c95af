// Package oracle says what becomes of what a client keeps on a device: an asset
// of Internal Trusted Storage or Protected Storage, or a persistent key. Tests of
// a whole secure world hold against it what they are answered over the gate.
//
//	h := make(map[oracle.Place]oracle.Held)
//	op := oracle.Op{Kind: oracle.Set, Place: p, Data: "mine"}
//	want, next, full := op.Expect(h[p])
//	got := op.Do(client)
package oracle

import (
	"fmt"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// Service is one of the ways in which a client keeps something.
type Service string

const (
	Internal  Service = "ITS"
	Protected Service = "PS"
	Keys      Service = "key"
)

// Place is where a client can keep something.
type Place struct {
	Service
	Client int32
	UID    uint64 // of a key, its identifier
}

func (p Place) String() string { return fmt.Sprintf("%s %d of client %d", p.Service, p.UID, p.Client) }

// Held is what is in a place; the zero value is nothing.
type Held struct {
	There    bool
	Data     string
	Capacity int // bytes
	Flags    psa.StorageFlags
	// Created is not to be seen over the gate: an asset of psa_ps_create has room
	// to change.
	Created bool
}

// Seen is what the gate shows of h.
func (h Held) Seen() Held {
	h.Created = false
	return h
}

func (h Held) String() string {
	if !h.There {
		return "nothing"
	}
	return fmt.Sprintf("%d bytes (%.8x...) of %d, flags %d", len(h.Data), h.Data, h.Capacity, h.Flags)
}

// Kind is an operation that changes a place.
type Kind string

const (
	Set    Kind = "set"          // a key: import
	Create Kind = "create"       // of Protected Storage alone
	Extend Kind = "set_extended" // of Protected Storage alone
	Remove Kind = "remove"       // a key: destroy
)

// Op is an operation of a client. A key is AES, and Data is 16, 24 or 32 bytes.
type Op struct {
	Kind
	Place
	Data     string
	Offset   uint32 // of Extend
	Capacity uint32 // of Create
	Flags    psa.StorageFlags
}

func (o Op) String() string {
	return fmt.Sprintf("%s of %v (%d bytes at %d, capacity %d, flags %#x)", o.Kind, o.Place, len(o.Data), o.Offset, o.Capacity, o.Flags)
}

// MoreThanAnArea is a number of bytes that no storage area of a board has room
// for, and that a call carries.
const MoreThanAnArea = 20_000

// Expect says what becomes of an operation on what is there, by the PSA Secure
// Storage and Crypto APIs: the status, and what is there afterwards. Where full
// is true, the status may be veneer.ErrInsufficientStorage, and then what was
// there still is.
func (o Op) Expect(old Held) (want veneer.Status, next Held, full bool) {
	if o.Service == Keys {
		return o.expectKey(old)
	}
	unknown := o.Flags&^psa.StorageAll != 0
	writeOnce := old.Flags&psa.StorageWriteOnce != 0
	switch {
	case o.UID == 0:
		return veneer.ErrInvalidArgument, old, false
	case o.Kind == Set && unknown, o.Kind == Create && (unknown || o.Flags&psa.StorageWriteOnce != 0):
		return veneer.ErrNotSupported, old, false
	case o.Kind == Create && old.There:
		return veneer.ErrAlreadyExists, old, false
	case (o.Kind == Extend || o.Kind == Remove) && !old.There:
		return veneer.ErrDoesNotExist, old, false
	case o.Kind != Create && writeOnce:
		return veneer.ErrNotPermitted, old, false
	case o.Kind == Extend && (int(o.Offset) > len(old.Data) || int(o.Offset)+len(o.Data) > old.Capacity):
		return veneer.ErrInvalidArgument, old, false
	case o.Kind == Set && len(o.Data) >= MoreThanAnArea, o.Kind == Create && o.Capacity >= MoreThanAnArea:
		return veneer.ErrInsufficientStorage, old, false
	}
	switch o.Kind {
	case Set:
		return veneer.Success, Held{There: true, Data: o.Data, Capacity: len(o.Data), Flags: o.Flags}, true
	case Create:
		return veneer.Success, Held{There: true, Capacity: int(o.Capacity), Flags: o.Flags, Created: true}, true
	case Extend:
		next, end := old, int(o.Offset)+len(o.Data)
		next.Data = old.Data[:o.Offset] + o.Data + old.Data[min(end, len(old.Data)):]
		return veneer.Success, next, !old.Created
	}
	return veneer.Success, Held{}, false
}

func (o Op) expectKey(old Held) (want veneer.Status, next Held, full bool) {
	switch {
	case o.Kind == Set && old.There:
		return veneer.ErrAlreadyExists, old, false
	case o.Kind == Set:
		return veneer.Success, Held{There: true, Data: o.Data, Capacity: len(o.Data)}, true
	case !old.There:
		return veneer.ErrInvalidHandle, old, false
	}
	return veneer.Success, Held{}, false
}

// Interrupted says what is in a place after an operation on old that was not
// acknowledged, which the gate shows to be seen: what would be there after it, or
// what was. ok is false when it is neither.
func (o Op) Interrupted(old, seen Held) (now Held, ok bool) {
	_, next, _ := o.Expect(old)
	switch seen {
	case old.Seen():
		// Where nobody can tell them apart, nothing is promised.
		old.Created = old.Created && (next.Created || next.Seen() != seen)
		return old, true
	case next.Seen():
		return next, true
	}
	return Held{}, false
}

// Contents is n bytes that depend on the seed.
func Contents(n int, seed byte) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7) ^ byte(i>>8) ^ seed
	}
	return string(b)
}
