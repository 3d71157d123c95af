package ps

import (
	"errors"
	"fmt"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/psa"
)

// place is what find has found.
type place struct {
	at     its.UID // the asset's object
	free   its.UID // if there is none: where it would go; 0: nowhere
	object object
	data   []byte // the object's capacity, in store.plain
}

// contents is what the asset holds.
func (p *place) contents() []byte { return p.data[:p.object.size] }

// ready has the ledger know what is stored, and what was stored last stay so,
// before anything is answered: at first, and after a failure that left it in doubt.
func (s *store) ready() error {
	l := &s.ledger
	if l.loaded && l.started {
		return nil
	}
	if !l.loaded {
		if err := l.load(); err != nil {
			return err
		}
	}
	l.started = true
	if l.renewed {
		// Nothing is written for who only reads. Whoever has the wrong medium there
		// by mistake can still put the right one back.
		return nil
	}
	if l.lost == 0 {
		// If this fails it is tried again by what needs it: assets can be read.
		_ = l.settle()
		return nil
	}
	// In the place of what is lost comes a mark, as an ordinary change: the medium
	// is what the root says again, and the next damage can be told apart. Where it
	// cannot be written, for lack of room, the place stays the one that is wrong.
	o := object{flags: flagLost}
	if l.known[l.lost].once() {
		o.flags |= psa.StorageWriteOnce
	}
	if err := s.write(l.lost, o, s.room(0)); !l.loaded {
		return err
	}
	return nil
}

// find looks for an asset. ErrDoesNotExist: it is not there; ErrDataCorrupt,
// ErrInvalidSignature: the object at place.at was changed, put back or taken away,
// and may have been the asset's.
func (s *store) find(a Asset) (place, error) {
	if err := s.ready(); err != nil {
		return place{}, err
	}
	var pl, doubtful place
	var doubt error
	own := its.UID(0) // the asset's object if it is not protected
slots:
	for i := range its.UID(slots) {
		at := s.slot(a) + i
		o, data, err := s.open(a, at)
		switch {
		case errors.Is(err, veneer.ErrDoesNotExist):
			if pl.free == 0 {
				pl.free = at
			}
			// What follows may have been cut off by taking away an object that
			// is not protected.
			if !s.ledger.beyond(at) {
				break slots
			}
		case errors.Is(err, veneer.ErrDataCorrupt), errors.Is(err, veneer.ErrInvalidSignature):
			if doubt == nil {
				doubtful.at, doubt = at, err
			}
		case err != nil:
			return place{}, err
		case o.flags&flagHole != 0:
			if pl.free == 0 {
				pl.free = at
			}
		case o.asset != a:
		case o.protected() || !s.ledger.beyond(at):
			return place{at: at, object: o, data: data}, nil
		case own == 0:
			own = at // put back before the asset's real object, perhaps
		}
		clear(data)
	}
	switch {
	case own != 0:
		o, data, err := s.open(a, own)
		return place{at: own, object: o, data: data}, err
	case doubt != nil:
		return doubtful, doubt
	}
	return pl, veneer.ErrDoesNotExist
}

// open reads the object at a uid where the asset a may be, and authenticates it:
// another asset's as well, for a copy of another object is not what was there.
func (s *store) open(a Asset, at its.UID) (o object, data []byte, err error) {
	raw, err := s.read(at)
	if err != nil {
		if errors.Is(err, veneer.ErrDoesNotExist) && s.ledger.known[at] != noObject {
			err = fmt.Errorf("object %#x was taken away: %w", uint64(at), veneer.ErrInvalidSignature)
		}
		return object{}, nil, err
	}
	o, nonce, body, err := parseObject(raw)
	if err != nil {
		return object{}, nil, fmt.Errorf("object %#x: %w", uint64(at), err)
	}
	// The additional data would tell as well, and the key; this does without
	// deriving keys for whatever the medium says.
	if o.asset.Owner != ownKey && o.asset != a && s.slot(o.asset) != s.slot(a) {
		return object{}, nil, fmt.Errorf("object %#x is another's: %w", uint64(at), veneer.ErrInvalidSignature)
	}
	capacity := int(o.capacity)
	data, sealed := s.room(capacity), body
	var ad []byte
	if o.clear() {
		// All of the body but the tag is additional data.
		copy(data, body)
		sealed, ad = body[capacity:], s.authentic(raw, at, capacity)
	} else {
		ad = s.authentic(raw, at, 0)
	}
	opened, err := s.sealer.Open(data[:0:capacity], o.asset.Owner, nonce, sealed, ad)
	switch {
	case err == nil && (o.clear() || len(opened) == capacity):
		if err = s.current(a, at, &o, body[capacity:]); err == nil {
			return o, data, nil
		}
	case err == nil || errors.Is(err, veneer.ErrInvalidSignature):
		err = fmt.Errorf("object %#x does not authenticate: %w", uint64(at), veneer.ErrInvalidSignature)
	default:
		err = &internalError{fmt.Errorf("open object %#x: %w", uint64(at), err)}
	}
	clear(data)
	return object{}, nil, err
}

// current checks that an authentic object is the one that was stored last at its
// place. One that was put back where nothing protected should be is not told to
// any but whose asset it is.
func (s *store) current(a Asset, at its.UID, o *object, tag []byte) error {
	h, known := s.ledger.fingerprint(at, o, tag), s.ledger.known[at]
	switch {
	case o.flags&flagLost != 0:
		return fmt.Errorf("object %#x was lost: %w", uint64(at), veneer.ErrInvalidSignature)
	case h != known && (known != noObject || o.asset == a):
		return fmt.Errorf("object %#x was put back: %w", uint64(at), veneer.ErrInvalidSignature)
	}
	return nil
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
