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
	// What is below is the root's.
	return max(its.UID(binary.LittleEndian.Uint64(h[:]))&^(slots-1), slots)
}

// store keeps sealed objects in Internal Trusted Storage. It is for one
// goroutine at a time.
type store struct {
	its    *its.Client
	sealer Sealer
	slot   func(Asset) its.UID
	ledger ledger

	// refused is how large the objects were, in bytes, for which there was no room,
	// by their places, or newPlace, or newCreated. It is empty again after the next
	// change.
	refused map[its.UID]int

	raw []byte // an object as it is stored
	// plain is adSize bytes and then an asset's contents, cleared after use: what
	// authenticates contents that are in the clear needs them in this place.
	plain []byte
}

// maxCapacity is the most bytes that an asset can have: what one call to Crypto
// carries, whose request block is 56 bytes, with an object's tag and additional
// data. A call to Internal Trusted Storage carries more.
const maxCapacity = veneer.MaxPayload - 56 - adSize - tagSize

// errTooLarge is for a capacity that no asset has, however empty the medium is: bad
// input, which the log has a line for.
var errTooLarge = fmt.Errorf("more than %d bytes: %w", maxCapacity, veneer.ErrInsufficientStorage)

// room returns the place for contents of some capacity, which holds anything.
func (s *store) room(capacity int) []byte {
	s.plain = slices.Grow(s.plain[:0], adSize+capacity)[:adSize+capacity]
	return s.plain[adSize:]
}

// authentic returns the additional data of the object at a uid, made in front of
// the place for contents, of which it takes in the first n bytes.
func (s *store) authentic(header []byte, at its.UID, n int) []byte {
	return additional(s.plain[:0], header, at)[:adSize+n]
}

// writable returns where the object of an asset is, or goes, for who wants to
// change it. An object that was changed by others may be replaced and removed,
// or the asset could never be used again, unless what was there last was
// write-once. exists is false where there is nothing.
func (s *store) writable(a Asset) (at its.UID, exists bool, err error) {
	pl, err := s.find(a)
	clear(pl.data)
	switch {
	case err == nil && pl.object.flags&psa.StorageWriteOnce != 0:
		return 0, true, veneer.ErrNotPermitted
	case err == nil:
		return pl.at, true, nil
	case errors.Is(err, veneer.ErrDataCorrupt), errors.Is(err, veneer.ErrInvalidSignature):
		if s.ledger.known[pl.at].once() {
			return 0, true, fmt.Errorf("%w, damaged: %w", veneer.ErrNotPermitted, err)
		}
		return pl.at, true, nil
	case errors.Is(err, veneer.ErrDoesNotExist):
		return pl.free, false, nil
	}
	return 0, false, err
}

func (s *store) set(a Asset, data []byte, flags psa.StorageFlags) error {
	at, exists, err := s.writable(a)
	if err != nil {
		return err
	}
	switch {
	case len(data) > maxCapacity:
		return errTooLarge
	case at == 0, exists && s.full(at, len(data)), !exists && s.full(newPlace, len(data)):
		return veneer.ErrInsufficientStorage
	}
	contents := s.room(len(data))
	defer clear(contents)
	copy(contents, data)
	size := uint32(len(data))
	return s.write(at, object{asset: a, flags: flags, size: size, capacity: size}, contents)
}

// What stands in store.refused for all places where nothing is; for what is created
// room is kept besides.
const newPlace, newCreated its.UID = 0, 1

// full reports whether there was no room for contents of some capacity when that
// was last tried, and nothing has changed since. Trying costs roots, counts, and in
// a full medium an erase for each of them: nobody should be able to wear the medium
// out with calls that are refused.
func (s *store) full(at its.UID, capacity int) bool {
	n, ok := s.refused[at]
	return ok && headerSize+capacity+tagSize >= n
}

// tried takes note of what came of setting an object of n bytes.
func (s *store) tried(at its.UID, n int, flags its.Flags, err error) {
	if !errors.Is(err, veneer.ErrInsufficientStorage) {
		clear(s.refused)
		return
	}
	if _, err := s.its.Info(at); errors.Is(err, veneer.ErrDoesNotExist) {
		if at = newPlace; flags&its.KeepRoom != 0 {
			at = newCreated
		}
	}
	if s.refused == nil {
		s.refused = make(map[its.UID]int)
	}
	s.refused[at] = n
}

