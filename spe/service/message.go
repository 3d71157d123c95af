package service

import (
	"fmt"

	"github.com/postern-spe/postern/veneer"
)

// The message types that are not requests (FF-M 1.1, psa_msg_t). A request has
// the type its caller gave it, 0..veneer.MaxCallType.
const (
	IPCConnect    int32 = -1
	IPCDisconnect int32 = -2
)

// Message is psa_msg_t together with the calls of psa/service.h that act on a
// message: one request, connection or disconnection, from its delivery until
// the service's answer. Vector contents are the SPM's private copy, so a caller
// cannot change them while the service looks at them.
//
// A method used against the rules of FF-M (a vector index past
// veneer.MaxIOVec, more output than its capacity, a vector both read and
// mapped) is a PROGRAMMER ERROR of the partition: it panics with a *Violation,
// and the SPM stops the partition. A Message is used by one goroutine at a time
// and never after the answer.
type Message struct {
	// Type is IPCConnect, IPCDisconnect or the type of the request.
	Type int32
	// Owner is the caller: psa_msg_t.client_id, and the session it calls in.
	Owner veneer.Owner
	// RHandle is psa_msg_t.rhandle: what the service last gave SetRHandle for
	// this connection, nil for a stateless service.
	RHandle any

	in, out  [veneer.MaxIOVec]vector
	mm       bool
	answered bool
}

// vector is one input or output vector and how far the service has got in it.
type vector struct {
	mem    []byte // input: the bytes; output: the capacity
	done   int    // input: bytes read or skipped; output: bytes written
	copied bool   // Read, Skip or Write has been used
	mapped bool   // mapped now
	spent  bool   // has been mapped: it cannot be again
}

// Violation is a PROGRAMMER ERROR that a partition made in using its message.
type Violation struct {
	Call   string // the call of psa/service.h
	Reason string
}

func (v *Violation) Error() string { return v.Call + ": " + v.Reason }

func violate(call, format string, args ...any) {
	panic(&Violation{call, fmt.Sprintf(format, args...)})
}

// Deliver makes m the message of one request. The SPM calls it, and the host of
// a partition that runs in its own process; a partition does not. Deliver keeps
// in and out, whose bytes the service then reads and writes. mmIOVec says
// whether the service's manifest enables mapped vectors.
func (m *Message) Deliver(typ int32, owner veneer.Owner, rhandle any, mmIOVec bool, in []veneer.InVec, out []veneer.OutVec) {
	*m = Message{Type: typ, Owner: owner, RHandle: rhandle, mm: mmIOVec}
	for i := range in {
		m.in[i].mem = in[i]
	}
	for i := range out {
		m.out[i].mem = out[i]
	}
}

// Answer ends the message: from here on the partition may not touch it. It
// leaves in written how many bytes the service wrote to each output vector.
// The SPM calls it.
func (m *Message) Answer(written *[veneer.MaxIOVec]int) {
	m.answered = true
	for i := range m.out {
		written[i] = m.out[i].done
		m.in[i].mem, m.out[i].mem = nil, nil
	}
}

// InSize is psa_msg_t.in_size[i]: the length of input vector i in bytes, 0
// where there is none.
func (m *Message) InSize(i int) int { return len(m.vec("in_size", &m.in, i).mem) }

// OutSize is psa_msg_t.out_size[i]: the capacity of output vector i in bytes, 0
// where there is none.
func (m *Message) OutSize(i int) int { return len(m.vec("out_size", &m.out, i).mem) }

// InCount returns the number of input vectors up to the last that is not empty.
// Trailing vectors of length 0 cannot be told from absent ones (FF-M 1.1).
func (m *Message) InCount() int { return count(&m.in) }

// OutCount returns the number of output vectors up to the last that has room.
func (m *Message) OutCount() int { return count(&m.out) }

func count(vs *[veneer.MaxIOVec]vector) int {
	for n := len(vs); n > 0; n-- {
		if len(vs[n-1].mem) > 0 {
			return n
		}
	}
	return 0
}

