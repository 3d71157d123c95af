package spm

import (
	"math/rand/v2"
	"sync/atomic"

	"github.com/postern-spe/postern/veneer"
)

// A connection handle is positive with bit 30 clear, so that it cannot be taken
// for a stateless one: bits 11:0 are the slot in the table, bits 29:12 the slot's
// generation. A handle that was closed, or made up, meets another generation.
const (
	slotBits       = 12
	generationBits = 18

	maxConnections           = 1 << slotBits
	maxConnectionsPerSession = 256
)

// connection is one client's connection to one connection-based service.
type connection struct {
	handle  veneer.Handle
	service *rotService
	session *Session
	inst    *instance // which the service was when it accepted
	rhandle any       // touched only by whoever made state busy
	state   atomic.Int32
}

// The states of a connection.
const (
	idle int32 = iota
	busy
	dropped
)

// connections is the table of all connections. Looking one up takes no lock.
type connections struct {
	slots [maxConnections]atomic.Pointer[connection]
	// free holds the slots not in use, with their next generation. A queue: the
	// slot that was free for longest is used next, so that a stale handle stays
	// stale for as long as can be.
	free chan slot
}

type slot struct {
	index      uint32
	generation uint32
}

func newConnections() *connections {
	t := &connections{free: make(chan slot, maxConnections)}
	for i := range uint32(maxConnections) {
		// Generations start anywhere, so that the handles of the secure world's
		// previous life mean nothing in this one.
		t.free <- slot{i, rand.Uint32N(1 << generationBits)}
	}
	return t
}

// add gives c a handle. It reports false when the table is full.
func (t *connections) add(c *connection) bool {
	select {
	case s := <-t.free:
		if s.index == 0 && s.generation == 0 {
			s.generation++ // would make the null handle
		}
		c.handle = veneer.Handle(s.generation<<slotBits | s.index)
		t.slots[s.index].Store(c)
		return true
	default:
		return false
	}
}

func (t *connections) remove(c *connection) {
	s := slot{uint32(c.handle) & (maxConnections - 1), uint32(c.handle) >> slotBits}
	t.slots[s.index].Store(nil)
	s.generation = (s.generation + 1) & (1<<generationBits - 1)
	t.free <- s
}

// lookup returns the connection that h is in session s, or nil.
func (t *connections) lookup(h veneer.Handle, s *Session) *connection {
	if h <= 0 || h >= 1<<(slotBits+generationBits) {
		return nil
	}
	c := t.slots[h&(maxConnections-1)].Load()
	if c == nil || c.handle != h || c.session != s {
		return nil
	}
	return c
}