// create stores an asset of size 0 with all of its capacity.
func (s *store) create(a Asset, capacity uint32, flags psa.StorageFlags) error {
	if capacity > maxCapacity {
		// Also where there is an asset: the API does not say which of the two is
		// answered, and the PSA architecture tests expect this.
		return errTooLarge
	}
	pl, err := s.find(a)
	clear(pl.data)
	switch {
	case err == nil:
		return veneer.ErrAlreadyExists
	case errors.Is(err, veneer.ErrDataCorrupt), errors.Is(err, veneer.ErrInvalidSignature):
		return fmt.Errorf("%w, damaged: %w", veneer.ErrAlreadyExists, err)
	case !errors.Is(err, veneer.ErrDoesNotExist):
		return err
	case pl.free == 0 || s.full(newCreated, int(capacity)):
		return veneer.ErrInsufficientStorage
	}
	contents := s.room(int(capacity))
	clear(contents)
	return s.write(pl.free, object{asset: a, flags: flags | flagCreated, capacity: capacity}, contents)
}

// extend writes data into an asset.
func (s *store) extend(a Asset, offset uint32, data []byte) error {
	pl, err := s.find(a)
	if err != nil {
		return err
	}
	defer clear(pl.data)
	o := pl.object
	switch {
	case o.flags&psa.StorageWriteOnce != 0:
		return veneer.ErrNotPermitted
	case offset > o.size, uint64(offset)+uint64(len(data)) > uint64(o.capacity):
		return veneer.ErrInvalidArgument
	case len(data) == 0:
		return nil
	}
	copy(pl.data[offset:], data)
	o.size = max(o.size, offset+uint32(len(data)))
	return s.write(pl.at, o, pl.data)
}

// write seals an object, of the epoch that it is, and stores it: the commit of
// every change but the removal of an object that none follows. contents is the
// object's capacity, in the place that room has returned.
func (s *store) write(at its.UID, o object, contents []byte) error {
	if o.epoch = 0; o.protected() {
		o.epoch = s.ledger.epoch
	}
	// One byte more, so that read takes the object in one call.
	s.raw = slices.Grow(s.raw[:0], headerSize+len(contents)+tagSize+1)
	raw := o.appendTo(s.raw)[:headerSize]
	s.raw = s.raw[:cap(s.raw)]
	if err := s.sealer.Nonce(raw[nonceAt:]); err != nil {
		return &internalError{fmt.Errorf("make a nonce: %w", err)}
	}
	nonce, plaintext := raw[nonceAt:], contents
	var ad []byte
	if o.clear() {
		ad = s.authentic(raw, at, len(contents))
		raw, plaintext = append(raw, contents...), nil
	} else {
		ad = s.authentic(raw, at, 0)
	}
	sealed, err := s.sealer.Seal(raw, o.asset.Owner, nonce, plaintext, ad)
	if err != nil {
		return &internalError{fmt.Errorf("seal object %#x: %w", uint64(at), err)}
	}
	var flags its.Flags
	if !o.protected() {
		// Of what is protected this is known here, and a mark may have to take
		// its place.
		flags = o.flags & psa.StorageWriteOnce
	}
	if o.flags&flagCreated != 0 {
		flags |= its.KeepRoom
	}
	h := s.ledger.fingerprint(at, &o, sealed[len(sealed)-tagSize:])
	return s.ledger.change(at, h, func() error {
		err := s.its.Set(at, sealed, flags)
		s.tried(at, len(sealed), flags, err)
		return err
	})
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
			return s.write(at, object{flags: flagHole}, s.room(0))
		case !errors.Is(err, veneer.ErrDoesNotExist):
			return err
		}
	}
	return s.ledger.change(at, noObject, func() error {
		err := s.its.Remove(at)
		clear(s.refused)
		if errors.Is(err, veneer.ErrDoesNotExist) {
			return nil // somebody else has taken it away
		}
		return err
	})
}
