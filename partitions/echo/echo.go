// Package echo is the smallest useful partition, and the yardstick of the
// benchmarks: its one service gives back what it is given, so that the cost of
// carrying bytes through the gate can be told from the cost of working on them.
//
// It is not part of a device: `spe run --bench-echo` adds it. Any client may
// call it, and it keeps nothing.
package echo

import (
	_ "embed"

	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
)

// The service's identity.
const (
	SID     veneer.SID = 0x0000ff01
	Version uint32     = 1
)

// Handle is the service's stateless handle.
var Handle = veneer.StatelessHandle(32, Version)

// Request types.
const (
	// TypeEcho copies input vector 0 to output vector 0, as far as it has room.
	TypeEcho int32 = 0
	// TypeDiscard looks at nothing and writes nothing.
	TypeDiscard int32 = 1
)

//go:embed echo.yaml
var manifest string

// Manifest returns the partition's manifest in TF-M's format.
func Manifest() []byte { return []byte(manifest) }

// New returns the partition.
func New() service.Partition {
	return service.Partition{Services: map[string]service.Handler{"POSTERN_ECHO": serve}}
}

func serve(m *service.Message) error {
	switch m.Type {
	case TypeDiscard:
		return nil
	case TypeEcho:
		n := min(m.InSize(0), m.OutSize(0))
		if n > 0 {
			copy(m.MapOutVec(0), m.MapInVec(0))
			m.UnmapOutVec(0, n)
		}
		return nil
	}
	return veneer.ErrNotSupported
}
