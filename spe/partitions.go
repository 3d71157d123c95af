package spe

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"os"

	"go.uber.org/zap"

	"github.com/postern-spe/postern/partitions/attestation"
	"github.com/postern-spe/postern/partitions/crypto"
	"github.com/postern-spe/postern/partitions/echo"
	"github.com/postern-spe/postern/partitions/its"
	"github.com/postern-spe/postern/partitions/ps"
	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/counters"
	"github.com/postern-spe/postern/spe/manifest"
	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/spe/spm"
)

// entry is one partition of the list: what errors call its manifest, the
// manifest, and the code.
type entry struct {
	file     string
	manifest []byte
	create   func() service.Partition
}

func (e entry) parse() (spm.Partition, error) {
	m, err := manifest.Parse(e.file, e.manifest)
	return spm.Partition{Manifest: m, New: e.create}, err
}

// partitions returns the partitions of a device: manifest, code, and the
// hardware that each is given.
func partitions(soc *platform.SoC, log *zap.Logger, measured <-chan measurement, benchEcho bool) ([]spm.Partition, error) {
	internal, err := soc.Area(board.ITS)
	if err != nil {
		return nil, err
	}
	protected, err := soc.Area(board.PS)
	if err != nil {
		return nil, err
	}
	storage := itsConfig(soc)
	storage.Internal, storage.Protected = internal, protected
	device := &identity{SoC: soc}
	list := []entry{
		{"its", storage.Manifest(), func() service.Partition { return its.New(storage) }},
		{"crypto", crypto.Manifest(), func() service.Partition {
			return crypto.New(crypto.Config{Random: soc.TRNG, Engine: soc.Keys, KeySlots: keySlots(soc)})
		}},
		{"ps", ps.Manifest(), func() service.Partition {
			return ps.New(ps.Config{
				Counter: rollbackCounter{soc.Counters},
				Notice:  func(line string) { log.Warn("protected storage", zap.String("found", line)) },
			})
		}},
		{"attestation", attestation.Manifest(), func() service.Partition {
			return attestation.New(attestation.Config{Device: device})
		}},
	}
	if benchEcho {
		list = append(list, entry{"echo", echo.Manifest(), echo.New})
	}
	parts := make([]spm.Partition, len(list))
	for i, e := range list {
		if parts[i], err = e.parse(); err != nil {
			return nil, err
		}
	}
	m := <-measured
	if m.err != nil {
		return nil, fmt.Errorf("measure the secure world's program: %w", m.err)
	}
	signer := soc.SignerID()
	device.component = attestation.Component{
		Type: "PRoT", Measurement: m.hash[:], Version: Version(), SignerID: signer[:], Description: "sha-256",
	}
	return parts, nil
}

// rollbackCounter is the counter that the medium of Protected Storage is held
// against.
type rollbackCounter struct{ counters *counters.Counters }

func (c rollbackCounter) Read() (uint32, error) { return c.counters.Read(counters.PS0) }
func (c rollbackCounter) Increment() error      { return c.counters.Increment(counters.PS0) }

// identity is what the attestation partition is told of the device.
type identity struct {
	*platform.SoC
	component attestation.Component
}

func (d *identity) SoftwareComponents() []attestation.Component {
	return []attestation.Component{d.component}
}

// measurement is the SHA-256 of the program that is the secure world.
type measurement struct {
	hash [sha256.Size]byte
	err  error
}

// measure does what measured boot does, with the one image that there is on a
// host. Nothing signs it: the signer in the token is the device's root of trust
// from provisioning.
func measure(program io.ReaderAt) (m measurement) {
	if program == nil {
		f, err := os.Open("/proc/self/exe")
		if err != nil {
			return measurement{err: err}
		}
		defer f.Close()
		program = f
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(program, 0, math.MaxInt64)); err != nil {
		return measurement{err: err}
	}
	h.Sum(m.hash[:0])
	return m
}
