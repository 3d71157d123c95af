package crypto

import (
	"encoding/binary"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// operation is the caller's end of a multipart operation: the handle that the
// service gave it, 0 when inactive. It is used by one goroutine at a time.
type operation struct {
	c      *Client
	handle uint32
}

// setup starts the operation.
func (o *operation) setup(fn FunctionID, key psa.KeyID, alg psa.Algorithm) error {
	r := o.c.begin(fn)
	r.Key, r.Alg = key, alg
	h, err := o.c.number(r)
	if err == nil {
		o.handle = h
	}
	return err
}

func (o *operation) begin(fn FunctionID) *call {
	r := o.c.begin(fn)
	r.Operation = o.handle
	return r
}

// update sends data in as many calls as the gate needs.
func (o *operation) update(fn FunctionID, data []byte) error {
	for first := true; first || len(data) > 0; first = false {
		part := data[:min(len(data), veneer.MaxPayload-RequestSize)]
		r := o.begin(fn)
		r.send(part)
		if err := o.c.simple(r); err != nil {
			return err
		}
		data = data[len(part):]
	}
	return nil
}

// finish ends the operation: it sends in, where there is any, and receives the
// result in dst. Whatever the status, the service's handle replaces the old one.
func (o *operation) finish(fn FunctionID, in, dst []byte) (int, error) {
	r := o.begin(fn)
	if in != nil {
		r.send(in)
	}
	// A call that is refused on the way leaves the answer as it was: the handle.
	binary.LittleEndian.PutUint32(r.answer[:], o.handle)
	r.receive(r.answer[:4])
	if dst != nil {
		r.receive(dst)
	}
	err := o.c.do(r)
	n := 0
	if len(r.out[0]) == 4 {
		o.handle = binary.LittleEndian.Uint32(r.answer[:])
	}
	if dst != nil {
		n = r.received(1, len(dst))
	}
	o.c.end(r)
	if err != nil {
		return 0, err
	}
	return n, nil
}

// abort ends the operation without a result. It may be called at any time.
func (o *operation) abort(fn FunctionID) error {
	if o.handle == 0 {
		return nil
	}
	r := o.begin(fn)
	_, err := o.c.number(r)
	o.handle = 0
	return err
}
