package its

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/its"
)

// listing keeps the list call from everybody but Protected Storage, whatever the
// form of the message: to others there is no such call.
func listing(h service.Handler) service.Handler {
	return func(m *service.Message) error {
		if m.Type == contract.CallList && m.Owner.ClientID != protectedStorage {
			return veneer.ErrNotSupported
		}
		return h(m)
	}
}

// list answers Protected Storage what it has stored: see contract.CallList.
func (p *partition) list(m *service.Message) error {
	m.Read(0, p.scratch[:contract.UIDSize])
	after := flashlog.Key{Owner: m.Owner.ClientID, UID: binary.LittleEndian.Uint64(p.scratch[:])}
	out := m.MapOutVec(0)
	n, err := p.protected.list(after, out)
	m.UnmapOutVec(0, n)
	return reason(err, after, "list")
}

// list fills out with entries of the owner's assets behind one, and returns how
// many bytes they are. The uids are sorted once for a whole list, at its start.
func (a *area) list(after flashlog.Key, out []byte) (n int, err error) {
	if after.UID == 0 || a.listed == nil {
		a.listed = []uint64{}
		err := a.store.Walk(func(k flashlog.Key, _ flashlog.Info) {
			if k.Owner == after.Owner {
				a.listed = append(a.listed, k.UID)
			}
		})
		if err != nil {
			return 0, err
		}
		slices.Sort(a.listed)
	}
	next, found := slices.BinarySearch(a.listed, after.UID)
	if found {
		next++
	}
	var e contract.Entry
	for ; next < len(a.listed); next++ {
		if len(out)-n < contract.EntrySize {
			return n, nil
		}
		key := flashlog.Key{Owner: after.Owner, UID: a.listed[next]}
		switch err := a.entry(key, &e); {
		case errors.Is(err, veneer.ErrDoesNotExist):
			continue // removed since
		case err != nil:
			return 0, err
		}
		n = len(e.AppendTo(out[:n]))
	}
	a.listed = nil
	return n, nil
}

// entry fills in what is listed of an asset.
func (a *area) entry(k flashlog.Key, e *contract.Entry) error {
	*e = contract.Entry{UID: contract.UID(k.UID)}
	info, err := a.store.Stat(k)
	if err == nil {
		e.Size = uint32(info.Size)
		err = a.ends(k, info.Size, e)
	}
	if errors.Is(err, veneer.ErrDataCorrupt) {
		*e = contract.Entry{UID: e.UID, Size: e.Size, Damaged: true}
		return nil
	}
	return err
}

// ends fills in the first and the last bytes of an asset. A read checks the whole
// of a record, so that one is faster than two where the asset is small.
func (a *area) ends(k flashlog.Key, size int, e *contract.Entry) error {
	tail := max(size-contract.EntryTail, 0)
	if size <= len(a.small) {
		_, err := a.store.Read(k, 0, a.small[:size])
		copy(e.Head[:], a.small[:size])
		copy(e.Tail[:], a.small[tail:size])
		clear(a.small[:size])
		return err
	}
	if _, err := a.store.Read(k, 0, e.Head[:]); err != nil {
		return err
	}
	_, err := a.store.Read(k, tail, e.Tail[:])
	return err
}
