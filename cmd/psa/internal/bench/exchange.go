package bench

import (
	"fmt"

	"github.com/postern-spe/postern/ipc"
	"github.com/postern-spe/postern/veneer"
)

// exchange is the bytes that one call moves each way, without frame headers.
type exchange struct{ in, out int }

// requestFrame and replyFrame are what the call puts on the socket: the one
// place where this package depends on how the gate is carried.
func (x exchange) requestFrame() int { return ipc.RequestHeaderSize + x.in }
func (x exchange) replyFrame() int   { return ipc.ReplyHeaderSize + x.out }

// meter is a gate that notes what passes through it, so that the yardsticks
// carry the very bytes that an operation does, whatever its client packs.
type meter struct {
	veneer.Gate
	watching bool
	calls    int
	seen     exchange
}

func (m *meter) FrameworkVersion() uint32 {
	if m.watching {
		m.calls++
	}
	return m.Gate.FrameworkVersion()
}

func (m *meter) Call(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) veneer.Status {
	status := m.Gate.Call(h, typ, in, out)
	if m.watching {
		m.calls++
		for _, v := range in {
			m.seen.in += len(v)
		}
		for _, v := range out {
			m.seen.out += len(v)
		}
	}
	return status
}

// observe performs an operation twice and returns what the second call moved;
// the first may have had something to set up.
func (m *meter) observe(t *trial) (exchange, error) {
	for _, watch := range []bool{false, true} {
		m.watching = watch
		err := t.call()
		m.watching = false
		if err != nil {
			return exchange{}, err
		}
		if t.undo != nil {
			if err := t.undo(); err != nil {
				return exchange{}, fmt.Errorf("undo: %w", err)
			}
		}
	}
	if m.calls != 1 {
		return exchange{}, fmt.Errorf("one operation made %d calls, so no yardstick compares", m.calls)
	}
	return m.seen, nil
}

// The echo service, which a secure world has for measurements only. Its request
// copies input vector 0 to output vector 0, up to its capacity.
const (
	echoSID     veneer.SID = 0x0000FF01
	echoNumber             = 32
	echoVersion            = 1
	echoCopy    int32      = 0
)

// echoCall returns a call that does nothing but carry the bytes of x. The
// service returns no more than it is given, so a call with a longer reply than
// request is echoed with a request of the reply's length.
func echoCall(gate veneer.Gate, x exchange) func() error {
	h := veneer.StatelessHandle(echoNumber, echoVersion)
	request, room := make([]byte, max(x.in, x.out)), make([]byte, x.out)
	in, out := []veneer.InVec{request}, []veneer.OutVec{room}
	return func() error {
		out[0] = room // the last call has re-sliced it
		if err := gate.Call(h, echoCopy, in, out).Err(); err != nil {
			return err
		}
		if len(out[0]) != x.out {
			return fmt.Errorf("the echo service returned %d of %d bytes", len(out[0]), x.out)
		}
		return nil
	}
}
