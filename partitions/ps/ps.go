// Package ps is the Protected Storage partition: all of psa/protected_storage.h of
// the PSA Secure Storage API 1.0.4 (SID 0x60), with TF-M 2.3's messages, and with
// messages of this project for psa_ps_create and psa_ps_set_extended, which TF-M
// lacks. The secure world boots it; non-secure programs and secure partitions call
// it through the SPM, with package veneer/ps or TF-M's own C sources.
//
// Two sides are hostile. The caller chooses everything in a message but the
// owner, which the SPM names. And the medium, which Internal Trusted Storage
// keeps for this partition, may be read and written by somebody with a probe or
// a soldering iron: what comes back from it is believed only after it
// authenticates. Whoever can write the medium can destroy an asset; he cannot
// read one, change one, or pass one for another's, for another uid's or for one
// with other flags. What he can do here is put back a whole earlier state of an
// asset, or take it away: protection against rollback, which needs counters
// outside the medium, is not part of this package yet. NO_REPLAY_PROTECTION is
// kept, authenticated, and says which assets it will leave out.
//
// # Objects
//
// An asset is one object of Internal Trusted Storage, so that one set there is
// the commit of one change here, and a power cut leaves the old asset or the new:
//
//	0 format u32   4 owner i32   8 uid u64   16 flags u32   20 size u32
//	24 capacity u32   28 nonce, 12 bytes   40 contents, capacity bytes   tag, 16 bytes
//
// The cipher is AES-256-GCM in the Crypto partition. Each asset has its own key,
// HKDF-SHA-256 of the hardware unique key with the owner and the uid as info, as
// in TF-M but for the size; keys never leave Crypto. The additional data is
// bytes 0..27 and the object's uid in Internal Trusted Storage. Contents are
// encrypted; those of an asset with NO_CONFIDENTIALITY are stored as they are, and
// are additional data too. Contents past the size are zeros.
//
// The nonce is random. With q sets of one asset, two nonces are the same with a
// chance of less than q^2/2^97. Flash sets the bound for q: 4 pages that endure
// 10,000 erases take less than 2^23 objects of the smallest size, which makes
// 2^-51; a counter would have to be stored, and could be rolled back.
//
// # Assets that are created
//
// psa_ps_create stores the object with all of its capacity at once, and marks it
// for Internal Trusted Storage with its.KeepRoom, which keeps room for one more
// object of the largest such capacity. So psa_ps_set_extended, which writes the
// whole object anew, finds room however full the medium is. It costs as much flash
// as a set of the capacity does, for any number of bytes: one object means one
// commit, one nonce, one tag. psa_ps_set on such an asset makes it an ordinary one.
//
// # Where an object is
//
// An owner and a uid are 96 bits, a uid of Internal Trusted Storage has 64, of
// which this package takes 56 from a hash and 8 for a slot. An asset is in the
// first slot of its hash that is not another asset's. Two assets with the same
// hash thus cost a step more, and are never taken for each other: the object
// itself says whose it is. When an asset leaves a slot and the next slot is not
// empty, an authenticated hole stays behind, so that what lies beyond is still
// found. Every operation changes one object in one step.
package ps

import (
	_ "embed"
	"encoding/binary"

	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	contract "github.com/postern-spe/postern/veneer/ps"
	"github.com/postern-spe/postern/veneer/psa"
)

//go:embed tfm_protected_storage.yaml
var manifest string

// Manifest returns the partition's manifest in TF-M's format.
func Manifest() []byte { return []byte(manifest) }

// ServiceName is the manifest's name of the service.
const ServiceName = "TFM_PROTECTED_STORAGE_SERVICE"

// Sealer is the cryptography of the partition: authenticated encryption under a
// key of its own for every asset, made from a secret of this device.
type Sealer interface {
	// Nonce fills p with random bytes.
	Nonce(p []byte) error
	// Seal appends plaintext, encrypted, and its tag to dst. ad is authenticated
	// besides. dst has room for it and does not overlap plaintext.
	Seal(dst []byte, a Asset, nonce, plaintext, ad []byte) ([]byte, error)
	// Open checks ciphertext, which ends in its tag, and appends the plaintext
	// to dst. ErrInvalidSignature: it is not what Seal made of these arguments.
	Open(dst []byte, a Asset, nonce, ciphertext, ad []byte) ([]byte, error)
}

// Asset names an asset: the same uid of two owners is two assets.
type Asset struct {
	Owner int32
	UID   uint64
}

// Config is what the partition is made of.
type Config struct {
	// Sealer makes the cryptography over the partition's gate; nil is
	// NewCryptoSealer.
	Sealer func(g veneer.Gate) Sealer
}

// New returns the partition.
func New(cfg Config) service.Partition {
	return build(&partition{}, cfg)
}

