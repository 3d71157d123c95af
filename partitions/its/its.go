// Package its is the Internal Trusted Storage partition: psa_its_set, _get,
// _get_info and _remove of the PSA Secure Storage API 1.0, as TF-M 2.3 offers
// them (SID 0x70). The secure world boots it; non-secure programs and secure
// partitions call it through the SPM, with package veneer/its or TF-M's own C
// sources. What is kept, and how it survives power cuts, is package flashlog.
//
// The uid, the data, the offset, the flags and all lengths of a message are the
// caller's. The owner is not: it comes from the SPM, and each client ID has uids
// of its own. Contents are in the clear in flash, which only the secure world
// can read, unless Config.Engine is there to encrypt them; what goes where others
// can reach is Protected Storage's.
//
// Of TF-M's answers one is different: an asset larger than the area can take, or
// than the configuration lets its client have, answers
// PSA_ERROR_INSUFFICIENT_STORAGE, as the API says; TF-M has
// PSA_ERROR_INVALID_ARGUMENT.
package its

import (
	"encoding/binary"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/psa"
)

// ServiceName is the manifest's name of the service.
const ServiceName = "TFM_INTERNAL_TRUSTED_STORAGE_SERVICE"

// protectedStorage is the client ID of the Protected Storage partition,
// TFM_SP_PS.
const protectedStorage int32 = 256

// New returns the partition. Its Init opens the two areas, and finishes what a
// power cut interrupted in them; an area that is missing or holds something else
// makes it fail with what and where, and neither is changed.
func New(cfg Config) service.Partition {
	p := &partition{}
	return service.Partition{
		Init: func(service.Runtime) error { return p.open(cfg) },
		Services: map[string]service.Handler{
			ServiceName: listing(service.Routes(map[int32]service.Route{
				contract.CallSet: {
					In: []service.Length{service.Exactly(contract.UIDSize), service.Any, service.Exactly(contract.FlagsSize)},
					Do: p.set,
				},
				contract.CallGet: {
					In:  []service.Length{service.Exactly(contract.UIDSize), service.Exactly(contract.OffsetSize)},
					Out: []service.Length{service.Any},
					Do:  p.get,
				},
				contract.CallGetInfo: {
					In:  []service.Length{service.Exactly(contract.UIDSize)},
					Out: []service.Length{service.Exactly(contract.InfoSize)},
					Do:  p.getInfo,
				},
				contract.CallRemove: {
					In: []service.Length{service.Exactly(contract.UIDSize)},
					Do: p.remove,
				},
				contract.CallList: {
					In:  []service.Length{service.Exactly(contract.UIDSize)},
					Out: []service.Length{service.AtLeast(contract.EntrySize)},
					Do:  p.list,
				},
			}, veneer.ErrNotSupported, veneer.ErrProgrammerError)),
		},
	}
}

// partition serves one message at a time, as its manifest says.
type partition struct {
	internal, protected *area
	scratch             [contract.InfoSize]byte
}

// asset reads the uid of a message and returns the key of the asset, which is
// the caller's own, and the area that it is in.
func (p *partition) asset(m *service.Message) (*area, flashlog.Key, error) {
	m.Read(0, p.scratch[:contract.UIDSize])
	key := flashlog.Key{Owner: m.Owner.ClientID, UID: binary.LittleEndian.Uint64(p.scratch[:])}
	switch {
	case key.UID == 0:
		return nil, key, refuse(veneer.ErrInvalidArgument, key, "not a uid")
	case key.Owner == protectedStorage:
		return p.protected, key, nil
	}
	return p.internal, key, nil
}

// word reads input vector i, a u32.
func (p *partition) word(m *service.Message, i int) uint32 {
	m.Read(i, p.scratch[:4])
	return binary.LittleEndian.Uint32(p.scratch[:])
}

func (p *partition) set(m *service.Message) error {
	area, key, err := p.asset(m)
	if err != nil {
		return err
	}
	flags, keep := psa.StorageFlags(p.word(m, 2)), false
	if key.Owner == protectedStorage {
		keep = flags&contract.KeepRoom != 0
		flags &^= contract.KeepRoom
	}
	if flags&^psa.StorageAll != 0 {
		return refuse(veneer.ErrNotSupported, key, "set with an unknown flag")
	}
	var data []byte
	if m.InSize(1) > 0 {
		data = m.MapInVec(1)
	}
	stored := flashlog.Flags(flags)
	if keep {
		stored |= keepRoom
	}
	return reason(area.set(key, data, stored), key, "set")
}

func (p *partition) get(m *service.Message) error {
	area, key, err := p.asset(m)
	if err != nil {
		return err
	}
	offset := p.word(m, 1)
	if m.OutSize(0) == 0 {
		_, err := area.read(key, int(offset), nil)
		return reason(err, key, "get")
	}
	n, err := area.read(key, int(offset), m.MapOutVec(0))
	m.UnmapOutVec(0, n)
	return reason(err, key, "get")
}

func (p *partition) getInfo(m *service.Message) error {
	area, key, err := p.asset(m)
	if err != nil {
		return err
	}
	stat, err := area.stat(key)
	if err != nil {
		return reason(err, key, "get_info")
	}
	info := contract.Info{
		Capacity: uint32(stat.Size), Size: uint32(stat.Size),
		Flags: psa.StorageFlags(stat.Flags &^ keepRoom),
	}
	m.Write(0, info.AppendTo(p.scratch[:0]))
	return nil
}

func (p *partition) remove(m *service.Message) error {
	area, key, err := p.asset(m)
	if err != nil {
		return err
	}
	return reason(area.remove(key), key, "remove")
}
