// Package ps is the Protected Storage partition: psa_ps_set, _get, _get_info,
// _remove and _get_support of the PSA Secure Storage API 1.0, as TF-M 2.3 offers
// them (SID 0x60). The secure world boots it; non-secure programs and secure
// partitions call it through the SPM, with package veneer/ps or TF-M's own C
// sources.
//
// Two sides are hostile. The caller chooses everything in a message but the
// owner, which the SPM names. And the medium, which Internal Trusted Storage
// keeps for this partition, may be read and written by somebody with a probe or
// a soldering iron: what comes back from it is believed only after it
// authenticates. Whoever can write the medium can destroy an asset; he cannot
// read one, change one, or pass one for another's, for another uid's or for one
// with other flags. What he can do here is put back a whole earlier state of an
// asset, or take it away: protection against rollback, which needs counters
// outside the medium, is not part of this package yet, and the flag
// NO_REPLAY_PROTECTION is kept and changes nothing.
//
// # Objects
//
// An asset is one object of Internal Trusted Storage, so that one set there is
// the commit of one set here, and a power cut leaves the old asset or the new:
//
//	0 format u32   4 owner i32   8 uid u64   16 flags u32   20 size u32
//	24 capacity u32   28 nonce, 12 bytes   40 ciphertext, size bytes   tag, 16 bytes
//
// The cipher is AES-256-GCM in the Crypto partition. Each asset has its own key,
// HKDF-SHA-256 of the hardware unique key with the owner and the uid as info, as
// in TF-M but for the size; keys never leave Crypto. The additional data is
// bytes 0..27 and the object's uid in Internal Trusted Storage.
//
// The nonce is random. With q sets of one asset, two nonces are the same with a
// chance of less than q^2/2^97. Flash sets the bound for q: 4 pages that endure
// 10,000 erases take less than 2^23 objects of the smallest size, which makes
// 2^-51; a counter would have to be stored, and could be rolled back.
//
// PSA_STORAGE_FLAG_NO_CONFIDENTIALITY allows, and does not ask, that an asset is
// in the clear: such assets are encrypted like all others.
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
	"errors"

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
		return a, veneer.ErrInvalidArgument
	}
	return a, nil
}

// word reads input vector i, a u32.
func (p *partition) word(m *service.Message, i int) uint32 {
	m.Read(i, p.scratch[:4])
	return binary.LittleEndian.Uint32(p.scratch[:])
}

func (p *partition) set(m *service.Message) error {
	a, err := p.asset(m)
	if err != nil {
		return err
	}
	flags := psa.StorageFlags(p.word(m, 2))
	if flags&^psa.StorageAll != 0 {
		return veneer.ErrNotSupported
	}
	var data []byte
	if m.InSize(1) > 0 {
		data = m.MapInVec(1)
	}
	return answer(p.store.set(a, data, flags))
}

func (p *partition) get(m *service.Message) error {
	a, err := p.asset(m)
	if err != nil {
		return err
	}
	offset := p.word(m, 1)
	data, _, err := p.store.get(a)
	if err != nil {
		return answer(err)
	}
	defer clear(data)
	if uint64(offset) > uint64(len(data)) {
		return veneer.ErrInvalidArgument
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
	// Size and flags are believed, like contents, only after they authenticate.
	data, flags, err := p.store.get(a)
	if err != nil {
		return answer(err)
	}
	info := contract.Info{Capacity: uint32(len(data)), Size: uint32(len(data)), Flags: flags}
	clear(data)
	m.Write(0, info.AppendTo(p.scratch[:0]))
	return nil
}

func (p *partition) remove(m *service.Message) error {
	a, err := p.asset(m)
	if err != nil {
		return err
	}
	return answer(p.store.remove(a))
}

// getSupport answers that there is neither create nor set_extended, as TF-M
// does: its clients refuse them without a call.
func (p *partition) getSupport(m *service.Message) error {
	clear(p.scratch[:])
	m.Write(0, p.scratch[:contract.SupportSize])
	return nil
}

// answer keeps to the statuses that the API names for its functions: an error of
// Crypto, or of the way to it, is none of the caller's doing.
func answer(err error) error {
	if err == nil {
		return nil
	}
	for _, s := range [...]veneer.Status{
		veneer.ErrNotPermitted, veneer.ErrNotSupported, veneer.ErrInvalidArgument, veneer.ErrDoesNotExist,
		veneer.ErrInsufficientStorage, veneer.ErrStorageFailure, veneer.ErrInvalidSignature, veneer.ErrDataCorrupt,
	} {
		if errors.Is(err, s) {
			return err
		}
	}
	return &internalError{err}
}

// internalError answers PSA_ERROR_GENERIC_ERROR; what it was is for the log.
type internalError struct{ cause error }

func (e *internalError) Error() string { return "ps: " + e.cause.Error() }
func (e *internalError) Unwrap() error { return veneer.ErrGenericError }
