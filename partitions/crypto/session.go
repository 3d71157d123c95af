package crypto

import (
	"sync"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// session is what a caller's session holds: its volatile keys and its multipart
// operations. They end with it.
type session struct {
	mu    sync.RWMutex
	ended bool
	keys  map[psa.KeyID]*key
	ops   map[uint32]*operation
	// lastOp is the handle given last.
	lastOp uint32
}

// sessions finds a caller's session. It is sharded so that callers do not wait
// for each other.
type sessions struct {
	shards [16]struct {
		mu sync.RWMutex
		m  map[veneer.Owner]*session
	}
}

// open returns the owner's session, which it makes if there is none. A message
// opens it before anything else, so that one whose session ends meanwhile does
// not make it anew.
func (t *sessions) open(o veneer.Owner) *session {
	sh := &t.shards[uint64(o.Session)%uint64(len(t.shards))]
	sh.mu.RLock()
	s := sh.m[o]
	sh.mu.RUnlock()
	if s != nil {
		return s
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if s := sh.m[o]; s != nil {
		return s
	}
	if sh.m == nil {
		sh.m = make(map[veneer.Owner]*session)
	}
	s = &session{keys: make(map[psa.KeyID]*key), ops: make(map[uint32]*operation)}
	sh.m[o] = s
	return s
}

// remove takes the owner's session out of the table.
func (t *sessions) remove(o veneer.Owner) *session {
	sh := &t.shards[uint64(o.Session)%uint64(len(t.shards))]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.m[o]
	delete(sh.m, o)
	return s
}

// endSession wipes and drops what the session holds. A call that is still under
// way finishes with what it has; it can add nothing to a session that has ended.
func (p *partition) endSession(o veneer.Owner) {
	s := p.sessions.remove(o)
	if s == nil {
		return
	}
	s.mu.Lock()
	keys, ops := s.keys, s.ops
	s.ended, s.keys, s.ops = true, nil, nil
	s.mu.Unlock()
	for id, k := range keys {
		k.end()
		p.ids.free(id)
	}
	for _, op := range ops {
		op.end()
	}
}

// key returns a volatile key of the session.
func (s *session) key(id psa.KeyID) *key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.keys[id]
}

// addVolatile gives k an identifier and puts it into the session.
func (p *partition) addVolatile(s *session, k *key) (psa.KeyID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return psa.NullKey, veneer.ErrBadState
	}
	if len(s.keys) >= p.limits.VolatileKeys {
		return psa.NullKey, veneer.ErrInsufficientMemory
	}
	id, ok := p.ids.take()
	if !ok {
		return psa.NullKey, veneer.ErrInsufficientMemory
	}
	k.attrs.ID = id
	s.keys[id] = k
	return id, nil
}

// destroyVolatile ends a key of the session.
func (p *partition) destroyVolatile(s *session, id psa.KeyID) error {
	s.mu.Lock()
	k := s.keys[id]
	delete(s.keys, id)
	s.mu.Unlock()
	if k == nil {
		return veneer.ErrInvalidHandle
	}
	k.end()
	p.ids.free(id)
	return nil
}

// volatileIDs gives out the identifiers of volatile keys, each to one key of the
// whole partition at a time, and every other before the same again: a stale
// identifier names nothing for as long as possible.
type volatileIDs struct {
	mu   sync.Mutex
	last psa.KeyID
	used map[psa.KeyID]struct{}
}

func (v *volatileIDs) take() (psa.KeyID, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.used == nil {
		v.used = make(map[psa.KeyID]struct{})
		v.last = psa.VolatileIDMin - 1
	}
	const all = int(psa.VolatileIDMax - psa.VolatileIDMin + 1)
	for len(v.used) < all {
		if v.last++; v.last > psa.VolatileIDMax {
			v.last = psa.VolatileIDMin
		}
		if _, taken := v.used[v.last]; !taken {
			v.used[v.last] = struct{}{}
			return v.last, true
		}
	}
	return psa.NullKey, false
}

func (v *volatileIDs) free(id psa.KeyID) {
	v.mu.Lock()
	delete(v.used, id)
	v.mu.Unlock()
}
