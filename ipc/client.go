package ipc

import (
	"errors"
	"net"
	"sync"

	"github.com/postern-spe/postern/veneer"
)

// maxChannels is how many calls of one Client can be under way at once; further
// callers wait for a channel. It leaves room below a server's limit for one
// process.
const maxChannels = 64

// Client is the non-secure end of the veneer: a veneer.Gate over one socket. It
// is safe for concurrent use, with one channel for each call that is under way.
//
// When the secure world has gone away, a call that may have reached it answers
// veneer.ErrCommunicationFailure and is not repeated, since nobody can know
// whether it was carried out. The next call connects anew: to the client a
// restart of the secure world looks like the reset of a chip, after which its
// handles and volatile keys are gone.
type Client struct {
	path string

	mu     sync.Mutex
	freed  sync.Cond        // a channel came back, or its place
	idle   []*clientChannel // the last used is the first used again
	open   int              // channels idle or in use
	closed bool
}

var _ veneer.Gate = (*Client)(nil)

// Dial connects to the socket at path. The error says what is wrong with the
// socket, or is the status that the secure world refused with.
func Dial(path string) (*Client, error) {
	c := &Client{path: path}
	c.freed.L = &c.mu
	ch, err := dialChannel(path)
	if err != nil {
		return nil, err
	}
	c.open = 1
	c.idle = append(c.idle, ch)
	return c, nil
}

// Disconnect ends the client's session: its handles and volatile keys are gone.
// It waits for calls under way. Calls made after it answer
// veneer.ErrCommunicationFailure.
func (c *Client) Disconnect() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for len(c.idle) < c.open {
		c.freed.Wait()
	}
	c.drop()
	return nil
}

// drop closes the idle channels. The caller holds c.mu.
func (c *Client) drop() {
	for _, ch := range c.idle {
		ch.close()
	}
	c.open -= len(c.idle)
	c.idle = c.idle[:0]
}

// acquire returns a channel for one call. fresh says that it was made just now:
// if it is dead all the same, there is nobody to connect to.
func (c *Client) acquire() (ch *clientChannel, fresh bool, err error) {
	c.mu.Lock()
	for {
		if c.closed {
			c.mu.Unlock()
			return nil, false, net.ErrClosed
		}
		if n := len(c.idle); n > 0 {
			ch, c.idle = c.idle[n-1], c.idle[:n-1]
			c.mu.Unlock()
			return ch, false, nil
		}
		if c.open < maxChannels {
			break
		}
		c.freed.Wait()
	}
	c.open++
	c.mu.Unlock()
	if ch, err = dialChannel(c.path); err != nil {
		c.release(nil)
	}
	return ch, true, err
}

// release gives a channel back, or with nil the place of one that is no more.
func (c *Client) release(ch *clientChannel) {
	c.mu.Lock()
	if ch != nil {
		c.idle = append(c.idle, ch)
	} else {
		c.open--
		// One channel's end is as a rule the end of the secure process, and so
		// of all of them.
		c.drop()
	}
	c.mu.Unlock()
	c.freed.Signal()
}

// do makes one call, and reports whether it has an answer.
func (c *Client) do(req *request, in []veneer.InVec, out []veneer.OutVec) (reply, bool) {
	for {
		ch, fresh, err := c.acquire()
		if err != nil {
			return reply{}, false
		}
		rep, err := ch.roundTrip(req, in, out)
		if err == nil {
			c.release(ch)
			return rep, true
		}
		ch.close()
		c.release(nil)
		if fresh || !errors.Is(err, errNothingSent) {
			return reply{}, false
		}
	}
}

// FrameworkVersion is psa_framework_version.
func (c *Client) FrameworkVersion() uint32 {
	rep, _ := c.do(&request{op: opFrameworkVersion}, nil, nil)
	return uint32(rep.result)
}

// Version is psa_version.
func (c *Client) Version(sid veneer.SID) uint32 {
	rep, _ := c.do(&request{op: opVersion, sid: sid}, nil, nil)
	return uint32(rep.result)
}

// Connect is psa_connect.
func (c *Client) Connect(sid veneer.SID, version uint32) (veneer.Handle, error) {
	rep, ok := c.do(&request{op: opConnect, sid: sid, version: version}, nil, nil)
	switch {
	case !ok:
		return veneer.NullHandle, veneer.ErrCommunicationFailure
	case rep.result <= 0:
		return veneer.NullHandle, veneer.Status(rep.result)
	}
	return veneer.Handle(rep.result), nil
}

// Call is psa_call.
func (c *Client) Call(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) veneer.Status {
	if len(in) > veneer.MaxIOVec || len(out) > veneer.MaxIOVec {
		return veneer.ErrProgrammerError // more than a frame can say
	}
	req := request{op: opCall, handle: h, typ: typ, nin: uint8(len(in)), nout: uint8(len(out))}
	var sent, room int
	for i, v := range in {
		req.inLen[i] = uint32(len(v))
		sent += len(v)
	}
	for i, v := range out {
		req.outCap[i] = uint32(len(v))
		room += len(v)
	}
	if sent > veneer.MaxPayload || room > veneer.MaxPayload {
		return veneer.ErrInsufficientMemory
	}
	rep, ok := c.do(&req, in, out)
	if !ok {
		return veneer.ErrCommunicationFailure
	}
	if rep.flags&flagRefused == 0 {
		for i := range out {
			out[i] = out[i][:rep.outLen[i]]
		}
	}
	return veneer.Status(rep.result)
}

// Close is psa_close.
func (c *Client) Close(h veneer.Handle) {
	if h != veneer.NullHandle {
		c.do(&request{op: opClose, handle: h}, nil, nil)
	}
}
