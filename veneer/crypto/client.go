package crypto

import (
	"encoding/binary"
	"sync"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// Client calls the Crypto service through a gate. It is safe for concurrent use.
type Client struct {
	gate  veneer.Gate
	calls sync.Pool
}

// New returns a client over g.
func New(g veneer.Gate) *Client {
	return &Client{gate: g, calls: sync.Pool{New: func() any { return new(call) }}}
}

// call is one call being made: the request block and the vectors, kept together
// so that a call costs no allocation.
type call struct {
	Request
	block  [RequestSize]byte
	fixed  [psa.AttributesSize]byte // the attributes or the handle that goes in
	answer [psa.AttributesSize]byte // the attributes, handle or number that comes out
	in     [veneer.MaxIOVec]veneer.InVec
	out    [veneer.MaxIOVec]veneer.OutVec
	nin    int
	nout   int
}

func (c *Client) begin(fn FunctionID) *call {
	r := c.calls.Get().(*call)
	r.Request = Request{Function: fn}
	r.nin, r.nout = 1, 0
	return r
}

// end returns the call to the pool. Nothing of the caller's stays referenced.
func (c *Client) end(r *call) {
	clear(r.in[:])
	clear(r.out[:])
	c.calls.Put(r)
}

func (r *call) send(b []byte) {
	r.in[r.nin] = b
	r.nin++
}

func (r *call) receive(b []byte) {
	r.out[r.nout] = b
	r.nout++
}

func (r *call) sendAttributes(a *psa.KeyAttributes) { r.send(a.AppendTo(r.fixed[:0])) }

// received is how many bytes the service wrote to output vector i. A gate that
// claims more than there is room for is not believed.
func (r *call) received(i, room int) int { return min(len(r.out[i]), room) }

// word is the u32 that output vector 0 brought.
func (r *call) word() (uint32, error) {
	if r.received(0, 4) != 4 {
		return 0, veneer.ErrCommunicationFailure
	}
	return binary.LittleEndian.Uint32(r.answer[:]), nil
}

func (c *Client) do(r *call) error {
	r.in[0] = r.Request.AppendTo(r.block[:0])
	return c.gate.Call(Handle, CallFunction, r.in[:r.nin], r.out[:r.nout]).Err()
}

// simple makes a call whose answer is its status.
func (c *Client) simple(r *call) error {
	err := c.do(r)
	c.end(r)
	return err
}

// fill makes a call whose answer is output vector 0, which it receives in dst;
// it returns how many bytes came.
func (c *Client) fill(r *call, dst []byte) (int, error) {
	r.receive(dst)
	err := c.do(r)
	n := r.received(0, len(dst))
	c.end(r)
	if err != nil {
		return 0, err
	}
	return n, nil
}

// number makes a call whose answer is a u32 in output vector 0.
func (c *Client) number(r *call) (uint32, error) {
	r.receive(r.answer[:4])
	err := c.do(r)
	if err != nil {
		c.end(r)
		return 0, err
	}
	n, err := r.word()
	c.end(r)
	return n, err
}
