package ipc

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/veneer"
)

// smallFrame is how much of a frame a channel of the client has memory for. What
// is larger goes from and to the caller's own.
const smallFrame = 8 << 10

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

// errNothingSent marks the failure of a channel that was dead before any byte of
// the request was on its way.
var errNothingSent = errors.New("nothing sent")

// clientChannel is the client's end of one channel.
type clientChannel struct {
	fd  int
	seq uint32
	buf [smallFrame]byte
	vec [veneer.MaxIOVec + 1][]byte
}

func dialChannel(path string) (*clientChannel, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	b := hello{protocolVersion, protocolVersion}.encode()
	// A server that has no room may answer and leave before it reads: then the
	// write fails, and what it said is there to be read all the same.
	conn.Write(b[:])
	if _, err := io.ReadFull(conn, b[:]); err != nil {
		return nil, fmt.Errorf("%s: no greeting: %w", path, err)
	}
	var w welcome
	if err := w.decode(b); err != nil {
		return nil, fmt.Errorf("%s: not a secure world's veneer socket: %w", path, err)
	}
	if w.status != veneer.Success {
		return nil, fmt.Errorf("%s: %w", path, w.status)
	}
	if w.version != protocolVersion {
		return nil, fmt.Errorf("%s: speaks frames of version %d, this program of version %d", path, w.version, protocolVersion)
	}
	fd, err := detach(conn)
	if err != nil {
		return nil, err
	}
	return &clientChannel{fd: fd}, nil
}

func (ch *clientChannel) close() { unix.Close(ch.fd) }

// roundTrip sends a request and fills out from its reply, whose header it
// returns. After an error the channel is of no more use.
func (ch *clientChannel) roundTrip(req *request, in []veneer.InVec, out []veneer.OutVec) (rep reply, err error) {
	ch.seq++
	req.seq = ch.seq
	sent, err := ch.send(req, in)
	if err != nil {
		if sent == 0 && isGone(err) {
			err = errNothingSent
		}
		return rep, err
	}
	return rep, ch.receive(&rep, req, out)
}

// send writes the request frame: in one piece when it fits the channel's
// memory, else from where the caller's vectors are. It returns how many bytes
// went out.
func (ch *clientChannel) send(req *request, in []veneer.InVec) (int, error) {
	req.length = RequestHeaderSize
	for _, n := range req.inLen {
		req.length += n
	}
	req.encode(ch.buf[:])
	vec := append(ch.vec[:0], ch.buf[:RequestHeaderSize])
	if int(req.length) <= len(ch.buf) {
		at := RequestHeaderSize
		for _, v := range in {
			at += copy(ch.buf[at:], v)
		}
		vec[0] = ch.buf[:at]
		// What lies here may be a key; the next frame may be shorter.
		defer clear(ch.buf[RequestHeaderSize:at])
		// The socket of a client that waits for each reply has room, so this
		// does not have to wait.
		if n, errno := dontWait(unix.SYS_SENDTO, ch.fd, vec[0], unix.MSG_NOSIGNAL); errno == 0 {
			if n == at {
				return n, nil
			}
			m, err := transfer(ch.fd, unix.Writev, "writev", advance(vec, n), at-n)
			return n + m, err
		} else if errno != unix.EAGAIN && errno != unix.EINTR {
			return 0, os.NewSyscallError("sendto", errno)
		}
	} else {
		for _, v := range in {
			if len(v) > 0 {
				vec = append(vec, v)
			}
		}
	}
	return transfer(ch.fd, unix.Writev, "writev", vec, int(req.length))
}

// receive reads the reply frame.
func (ch *clientChannel) receive(rep *reply, req *request, out []veneer.OutVec) error {
	room := 0
	for _, v := range out {
		room += len(v)
	}
	if ReplyHeaderSize+room <= len(ch.buf) {
		return ch.receiveSmall(rep, req, out)
	}
	// A large reply goes straight to the caller's memory. With one vector to
	// fill, its bytes can come in the same system call as the header.
	vec := append(ch.vec[:0], ch.buf[:ReplyHeaderSize])
	if len(out) == 1 {
		vec = append(vec, out[0])
	}
	n, err := transfer(ch.fd, unix.Readv, "readv", vec, ReplyHeaderSize)
	if err != nil {
		return err
	}
	if err := rep.decode(ch.buf[:ReplyHeaderSize], req); err != nil {
		return err
	}
	if n > int(rep.length) {
		return &frameError{int(rep.length), "bytes after the reply"}
	}
	vec = ch.vec[:0]
	for i, v := range out {
		vec = append(vec, v[:rep.outLen[i]])
	}
	// What the first call brought is of the first vector, if it is of any.
	vec = advance(vec, n-ReplyHeaderSize)
	_, err = transfer(ch.fd, unix.Readv, "readv", vec, int(rep.length)-n)
	return err
}

func (ch *clientChannel) receiveSmall(rep *reply, req *request, out []veneer.OutVec) error {
	n, err := readAtLeast(ch.fd, ch.buf[:], ReplyHeaderSize)
	if err != nil {
		return err
	}
	if err := rep.decode(ch.buf[:], req); err != nil {
		return err
	}
	if n > int(rep.length) {
		return &frameError{int(rep.length), "bytes after the reply"}
	}
	if _, err := readAtLeast(ch.fd, ch.buf[n:rep.length], int(rep.length)-n); err != nil {
		return err
	}
	at := ReplyHeaderSize
	for i := range out {
		at += copy(out[i], ch.buf[at:at+int(rep.outLen[i])])
	}
	clear(ch.buf[ReplyHeaderSize:at])
	return nil
}

// transfer repeats a vectored read or write until at least n bytes have moved,
// and returns how many have.
func transfer(fd int, call func(int, [][]byte) (int, error), name string, vec [][]byte, n int) (int, error) {
	moved := 0
	for moved < n {
		m, err := call(fd, vec)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return moved, os.NewSyscallError(name, err)
		case m == 0:
			return moved, io.ErrUnexpectedEOF
		}
		moved += m
		vec = advance(vec, m)
	}
	return moved, nil
}

// advance takes the first n bytes off the vectors.
func advance(vec [][]byte, n int) [][]byte {
	for len(vec) > 0 && n >= len(vec[0]) {
		n -= len(vec[0])
		vec = vec[1:]
	}
	if len(vec) > 0 {
		vec[0] = vec[0][n:]
	}
	return vec
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
