package service

import "github.com/postern-spe/postern/veneer"

// Length is the lengths that a vector of a request may have.
type Length struct{ min, max int }

// Any is a vector of any length, also absent.
var Any = Length{0, veneer.MaxPayload}

// Exactly is a vector of n bytes.
func Exactly(n int) Length { return Length{n, n} }

// AtLeast is a vector of n bytes or more.
func AtLeast(n int) Length { return Length{n, veneer.MaxPayload} }

// Route is one request of a service: the form that its vectors must have, and
// the handler, which is called only when they have it. Vectors not listed must
// be empty.
type Route struct {
	In, Out []Length
	Do      Handler
}

// Fits reports whether the vectors of m have the route's form.
func (r *Route) Fits(m *Message) bool {
	for i := range veneer.MaxIOVec {
		if !fits(m.InSize(i), r.In, i) || !fits(m.OutSize(i), r.Out, i) {
			return false
		}
	}
	return true
}

func fits(size int, want []Length, i int) bool {
	if i >= len(want) {
		return size == 0
	}
	return size >= want[i].min && size <= want[i].max
}

// Routes returns the handler of a service whose requests differ by message type.
// A type that is not in the table answers unknown, and vectors that do not fit
// answer misfit, without a handler being called.
//
// A connection-based service that keeps something for each connection has
// IPCConnect in the table, to call SetRHandle, and IPCDisconnect if something is
// to be given back. The two need no entry: without one they succeed, so that a
// service with nothing to keep lets every caller in whom the SPM has let through.
func Routes(table map[int32]Route, unknown, misfit veneer.Status) Handler {
	return func(m *Message) error {
		r, ok := table[m.Type]
		switch {
		case !ok && (m.Type == IPCConnect || m.Type == IPCDisconnect):
			return nil
		case !ok:
			return unknown
		case !r.Fits(m):
			return misfit
		}
		return r.Do(m)
	}
}
