package ps

import (
	_ "embed"
	"encoding/binary"
	"fmt"

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
// key for every owner of assets, made from a secret of this device.
type Sealer interface {
	// Nonce fills p with random bytes.
	Nonce(p []byte) error
	// Secret fills p with bytes that are this device's, the same at each start.
	Secret(p []byte) error
	// Seal appends plaintext, encrypted, and its tag to dst. ad is authenticated
	// besides. dst has room for it and does not overlap plaintext.
	Seal(dst []byte, owner int32, nonce, plaintext, ad []byte) ([]byte, error)
	// Open checks ciphertext, which ends in its tag, and appends the plaintext
	// to dst. ErrInvalidSignature: it is not what Seal made of these arguments.
	Open(dst []byte, owner int32, nonce, ciphertext, ad []byte) ([]byte, error)
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

	// Counter is what the medium is held against. It is this partition's alone.
	Counter Counter

	// Notice is told, in a line for the secure log, when a start finds that the
	// medium is not what it was left as. May be nil.
	Notice func(line string)
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
			if cfg.Notice == nil {
				cfg.Notice = func(string) {}
			}
			if cfg.Counter == nil {
				return fmt.Errorf("ps: no counter: %w", veneer.ErrServiceFailure)
			}
			objects, sealer := its.New(rt), cfg.Sealer(rt)
			p.store = store{
				its: objects, sealer: sealer, slot: slotHash,
				ledger: ledger{its: objects, coder: rootCoder{sealer: sealer}, counter: cfg.Counter, notice: cfg.Notice},
			}
			// A start reads; it writes when the first message comes, so that a device
			// that is only switched on does not wear. What fails now is tried again
			// then, and answered.
			_ = p.store.ledger.load()
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
