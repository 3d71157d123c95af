package ipc

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// smallFrame is how much of a frame a channel has memory for at all times; a
// larger one borrows from the pools for the length of its call.
const smallFrame = 8 << 10

// frames lends memory for frames above smallFrame: whole-size for any call, and
// a middle size that most bulk calls fit.
var frames = struct{ middle, whole sync.Pool }{
	sync.Pool{New: func() any { b := make([]byte, 72<<10); return &b }},
	sync.Pool{New: func() any { b := make([]byte, maxRequest); return &b }},
}

// lease is memory on loan from frames, or, for what fits there, a channel's own.
type lease struct {
	own   []byte
	loan  *[]byte
	taken int // bytes handed out, which are wiped when given back
}

func (l *lease) take(n int) []byte {
	l.taken = n
	switch {
	case n <= len(l.own):
		return l.own[:n]
	case n <= 72<<10:
		l.loan = frames.middle.Get().(*[]byte)
	default:
		l.loan = frames.whole.Get().(*[]byte)
	}
	return (*l.loan)[:n]
}

// giveBack wipes the memory, since it held a client's data or keys, and may hold
// another's next.
func (l *lease) giveBack() {
	if l.loan == nil {
		clear(l.own[:min(l.taken, len(l.own))])
		l.taken = 0
		return
	}
	clear((*l.loan)[:l.taken])
	l.taken = 0
	if cap(*l.loan) <= 72<<10 {
		frames.middle.Put(l.loan)
	} else {
		frames.whole.Put(l.loan)
	}
	l.loan = nil
}

// socketCarrier carries frames over a blocking stream socket. The thread that
// serves the channel waits in the kernel for the next frame itself: handing the
// wait to a poller would cost a wake-up of another thread for every call.
type socketCarrier struct {
	fd      int
	stopped atomic.Bool
	first   [smallFrame]byte // what the first read of a frame brings
	dirty   int
	in, out lease
}

func newSocketCarrier(fd int) *socketCarrier {
	return &socketCarrier{fd: fd, out: lease{own: make([]byte, smallFrame)}}
}

func (c *socketCarrier) receive(r *request) ([]byte, error) {
	have, err := readAtLeast(c.fd, c.first[:], RequestHeaderSize)
	c.dirty = have
	if err != nil {
		return nil, c.why(err)
	}
	if err := r.decode(c.first[:RequestHeaderSize]); err != nil {
		return nil, err
	}
	if have > int(r.length) {
		return nil, &frameError{int(r.length), "bytes after the frame, which no reply has answered yet"}
	}
	got := c.first[RequestHeaderSize:have]
	need := int(r.length) - RequestHeaderSize
	if len(got) == need {
		return got, nil
	}
	payload := c.first[RequestHeaderSize:]
	if need > len(payload) {
		payload = c.in.take(need)
		copy(payload, got)
	}
	payload = payload[:need]
	if _, err := readAtLeast(c.fd, payload[len(got):], need-len(got)); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, c.why(err)
	}
	c.dirty = min(int(r.length), len(c.first))
	return payload, nil
}

func (c *socketCarrier) room(n int) []byte { return c.out.take(n) }

func (c *socketCarrier) send(frame []byte) error {
	for len(frame) > 0 {
		n, err := unix.Write(c.fd, frame)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return c.why(os.NewSyscallError("write", err))
		}
		frame = frame[n:]
	}
	return nil
}

func (c *socketCarrier) done() {
	clear(c.first[:c.dirty])
	c.in.giveBack()
	c.out.giveBack()
}

func (c *socketCarrier) stop() {
	c.stopped.Store(true)
	unix.Shutdown(c.fd, unix.SHUT_RDWR)
}

func (c *socketCarrier) close() {
	c.done()
	unix.Close(c.fd)
}

// why replaces the error of a channel that was stopped, and of a client that
// is gone, by what it means.
func (c *socketCarrier) why(err error) error {
	switch {
	case c.stopped.Load():
		return net.ErrClosed
	case isGone(err):
		return io.EOF
	}
	return err
}

// isGone reports whether err says that the peer has closed its end.
func isGone(err error) bool {
	se, ok := err.(*os.SyscallError)
	return ok && (se.Err == unix.EPIPE || se.Err == unix.ECONNRESET)
}

// readAtLeast reads from fd until buf holds least bytes or more. It returns
// io.EOF when the peer left before the first byte, io.ErrUnexpectedEOF after.
func readAtLeast(fd int, buf []byte, least int) (int, error) {
	n := 0
	for n < least {
		m, err := unix.Read(fd, buf[n:])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return n, os.NewSyscallError("read", err)
		case m == 0 && n == 0:
			return 0, io.EOF
		case m == 0:
			return n, io.ErrUnexpectedEOF
		}
		n += m
	}
	return n, nil
}
