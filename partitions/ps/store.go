package ps

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/psa"
)

// slots is how many assets of the same hash there can be.
const slots = 256

// slotHash returns the uid in Internal Trusted Storage of the first slot of an
// asset; the others follow it. Nothing rests on its being a hash but speed: who
// makes uids that collide makes his own accesses slower, and those of another
// who is given one of 2^56 hashes.
func slotHash(a Asset) its.UID {
	var b [12]byte
	binary.LittleEndian.PutUint32(b[:], uint32(a.Owner))
	binary.LittleEndian.PutUint64(b[4:], a.UID)
	h := sha256.Sum256(b[:])
	return its.UID(binary.LittleEndian.Uint64(h[:])) &^ (slots - 1)
}

// store keeps sealed objects in Internal Trusted Storage. It is for one
// goroutine at a time.
type store struct {
	its    *its.Client
	sealer Sealer
	slot   func(Asset) its.UID

	raw   []byte // an object as it is stored
	plain []byte // its contents; cleared after use
	ad    [adSize]byte
}

// place is what find has found.
type place struct {
	at    its.UID // the asset's object
	free  its.UID // if there is none: where it would go; 0: nowhere
	flags psa.StorageFlags
	data  []byte // contents, in store.plain
}

// find looks for an asset. ErrDoesNotExist: it is not there; ErrDataCorrupt,
// ErrInvalidSignature: the object at place.at was changed, and may have been the
// asset's.
func (s *store) find(a Asset) (place, error) {
	var pl place
	for i := range its.UID(slots) {
		at := s.slot(a) + i
		if at == 0 {
			continue // not a uid
		}
		found, flags, data, err := s.open(a, at)
		switch {
		case errors.Is(err, veneer.ErrDoesNotExist):
			if pl.free == 0 {
				pl.free = at
			}
			return pl, err
		case err != nil:
			return place{at: at}, err
		case flags&flagHole != 0:
			if pl.free == 0 {
				pl.free = at
			}
		case found == a:
			return place{at: at, flags: flags, data: data}, nil
		}
		clear(data)
	}
	return pl, veneer.ErrDoesNotExist
}

// open reads the object at a uid where the asset a may be, and authenticates it:
// another asset's as well, for a copy of another object is not a reason to look
// further.
func (s *store) open(a Asset, at its.UID) (found Asset, flags psa.StorageFlags, data []byte, err error) {
	raw, err := s.read(at)
	if err != nil {
		return Asset{}, 0, nil, err
	}
	o, nonce, sealed, err := parseObject(raw)
	if err != nil {
		return Asset{}, 0, nil, err
	}
	// The additional data would tell as well, and the key; this does without
	// deriving keys for whatever the medium says.
	if o.asset != a && s.slot(o.asset) != s.slot(a) {
		return Asset{}, 0, nil, veneer.ErrInvalidSignature
	}
	s.plain = slices.Grow(s.plain[:0], int(o.size))
	data, err = s.sealer.Open(s.plain, o.asset, nonce, sealed, additional(s.ad[:0], raw, at))
	if err != nil {
		return Asset{}, 0, nil, fmt.Errorf("open object %#x: %w", uint64(at), err)
	}
	if len(data) != int(o.size) {
		return Asset{}, 0, nil, veneer.ErrInvalidSignature
	}
	return o.asset, o.flags, data, nil
}

// read returns the object at a uid, in store.raw.
func (s *store) read(at its.UID) ([]byte, error) {
	if s.raw == nil {
		s.raw = make([]byte, 1024) // grows to the largest object
	}
	for {
		n, err := s.its.Get(at, 0, s.raw)
		if err != nil || n < len(s.raw) {
			return s.raw[:n], err
		}
		if n >= veneer.MaxPayload {
			return nil, veneer.ErrDataCorrupt // nothing that was set here
		}
		s.raw = make([]byte, min(2*n, veneer.MaxPayload))
	}
}

// get returns the contents of an asset, which the caller clears, and its flags.
// The next operation reuses the slice.
func (s *store) get(a Asset) ([]byte, psa.StorageFlags, error) {
	pl, err := s.find(a)
	return pl.data, pl.flags, err
}

// writable returns where the object of an asset is, or goes, for who wants to
// change it. An object that was changed by others may be replaced and removed,
// or the asset could never be used again; that it was write-once, Internal
// Trusted Storage remembers as well. exists is false where there is nothing.
func (s *store) writable(a Asset) (at its.UID, exists bool, err error) {
	pl, err := s.find(a)
	clear(pl.data)
	switch {
	case err == nil && pl.flags&psa.StorageWriteOnce != 0:
		return 0, true, veneer.ErrNotPermitted
	case err == nil, errors.Is(err, veneer.ErrDataCorrupt), errors.Is(err, veneer.ErrInvalidSignature):
		return pl.at, true, nil
	case errors.Is(err, veneer.ErrDoesNotExist):
		return pl.free, false, nil
	}
	return 0, false, err
}

func (s *store) set(a Asset, data []byte, flags psa.StorageFlags) error {
	if len(data) > veneer.MaxPayload-headerSize-tagSize-its.UIDSize-its.FlagsSize {
		return veneer.ErrInsufficientStorage // more than a call to Internal Trusted Storage carries
	}
	at, _, err := s.writable(a)
	if err != nil {
		return err
	}
	if at == 0 {
		return veneer.ErrInsufficientStorage
	}
	return s.write(at, a, data, flags)
}

// write seals an object and stores it: the commit of every change but the
// removal of an object that none follows.
func (s *store) write(at its.UID, a Asset, data []byte, flags psa.StorageFlags) error {
	o := object{asset: a, flags: flags, size: uint32(len(data))}
	// One byte more, so that read takes the object in one call.
	s.raw = slices.Grow(s.raw[:0], headerSize+len(data)+tagSize+1)
	header := o.appendTo(s.raw)[:headerSize]
	s.raw = s.raw[:cap(s.raw)]
	if err := s.sealer.Nonce(header[nonceAt:]); err != nil {
		return fmt.Errorf("make a nonce: %w", err)
	}
	sealed, err := s.sealer.Seal(header, a, header[nonceAt:], data, additional(s.ad[:0], header, at))
	if err != nil {
		return fmt.Errorf("seal object %#x: %w", uint64(at), err)
	}
	return s.its.Set(at, sealed, flags&psa.StorageWriteOnce)
}

func (s *store) remove(a Asset) error {
	at, exists, err := s.writable(a)
	switch {
	case err != nil:
		return err
	case !exists:
		return veneer.ErrDoesNotExist
	}
	if (at+1)%slots != 0 {
		switch _, err := s.its.Info(at + 1); {
		case err == nil, errors.Is(err, veneer.ErrDataCorrupt):
			return s.write(at, a, nil, flagHole)
		case !errors.Is(err, veneer.ErrDoesNotExist):
			return err
		}
	}
	return s.its.Remove(at)
}
