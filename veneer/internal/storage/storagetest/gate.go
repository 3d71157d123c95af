// Package storagetest is a working twin of a storage service behind a gate: it
// keeps assets in memory for one caller, by the rules of the PSA Secure Storage
// API. Tests and examples of the clients use it; flash and encryption are the
// partitions' matter.
package storagetest

import (
	"encoding/binary"
	"sync"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/internal/storage"
	"github.com/postern-spe/postern/veneer/psa"
)

type asset struct {
	data  []byte
	flags psa.StorageFlags
}

// Gate is a veneer.Gate with one storage service behind it.
type Gate struct {
	handle veneer.Handle
	mu     sync.Mutex
	assets map[uint64]asset

	// Before, if set, is called before each call is answered.
	Before func(typ int32)
}

// NewGate returns a gate whose one service has the handle h.
func NewGate(h veneer.Handle) *Gate {
	return &Gate{handle: h, assets: make(map[uint64]asset)}
}

// FrameworkVersion returns that of FF-M 1.1.
func (g *Gate) FrameworkVersion() uint32 { return veneer.FrameworkVersion11 }

// Version returns 1.
func (g *Gate) Version(veneer.SID) uint32 { return 1 }

// Connect refuses: the service is stateless.
func (g *Gate) Connect(veneer.SID, uint32) (veneer.Handle, error) {
	return veneer.NullHandle, veneer.ErrProgrammerError
}

// Close does nothing.
func (g *Gate) Close(veneer.Handle) {}

// Call answers a request.
func (g *Gate) Call(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) veneer.Status {
	if g.Before != nil {
		g.Before(typ)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	status, n := veneer.ErrProgrammerError, 0
	if h == g.handle {
		status, n = g.answer(typ, in, out)
	}
	for i := range out {
		out[i] = out[i][:n]
	}
	return status
}

func (g *Gate) answer(typ int32, in []veneer.InVec, out []veneer.OutVec) (status veneer.Status, n int) {
	if typ == storage.CallGetSupport && len(in) == 0 && len(out) == 1 && len(out[0]) == storage.WordSize {
		return veneer.Success, copy(out[0], make([]byte, storage.WordSize))
	}
	if len(in) == 0 || len(in[0]) != storage.UIDSize {
		return veneer.ErrProgrammerError, 0
	}
	uid := binary.LittleEndian.Uint64(in[0])
	a, ok := g.assets[uid]
	switch {
	case uid == 0:
		return veneer.ErrInvalidArgument, 0
	case typ == storage.CallSet && len(in) == 3 && len(in[2]) == storage.WordSize:
		if a.flags&psa.StorageWriteOnce != 0 {
			return veneer.ErrNotPermitted, 0
		}
		a.data = append(a.data[:0], in[1]...)
		a.flags = psa.StorageFlags(binary.LittleEndian.Uint32(in[2]))
		g.assets[uid] = a
		return veneer.Success, 0
	case !ok:
		return veneer.ErrDoesNotExist, 0
	case typ == storage.CallGet && len(in) == 2 && len(in[1]) == storage.WordSize && len(out) == 1:
		offset := binary.LittleEndian.Uint32(in[1])
		if uint64(offset) > uint64(len(a.data)) {
			return veneer.ErrInvalidArgument, 0
		}
		return veneer.Success, copy(out[0], a.data[offset:])
	case typ == storage.CallGetInfo && len(out) == 1 && len(out[0]) == storage.InfoSize:
		info := storage.Info{Capacity: uint32(len(a.data)), Size: uint32(len(a.data)), Flags: a.flags}
		return veneer.Success, len(info.AppendTo(out[0][:0]))
	case typ == storage.CallRemove:
		if a.flags&psa.StorageWriteOnce != 0 {
			return veneer.ErrNotPermitted, 0
		}
		delete(g.assets, uid)
		return veneer.Success, 0
	}
	return veneer.ErrProgrammerError, 0
}
