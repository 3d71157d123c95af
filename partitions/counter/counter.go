// Package counter is the partition that docs/partitions.md shows: a counter for
// each connection. It is an example, and part of no device.
//
// Any client may connect. The request type and the size of the output vector are
// the client's word, and are checked before a handler sees them.
package counter

import (
	_ "embed"
	"encoding/binary"

	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
)

// The service's identity, as in the manifest.
const (
	SID     veneer.SID = 0x0000f100
	Version uint32     = 1
)

// TypeNext is the request for the next number: 4 bytes, little-endian, to output
// vector 0. A connection's first is 1.
const TypeNext int32 = 1

//go:embed counter.yaml
var manifest string

// Manifest returns the partition's manifest in TF-M's format.
func Manifest() []byte { return []byte(manifest) }

// New returns the partition.
func New() service.Partition {
	routes := service.Routes(map[int32]service.Route{
		service.IPCConnect: {Do: connect},
		// Without this length, a client with less room could stop the partition:
		// Write past the end of a vector is a PROGRAMMER ERROR of the service.
		TypeNext: {Out: []service.Length{service.AtLeast(4)}, Do: next},
	}, veneer.ErrNotSupported, veneer.ErrInvalidArgument)
	return service.Partition{Services: map[string]service.Handler{"EXAMPLE_COUNTER": routes}}
}

// connect gives the connection its counter, which comes back with every message.
func connect(m *service.Message) error {
	m.SetRHandle(new(uint32))
	return nil
}

func next(m *service.Message) error {
	n := m.RHandle.(*uint32)
	*n++
	m.Write(0, binary.LittleEndian.AppendUint32(nil, *n))
	return nil
}
