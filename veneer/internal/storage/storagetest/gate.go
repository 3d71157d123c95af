// Package storagetest is a working twin of Protected Storage behind a gate, and of
// Internal Trusted Storage as far as it is the same: it keeps assets in memory for
// one caller, by the rules of the PSA Secure Storage API. Tests and examples of the clients use it; flash and encryption are the
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
	data     []byte
	capacity uint64 // of one that was created; 0 where it is the size
	flags    psa.StorageFlags
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
		binary.LittleEndian.PutUint32(out[0], 1)
		return veneer.Success, storage.WordSize
	}
	if len(in) == 0 || len(in[0]) != storage.UIDSize {
		return veneer.ErrProgrammerError, 0
	}
	uid := binary.LittleEndian.Uint64(in[0])
	a, ok := g.assets[uid]
	fixed := a.flags&psa.StorageWriteOnce != 0
	switch {
	case uid == 0:
		return veneer.ErrInvalidArgument, 0
	case typ == storage.CallSet && len(in) == 3 && len(in[2]) == storage.WordSize:
		if fixed {
			return veneer.ErrNotPermitted, 0
		}
		g.assets[uid] = asset{data: append(a.data[:0], in[1]...), flags: word(in[2])}
		return veneer.Success, 0
	case typ == storage.CallCreate && len(in) == 3 && len(in[1]) == storage.WordSize && len(in[2]) == storage.WordSize:
		if word(in[2])&psa.StorageWriteOnce != 0 {
			return veneer.ErrNotSupported, 0
		}
		if ok {
			return veneer.ErrAlreadyExists, 0
		}
		g.assets[uid] = asset{capacity: uint64(word(in[1])), flags: word(in[2])}
		return veneer.Success, 0
	case !ok:
		return veneer.ErrDoesNotExist, 0
	case typ == storage.CallGet && len(in) == 2 && len(in[1]) == storage.WordSize && len(out) == 1:
		offset := uint64(word(in[1]))
		if offset > uint64(len(a.data)) {
			return veneer.ErrInvalidArgument, 0
		}
		return veneer.Success, copy(out[0], a.data[offset:])
	case typ == storage.CallSetExtended && len(in) == 3 && len(in[2]) == storage.WordSize:
		offset := uint64(word(in[2]))
		if fixed {
			return veneer.ErrNotPermitted, 0
		}
		if offset > uint64(len(a.data)) || offset+uint64(len(in[1])) > a.room() {
			return veneer.ErrInvalidArgument, 0
		}
		a.data = append(a.data[:offset], in[1]...)[:max(len(a.data), int(offset)+len(in[1]))]
		g.assets[uid] = a
		return veneer.Success, 0
	case typ == storage.CallGetInfo && len(out) == 1 && len(out[0]) == storage.InfoSize:
		info := storage.Info{Capacity: uint32(a.room()), Size: uint32(len(a.data)), Flags: a.flags}
		return veneer.Success, len(info.AppendTo(out[0][:0]))
	case typ == storage.CallRemove:
		if fixed {
			return veneer.ErrNotPermitted, 0
		}
		delete(g.assets, uid)
		return veneer.Success, 0
	}
	return veneer.ErrProgrammerError, 0
}

// room is the asset's capacity.
func (a *asset) room() uint64 { return max(a.capacity, uint64(len(a.data))) }

func word(b []byte) psa.StorageFlags { return psa.StorageFlags(binary.LittleEndian.Uint32(b)) }