// Read is psa_read: it copies the next bytes of input vector i to buf and
// returns how many, fewer than len(buf) only at the vector's end.
func (m *Message) Read(i int, buf []byte) int {
	v := m.copying("psa_read", &m.in, i)
	n := copy(buf, v.mem[v.done:])
	v.done += n
	return n
}

// Skip is psa_skip: it passes over the next n bytes of input vector i and
// returns how many there were.
func (m *Message) Skip(i, n int) int {
	v := m.copying("psa_skip", &m.in, i)
	if n < 0 {
		violate("psa_skip", "a length of %d", n)
	}
	n = min(n, len(v.mem)-v.done)
	v.done += n
	return n
}

// Write is psa_write: it appends data to output vector i, which must have room
// for it.
func (m *Message) Write(i int, data []byte) {
	v := m.copying("psa_write", &m.out, i)
	if len(data) > len(v.mem)-v.done {
		violate("psa_write", "%d bytes to output vector %d, which has room for %d", len(data), i, len(v.mem)-v.done)
	}
	v.done += copy(v.mem[v.done:], data)
}

// MapInVec is psa_map_invec: it returns the bytes of input vector i where they
// are, until UnmapInVec or the answer. The service does not write to them. The
// vector must not be empty and must not have been read, skipped or mapped
// before; the service's manifest must enable mm_iovec.
func (m *Message) MapInVec(i int) []byte { return m.mapping("psa_map_invec", &m.in, i).mem }

// UnmapInVec is psa_unmap_invec.
func (m *Message) UnmapInVec(i int) { m.unmapping("psa_unmap_invec", &m.in, i) }

// MapOutVec is psa_map_outvec: it returns the room of output vector i, for the
// service to write to, until UnmapOutVec or the answer. What it writes counts
// only once UnmapOutVec says how much.
func (m *Message) MapOutVec(i int) []byte { return m.mapping("psa_map_outvec", &m.out, i).mem }

// UnmapOutVec is psa_unmap_outvec: n bytes were written from the vector's start.
func (m *Message) UnmapOutVec(i, n int) {
	v := m.unmapping("psa_unmap_outvec", &m.out, i)
	if n < 0 || n > len(v.mem) {
		violate("psa_unmap_outvec", "%d bytes written to vector %d, which has room for %d", n, i, len(v.mem))
	}
	v.done = n
}

// SetRHandle is psa_set_rhandle: later messages of this connection carry r.
func (m *Message) SetRHandle(r any) {
	m.alive("psa_set_rhandle")
	m.RHandle = r
}

func (m *Message) alive(call string) {
	if m.answered {
		violate(call, "the message has been answered")
	}
}

func (m *Message) vec(call string, vs *[veneer.MaxIOVec]vector, i int) *vector {
	m.alive(call)
	if i < 0 || i >= len(vs) {
		violate(call, "no vector %d", i)
	}
	return &vs[i]
}

func (m *Message) request(call string, vs *[veneer.MaxIOVec]vector, i int) *vector {
	v := m.vec(call, vs, i)
	if m.Type < 0 {
		violate(call, "a message of type %d carries no vectors", m.Type)
	}
	return v
}

func (m *Message) copying(call string, vs *[veneer.MaxIOVec]vector, i int) *vector {
	v := m.request(call, vs, i)
	if v.spent {
		violate(call, "vector %d has been mapped", i)
	}
	v.copied = true
	return v
}

func (m *Message) mapping(call string, vs *[veneer.MaxIOVec]vector, i int) *vector {
	v := m.request(call, vs, i)
	switch {
	case !m.mm:
		violate(call, "the service's manifest does not enable mm_iovec")
	case len(v.mem) == 0:
		violate(call, "vector %d is empty", i)
	case v.copied:
		violate(call, "vector %d has been read or written", i)
	case v.spent:
		violate(call, "vector %d has been mapped before", i)
	}
	v.mapped, v.spent = true, true
	return v
}

func (m *Message) unmapping(call string, vs *[veneer.MaxIOVec]vector, i int) *vector {
	v := m.request(call, vs, i)
	if !v.mapped {
		violate(call, "vector %d is not mapped", i)
	}
	v.mapped = false
	return v
}
