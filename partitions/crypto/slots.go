package crypto

import (
	"cmp"
	"errors"
	"slices"
	"sync"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// KeySlots is a key management unit that holds keys in slots and lends them for
// one use at a time: the nRF54L's KMU with CRACEN. psa.KMUKeyID makes a key's
// identifier, which names its first slot; the attributes come from the metadata
// beside the key. It is safe for concurrent use.
//
// The metadata names no owner. So, as on the chip, a key in a slot belongs to
// every client that reaches the slot: all non-secure clients together have slots 0
// to 179, to use, to fill and to destroy, and the rest is for secure partitions
// alone. What a client wants for itself is in a persistent key of its own.
//
// Metadata says less than a policy: who may sign messages may sign hashes, too,
// likewise for verifying, and an ECDSA key takes any hash. A key that is made in a
// slot therefore may get more than was asked for, and says so in its attributes; a
// copy is refused rather than get more than its source has.
//
// Errors are of type veneer.Status: ErrInvalidHandle for a slot without such a
// key, ErrNotPermitted for a revoked or blocked one, ErrBadState and
// ErrCorruptionDetected for metadata that makes no sense, ErrHardwareFailure.
type KeySlots interface {
	// Attributes returns the attributes of a key.
	Attributes(id psa.KeyID) (psa.KeyAttributes, error)
	// Use calls f with the value of a key in its export format, wipes the value
	// after it, and returns f's error. f does not keep the value and calls nothing
	// of KeySlots.
	Use(id psa.KeyID, f func(value []byte) error) error
	// Stored returns the attributes that a key made with attrs, whose size is not
	// 0, would have. ErrInvalidArgument for a slot or a lifetime that there is not
	// and for a protected key that could leave its slot; ErrNotSupported for what
	// the metadata cannot say.
	Stored(attrs psa.KeyAttributes) (psa.KeyAttributes, error)
	// Provision puts a key into its slots; value is in the export format and not
	// kept. The errors are Stored's; ErrAlreadyExists: a slot is not empty.
	Provision(attrs psa.KeyAttributes, value []byte) error
	// Destroy revokes the slots of a key. ErrNotPermitted: the key is locked.
	Destroy(id psa.KeyID) error
	// List returns the attributes of the keys that can be used.
	List() ([]psa.KeyAttributes, error)
}

// lastNonSecureSlot is the last of the slots that non-secure clients reach, from
// 0 on (TF-M for the nRF54L15). In those behind it are the seed of the device's own
// keys and the keys that its bootloaders verify with.
const lastNonSecureSlot = 179

// slots is the KeySlots as callers reach them.
type slots struct {
	hw KeySlots // nil where the board has none

	// mu is held for writing over what changes slots, so that the key that is
	// fetched is the one whose policy was asked.
	mu sync.RWMutex
}

// has reports whether id is that of a key in a slot.
func (s *slots) has(id psa.KeyID) bool {
	_, _, ok := id.KMUSlot()
	return ok && s.hw != nil
}

// isFor reports whether a key with these attributes is to be made in a slot.
func (s *slots) isFor(a *psa.KeyAttributes) bool {
	return a.Lifetime.Location() == psa.LocationKMU && s.hw != nil
}

// reaches reports whether the owner may know of what is in the slot of id.
func reaches(o veneer.Owner, id psa.KeyID) bool {
	_, slot, _ := id.KMUSlot()
	return o.ClientID > 0 || o.ClientID < 0 && slot <= lastNonSecureSlot
}

// key returns a key with its attributes alone. As for built-in keys, who does
// not reach the slot learns no more than that: ErrNotPermitted, whatever is in it.
func (s *slots) key(o veneer.Owner, id psa.KeyID) (*key, error) {
	if !reaches(o, id) {
		return nil, veneer.ErrNotPermitted
	}
	attrs, err := s.hw.Attributes(id)
	if err != nil {
		return nil, err
	}
	return &key{attrs: attrs, inSlot: true, once: true}, nil
}

// fetch gives a key that is in a slot its material, for the one use that it was
// found for. It comes after the checks of the policy, so that no key leaves its
// slot for nothing. Any other key has its material.
func (p *partition) fetch(k *key) error {
	if !k.inSlot {
		return nil
	}
	s := &p.slots
	s.mu.RLock()
	defer s.mu.RUnlock()
	// Somebody may have put another key into the slot since.
	now, err := s.hw.Attributes(k.attrs.ID)
	if err != nil {
		return err
	}
	if now != k.attrs {
		return veneer.ErrInvalidHandle
	}
	return s.hw.Use(k.attrs.ID, func(value []byte) error {
		err := k.fill(value)
		if err != nil && !errors.Is(err, veneer.ErrNotSupported) {
			return veneer.ErrDataInvalid // such as a point that is on no curve
		}
		return err
	})
}

// checkNewSlotKey is checkNewKey for a key to be made in a slot: what does not
// depend on the hardware.
func checkNewSlotKey(o veneer.Owner, a *psa.KeyAttributes) error {
	_, _, ok := a.ID.KMUSlot()
	switch {
	case !ok:
		return veneer.ErrInvalidArgument
	case !reaches(o, a.ID):
		return veneer.ErrNotPermitted
	case a.Usage&^psa.UsageAll != 0:
		return veneer.ErrInvalidArgument
	case !a.Type.Valid():
		return veneer.ErrInvalidArgument
	case a.EnrollmentAlgorithm != psa.AlgNone:
		return veneer.ErrNotSupported // metadata has room for one
	}
	return nil
}

// checkCopy checks that a copy of a key in a slot would have no more than its
// source has. attrs are what both policies allow.
func (s *slots) checkCopy(attrs, source *psa.KeyAttributes) error {
	stored, err := s.hw.Stored(*attrs)
	if err != nil {
		return err
	}
	if stored.Usage&^source.Usage != 0 || stored.Algorithm != attrs.Algorithm && stored.Algorithm != source.Algorithm {
		return veneer.ErrNotSupported
	}
	return nil
}

// add puts a new key into its slots, and ends the one in memory.
func (s *slots) add(k *key) error {
	s.mu.Lock()
	err := s.hw.Provision(k.attrs, k.mat.bytes())
	s.mu.Unlock()
	if err != nil {
		return err
	}
	k.end()
	return nil
}

// destroy revokes a key's slots. An operation that is under way ends with the
// value that it has.
func (s *slots) destroy(o veneer.Owner, id psa.KeyID) error {
	if !reaches(o, id) {
		return veneer.ErrNotPermitted
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hw.Destroy(id)
}

// list returns the attributes of the keys that the owner reaches, in ascending
// order of their identifiers.
func (s *slots) list(o veneer.Owner) ([]psa.KeyAttributes, error) {
	if s.hw == nil {
		return nil, nil
	}
	keys, err := s.hw.List()
	if err != nil {
		return nil, err
	}
	keys = slices.DeleteFunc(keys, func(a psa.KeyAttributes) bool { return !reaches(o, a.ID) })
	slices.SortFunc(keys, func(a, b psa.KeyAttributes) int { return cmp.Compare(a.ID, b.ID) })
	return keys, nil
}
