package crypto

import (
	"bytes"
	"sync"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// slotStore is a KeySlots of 250 slots in memory. Its keys' metadata is as poor as
// the KMU's.
type slotStore struct {
	mu    sync.Mutex
	slots [250]*slotKey
	uses  int         // how often a value was lent
	lent  []byte      // the buffer of the last time
	fail  error       // when set, the answer to everything
	found func(n int) // when set, called at the end of the nth Attributes
	asked int
}

// slotKey is what a slot holds. A key's further slots hold the same.
type slotKey struct {
	attrs   psa.KeyAttributes
	value   []byte
	revoked bool
	blocked bool
}

func (s *slotStore) find(id psa.KeyID) (*slotKey, error) {
	_, slot, ok := id.KMUSlot()
	switch {
	case s.fail != nil:
		return nil, s.fail
	case !ok || slot >= len(s.slots) || s.slots[slot] == nil:
		return nil, veneer.ErrInvalidHandle
	case s.slots[slot].revoked:
		return nil, veneer.ErrNotPermitted
	case s.slots[slot].attrs.ID != id:
		return nil, veneer.ErrInvalidHandle
	}
	return s.slots[slot], nil
}

func (s *slotStore) Attributes(id psa.KeyID) (psa.KeyAttributes, error) {
	s.mu.Lock()
	k, err := s.find(id)
	s.asked++
	n := s.asked
	s.mu.Unlock()
	if err != nil {
		return psa.KeyAttributes{}, err
	}
	a := k.attrs
	if s.found != nil {
		s.found(n)
	}
	return a, nil
}

func (s *slotStore) Use(id psa.KeyID, f func([]byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.find(id)
	if err != nil {
		return err
	}
	if k.blocked {
		return veneer.ErrNotPermitted
	}
	s.uses++
	s.lent = bytes.Clone(k.value)
	defer clear(s.lent)
	return f(s.lent)
}

func (s *slotStore) Stored(a psa.KeyAttributes) (psa.KeyAttributes, error) {
	scheme, slot, _ := a.ID.KMUSlot()
	const leaves = psa.UsageExport | psa.UsageCopy
	for _, both := range []psa.Usage{psa.UsageSignHash | psa.UsageSignMessage, psa.UsageVerifyHash | psa.UsageVerifyMessage} {
		if a.Usage&both != 0 {
			a.Usage |= both
		}
	}
	if a.Algorithm == psa.ECDSA(psa.SHA256) {
		a.Algorithm = psa.ECDSA(psa.AnyHash)
	}
	p := a.Lifetime.Persistence()
	switch {
	case slot >= len(s.slots) || p == psa.PersistenceVolatile || p > psa.PersistenceLocked:
		return a, veneer.ErrInvalidArgument
	case scheme == psa.KMUProtected && a.Usage&leaves != 0:
		return a, veneer.ErrInvalidArgument
	case scheme == psa.KMUProtected && a.Type != psa.KeyAES:
		return a, veneer.ErrNotSupported
	case a.Type == psa.KeyRawData || a.Algorithm.IsDeterministicECDSA():
		return a, veneer.ErrNotSupported
	}
	return a, nil
}

func (s *slotStore) Provision(a psa.KeyAttributes, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	a, err := s.Stored(a)
	if err != nil {
		return err
	}
	_, slot, _ := a.ID.KMUSlot()
	n := (len(value) + 15) / 16
	if slot+n > len(s.slots) {
		return veneer.ErrInvalidArgument
	}
	for i := slot; i < slot+n; i++ {
		if s.slots[i] != nil {
			return veneer.ErrAlreadyExists
		}
	}
	k := &slotKey{attrs: a, value: bytes.Clone(value)}
	for i := slot; i < slot+n; i++ {
		s.slots[i] = k
	}
	return nil
}

func (s *slotStore) Destroy(id psa.KeyID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.find(id)
	switch {
	case err != nil:
		return err
	case k.attrs.Lifetime.Persistence() == psa.PersistenceLocked:
		return veneer.ErrNotPermitted
	case k.attrs.Lifetime.Persistence() == psa.PersistenceRevocable:
		k.revoked = true
		return nil
	}
	for i := range s.slots {
		if s.slots[i] == k {
			s.slots[i] = nil
		}
	}
	return nil
}

func (s *slotStore) List() ([]psa.KeyAttributes, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return nil, s.fail
	}
	var keys []psa.KeyAttributes
	for i, k := range s.slots {
		if k == nil || k.revoked {
			continue
		}
		if _, slot, _ := k.attrs.ID.KMUSlot(); slot == i {
			keys = append(keys, k.attrs)
		}
	}
	return keys, nil
}

// put provisions what the partition would refuse.
func (s *slotStore) put(a psa.KeyAttributes, value []byte) {
	_, slot, _ := a.ID.KMUSlot()
	s.slots[slot] = &slotKey{attrs: a, value: bytes.Clone(value)}
}
