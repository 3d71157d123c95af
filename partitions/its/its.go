// Package its is the Internal Trusted Storage partition: psa_its_set, _get,
// _get_info and _remove of the PSA Secure Storage API 1.0, as TF-M 2.3 offers
// them (SID 0x70). The secure world boots it; non-secure programs and secure
// partitions call it through the SPM, with package veneer/its or TF-M's own C
// sources. What is kept, and how it survives power cuts, is package flashlog.
//
// The uid, the data, the offset, the flags and all lengths of a message are the
// caller's. The owner is not: it comes from the SPM, and each client ID has uids
// of its own. Contents are in the clear in flash, which only the secure world
// can read; what goes where others can reach is Protected Storage's.
//
// Of TF-M's answers one is different: an asset larger than the area can take
// answers PSA_ERROR_INSUFFICIENT_STORAGE, as the API says, and there is no limit
// per asset besides.
package its

import (
	_ "embed"
	"encoding/binary"
	"fmt"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/psa"
)

//go:embed tfm_internal_trusted_storage.yaml
var manifest string

// Manifest returns the partition's manifest in TF-M's format.
func Manifest() []byte { return []byte(manifest) }

// ServiceName is the manifest's name of the service.
const ServiceName = "TFM_INTERNAL_TRUSTED_STORAGE_SERVICE"

// protectedStorage is the client ID of the Protected Storage partition,
// TFM_SP_PS.
const protectedStorage int32 = 256

// Flash is an area of NOR flash with words of 4 bytes: see flashlog.Flash.
type Flash = flashlog.Flash

// Config is what the partition is made of.
type Config struct {
	// Internal is the area of every caller but Protected Storage: at least two
	// pages, inside the device.
	Internal Flash
	// Protected is the area of what Protected Storage stores here, which is
	// encrypted and may be where others can reach it. TF-M, too, keeps it apart.
	Protected Flash
}

// New returns the partition. Its Init opens the two areas, and finishes what a
// power cut interrupted in them; an area that is missing or holds something else
// makes it fail with what and where, and neither is changed.
func New(cfg Config) service.Partition {
	p := &partition{}
	return service.Partition{
		Init: func(service.Runtime) error { return p.open(cfg) },
		Services: map[string]service.Handler{
			ServiceName: service.Routes(map[int32]service.Route{
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
			}, veneer.ErrNotSupported, veneer.ErrProgrammerError),
		},
	}
}

// partition serves one message at a time, as its manifest says.
type partition struct {
	internal, protected *flashlog.Store
	scratch             [contract.InfoSize]byte
}

func (p *partition) open(cfg Config) error {
	areas := [2]struct {
		name  string
		flash Flash
		store **flashlog.Store
	}{
		{"internal", cfg.Internal, &p.internal},
		{"protected", cfg.Protected, &p.protected},
	}
	// Both are read before either is repaired: of a damaged device, whoever is to
	// find out what happened to it gets all that was there.
	var checked [2]*flashlog.Checked
	for i, area := range areas {
		if area.flash == nil {
			return fmt.Errorf("its: no %s storage area: %w", area.name, veneer.ErrServiceFailure)
		}
		c, err := flashlog.Check(area.flash)
		if err != nil {
			return fmt.Errorf("its: %s storage area, %w", area.name, err)
		}
		checked[i] = c
	}
	for i, area := range areas {
		s, err := checked[i].Mount()
		if err != nil {
			return fmt.Errorf("its: %s storage area, %w", area.name, err)
		}
		*area.store = s
	}
	return nil
}

// asset reads the uid of a message and returns the key of the asset, which is
// the caller's own, and the store that it is in.
func (p *partition) asset(m *service.Message) (*flashlog.Store, flashlog.Key, error) {
	m.Read(0, p.scratch[:contract.UIDSize])
	key := flashlog.Key{Owner: m.Owner.ClientID, UID: binary.LittleEndian.Uint64(p.scratch[:])}
	switch {
	case key.UID == 0:
		return nil, key, veneer.ErrInvalidArgument
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
	store, key, err := p.asset(m)
	if err != nil {
		return err
	}
	flags := p.word(m, 2)
	if flags&^uint32(psa.StorageAll) != 0 {
		return veneer.ErrNotSupported
	}
	var data []byte
	if m.InSize(1) > 0 {
		data = m.MapInVec(1)
	}
	return store.Set(key, data, flashlog.Flags(flags))
}

func (p *partition) get(m *service.Message) error {
	store, key, err := p.asset(m)
	if err != nil {
		return err
	}
	offset := p.word(m, 1)
	if m.OutSize(0) == 0 {
		_, err := store.Read(key, int(offset), nil)
		return err
	}
	n, err := store.Read(key, int(offset), m.MapOutVec(0))
	m.UnmapOutVec(0, n)
	return err
}

func (p *partition) getInfo(m *service.Message) error {
	store, key, err := p.asset(m)
	if err != nil {
		return err
	}
	stat, err := store.Stat(key)
	if err != nil {
		return err
	}
	info := contract.Info{Capacity: uint32(stat.Size), Size: uint32(stat.Size), Flags: psa.StorageFlags(stat.Flags)}
	m.Write(0, info.AppendTo(p.scratch[:0]))
	return nil
}

func (p *partition) remove(m *service.Message) error {
	store, key, err := p.asset(m)
	if err != nil {
		return err
	}
	return store.Remove(key)
}