func build(p *partition, cfg Config) service.Partition {
	return service.Partition{
		Init: func(rt service.Runtime) error {
			if cfg.Sealer == nil {
				cfg.Sealer = NewCryptoSealer
			}
			p.store = store{its: its.New(rt), sealer: cfg.Sealer(rt), slot: slotHash}
			return nil
		},
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
				contract.CallCreate: {
					In: []service.Length{service.Exactly(contract.UIDSize), service.Exactly(contract.CapacitySize), service.Exactly(contract.FlagsSize)},
					Do: p.create,
				},
				contract.CallSetExtended: {
					In: []service.Length{service.Exactly(contract.UIDSize), service.Any, service.Exactly(contract.OffsetSize)},
					Do: p.setExtended,
				},
				contract.CallGetSupport: {
					Out: []service.Length{service.Exactly(contract.SupportSize)},
					Do:  p.getSupport,
				},
			}, veneer.ErrProgrammerError, veneer.ErrProgrammerError),
		},
	}
}

// partition serves one message at a time, as its manifest says.
type partition struct {
	store   store
	scratch [contract.InfoSize]byte
}

// asset reads the uid of a message and returns the asset, which is the caller's
// own.
func (p *partition) asset(m *service.Message) (Asset, error) {
	m.Read(0, p.scratch[:contract.UIDSize])
	a := Asset{m.Owner.ClientID, binary.LittleEndian.Uint64(p.scratch[:])}
	if a.UID == 0 {
		return a, &refusal{veneer.ErrInvalidArgument, a, "not a uid"}
	}
	return a, nil
}

// word reads input vector i, a u32.
func (p *partition) word(m *service.Message, i int) uint32 {
	m.Read(i, p.scratch[:4])
	return binary.LittleEndian.Uint32(p.scratch[:])
}

// data returns input vector 1, the bytes of a set.
func data(m *service.Message) []byte {
	if m.InSize(1) == 0 {
		return nil
	}
	return m.MapInVec(1)
}

func (p *partition) set(m *service.Message) error {
	a, err := p.asset(m)
	if err != nil {
		return err
	}
	flags := psa.StorageFlags(p.word(m, 2))
	if flags&^psa.StorageAll != 0 {
		return &refusal{veneer.ErrNotSupported, a, "set with an unknown flag"}
	}
	return answer(p.store.set(a, data(m), flags), a, "set")
}

func (p *partition) create(m *service.Message) error {
	a, err := p.asset(m)
	if err != nil {
		return err
	}
	capacity, flags := p.word(m, 1), psa.StorageFlags(p.word(m, 2))
	switch {
	case flags&^psa.StorageAll != 0:
		return &refusal{veneer.ErrNotSupported, a, "create with an unknown flag"}
	case flags&psa.StorageWriteOnce != 0:
		return &refusal{veneer.ErrNotSupported, a, "create of a write-once asset"}
	}
	return answer(p.store.create(a, capacity, flags), a, "create")
}

func (p *partition) setExtended(m *service.Message) error {
	a, err := p.asset(m)
	if err != nil {
		return err
	}
	return answer(p.store.extend(a, p.word(m, 2), data(m)), a, "set_extended")
}

func (p *partition) get(m *service.Message) error {
	a, err := p.asset(m)
	if err != nil {
		return err
	}
	offset := p.word(m, 1)
	pl, err := p.store.find(a)
	if err != nil {
		return answer(err, a, "get")
	}
	defer clear(pl.data)
	data := pl.contents()
	if uint64(offset) > uint64(len(data)) {
		return &refusal{veneer.ErrInvalidArgument, a, "get past the end"}
	}
	data = data[offset:]
	m.Write(0, data[:min(len(data), m.OutSize(0))])
	return nil
}

func (p *partition) getInfo(m *service.Message) error {
	a, err := p.asset(m)
	if err != nil {
		return err
	}
	// What the header says is believed, like contents, only after it authenticates.
	pl, err := p.store.find(a)
	if err != nil {
		return answer(err, a, "get_info")
	}
	clear(pl.data)
	o := &pl.object
	info := contract.Info{Capacity: o.capacity, Size: o.size, Flags: o.flags & psa.StorageAll}
	m.Write(0, info.AppendTo(p.scratch[:0]))
	return nil
}

func (p *partition) remove(m *service.Message) error {
	a, err := p.asset(m)
	if err != nil {
		return err
	}
	return answer(p.store.remove(a), a, "remove")
}

// getSupport answers what there is besides TF-M's functions. TF-M's C sources
// refuse the two without a call all the same: see veneer/c.
func (p *partition) getSupport(m *service.Message) error {
	binary.LittleEndian.PutUint32(p.scratch[:], uint32(contract.SupportSetExtended))
	m.Write(0, p.scratch[:contract.SupportSize])
	return nil
}
