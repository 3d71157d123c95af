package ipc

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/veneer"
)

// smallFrame is how much of a frame a channel of the client has memory for. What
// is larger goes from and to the caller's own.
const smallFrame = 8 << 10

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

// MaxSocketPath is the longest path of a Unix socket in bytes (unix(7): sun_path, less
// its final zero).
const MaxSocketPath = 107

func dialChannel(path string) (*clientChannel, error) {
	if len(path) > MaxSocketPath {
		return nil, fmt.Errorf("%s: has %d bytes, and the path of a Unix socket at most %d", path, len(path), MaxSocketPath)
	}
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
