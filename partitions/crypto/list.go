package crypto

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// listForm is the vectors of the list call: the identifier to start after, and
// room for at least one key's attributes.
var listForm = service.Route{
	In:  lengths{service.Exactly(4)},
	Out: lengths{service.AtLeast(psa.AttributesSize)},
}

// list answers the list call: the attributes of the caller's keys, persistent,
// volatile and in slots that it reaches, in ascending order of their identifiers,
// as many as fit.
func (p *partition) list(m *service.Message) error {
	if !listForm.Fits(m) {
		return veneer.ErrProgrammerError
	}
	var word [4]byte
	m.Read(0, word[:])
	after := psa.KeyID(binary.LittleEndian.Uint32(word[:]))

	// Persistent identifiers are all smaller than volatile ones.
	ids, err := p.store.of(m.Owner.ClientID).list()
	if err != nil {
		return err
	}
	s := p.sessions.open(m.Owner)
	ids = append(ids, s.list()...)
	var one [psa.AttributesSize]byte
	room := m.OutSize(0) / psa.AttributesSize
	for _, id := range ids {
		if room == 0 {
			break
		}
		if id <= after {
			continue
		}
		k, err := p.find(s, m.Owner, id)
		switch {
		case err == nil:
			m.Write(0, k.attrs.AppendTo(one[:0]))
			k.release()
		case errors.Is(err, veneer.ErrInvalidHandle):
			continue // destroyed meanwhile
		case errors.Is(err, veneer.ErrDataInvalid), errors.Is(err, veneer.ErrDataCorrupt):
			// The key is there, but cannot be read: its owner can destroy it.
			damaged := psa.KeyAttributes{Lifetime: psa.LifetimePersistent, ID: id}
			m.Write(0, damaged.AppendTo(one[:0]))
		default:
			return err
		}
		room--
	}
	// The identifiers of keys in slots are the largest.
	held, err := p.slots.list(m.Owner)
	if err != nil {
		return err
	}
	for _, a := range held {
		if room == 0 {
			break
		}
		if a.ID > after {
			m.Write(0, a.AppendTo(one[:0]))
			room--
		}
	}
	return nil
}

// list returns the identifiers of the session's keys in ascending order.
func (s *session) list() []psa.KeyID {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ids := make([]psa.KeyID, 0, len(s.keys))
	for id := range s.keys {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
