package c_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// Sizes and numbers of the protocol, written down here a second time: the tests
// speak the frames by hand, so that the C file is held against the layout and
// not against another implementation of it.
const (
	greetingSize = 16
	requestSize  = 64
	replySize    = 32
	maxPayload   = 1 << 20

	opFrameworkVersion = 1
	opVersion          = 2
	opConnect          = 3
	opCall             = 4
	opClose            = 5

	refused = 1
)

var le = binary.LittleEndian

// request is one frame from the C program.
type request struct {
	op      uint16
	nin     int
	seq     uint32
	handle  int32
	sid     uint32
	version uint32
	typ     int32
	in      [][]byte
	room    []uint32
	length  int // bytes of the frame
}

// readRequest reads one frame and fails on whatever the secure world would drop
// a channel for.
func readRequest(r io.Reader) (request, error) {
	var h [requestSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return request{}, err
	}
	q := request{
		op: le.Uint16(h[4:]), nin: int(h[6]), seq: le.Uint32(h[8:]), handle: int32(le.Uint32(h[12:])),
		sid: le.Uint32(h[16:]), version: le.Uint32(h[20:]), typ: int32(le.Uint32(h[24:])),
		length: int(le.Uint32(h[0:])),
	}
	nout := int(h[7])
	if q.op < opFrameworkVersion || q.op > opClose || q.nin > 4 || nout > 4 || le.Uint32(h[28:]) != 0 {
		return q, fmt.Errorf("malformed request % x", h)
	}
	sum, room := requestSize, uint64(0)
	for i := range 4 {
		in, out := le.Uint32(h[32+4*i:]), le.Uint32(h[48+4*i:])
		if i >= q.nin && in != 0 || i >= nout && out != 0 {
			return q, fmt.Errorf("length of an absent vector: % x", h)
		}
		if i < nout {
			q.room = append(q.room, out)
		}
		if i < q.nin {
			q.in = append(q.in, make([]byte, in))
		}
		sum += int(in)
		room += uint64(out)
	}
	if sum != q.length || sum > requestSize+maxPayload || room > maxPayload {
		return q, fmt.Errorf("lengths do not add up: % x", h)
	}
	for _, v := range q.in {
		if _, err := io.ReadFull(r, v); err != nil {
			return q, err
		}
	}
	return q, nil
}

// reply encodes an honest answer to q; a script may then damage it.
func (q request) reply(result int32, flags byte, out ...[]byte) []byte {
	b := make([]byte, replySize)
	le.PutUint16(b[4:], q.op)
	b[6], b[7] = byte(len(q.room)), flags
	le.PutUint32(b[8:], q.seq)
	le.PutUint32(b[12:], uint32(result))
	for i, o := range out {
		le.PutUint32(b[16+4*i:], uint32(len(o)))
		b = append(b, o...)
	}
	le.PutUint32(b[0:], uint32(len(b)))
	return b
}

// welcome is the secure world's greeting.
func welcome(version uint16, status int32, max uint32) []byte {
	b := append([]byte("PSTN"), make([]byte, greetingSize-4)...)
	le.PutUint16(b[4:], version)
	le.PutUint32(b[8:], uint32(status))
	le.PutUint32(b[12:], max)
	return b
}

// channel is one accepted connection of a peer.
type channel struct {
	*net.UnixConn
	peer *peer
	pid  int32
}

// Close hangs up. A client that another test is just starting still holds the
// descriptor until it executes, so closing alone would not be seen at once.
func (c *channel) Close() error {
	shutdown(c.UnixConn)
	return c.UnixConn.Close()
}

func shutdown(s syscall.Conn) {
	if raw, err := s.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { syscall.Shutdown(int(fd), syscall.SHUT_RDWR) })
	}
}

// peer is what the C program takes for the secure world: a listener whose
// channels each run a script.
type peer struct {
	path   string
	script func(*channel) error

	ln *net.UnixListener
	wg sync.WaitGroup

	mu       sync.Mutex
	conns    map[*channel]struct{}
	accepted int
	requests int
	errs     []error
	handles  map[int32]int32 // connection handle to the pid that owns it
	next     int32
}

// listenPeer starts a peer at path. It is stopped when the test ends, and fails
// the test if a script returned an error: that the client hung up is none.
func listenPeer(t *testing.T, path string, script func(*channel) error) *peer {
	t.Helper()
	p, err := startPeer(path, script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stop()
		for _, err := range p.errs {
			t.Error(err)
		}
	})
	return p
}

func startPeer(path string, script func(*channel) error) (*peer, error) {
	os.Remove(path)
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	// A peer that comes after this one has put its own socket there by then.
	ln.SetUnlinkOnClose(false)
	p := &peer{path: path, script: script, ln: ln, conns: map[*channel]struct{}{}, handles: map[int32]int32{}}
	// As in the secure world, so that handles of an earlier peer are not this one's.
	p.next = rand.Int32N(1 << 29)
	p.wg.Go(p.accept)
	return p, nil
}

func (p *peer) accept() {
	for {
		c, err := p.ln.AcceptUnix()
		if err != nil {
			return
		}
		ch := &channel{UnixConn: c, peer: p, pid: peerPID(c)}
		p.mu.Lock()
		p.accepted++
		p.conns[ch] = struct{}{}
		p.mu.Unlock()
		p.wg.Go(func() {
			err := p.script(ch)
			p.mu.Lock()
			defer p.mu.Unlock()
			ch.Close()
			delete(p.conns, ch)
			if err != nil && !hungUp(err) {
				p.errs = append(p.errs, err)
			}
		})
	}
}

// stop ends the peer as a killed process ends: the listener and all channels.
func (p *peer) stop() {
	shutdown(p.ln)
	p.ln.Close()
	p.mu.Lock()
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// counts returns how many channels were accepted and how many requests came.
func (p *peer) counts() (accepted, requests int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted, p.requests
}

func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

func peerPID(c *net.UnixConn) int32 {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	var pid int32
	raw.Control(func(fd uintptr) {
		if cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			pid = cred.Pid
		}
	})
	return pid
}

// greet reads the client's greeting and answers it.
func (c *channel) greet() error {
	var b [greetingSize]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return err
	}
	if want := []byte("PSTN\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"); !bytes.Equal(b[:], want) {
		return fmt.Errorf("greeting % x, want % x", b, want)
	}
	_, err := c.Write(welcome(1, 0, maxPayload))
	return err
}

// next reads a request and counts it.
func (c *channel) next() (request, error) {
	q, err := readRequest(c)
	if err == nil {
		c.peer.mu.Lock()
		c.peer.requests++
		c.peer.mu.Unlock()
	}
	return q, err
}

// serve is the honest script: greeting, then the echo service.
func serve(c *channel) error {
	if err := c.greet(); err != nil {
		return err
	}
	for {
		q, err := c.next()
		if err != nil {
			return err
		}
		if _, err := c.Write(c.answer(q)); err != nil {
			return err
		}
	}
}

// answer is what the honest secure world says: framework 0x0101; version 7 of
// any service; a connection handle for SID 0x1000 and a refusal for others;
// type 0 of any call gives the inputs back, type 7 the caller's process.
func (c *channel) answer(q request) []byte {
	p := c.peer
	p.mu.Lock()
	defer p.mu.Unlock()
	switch q.op {
	case opFrameworkVersion:
		return q.reply(0x0101, 0)
	case opVersion:
		return q.reply(7, 0)
	case opConnect:
		if q.sid != 0x1000 {
			return q.reply(-130, refused)
		}
		p.next++
		p.handles[p.next] = c.pid
		return q.reply(p.next, 0)
	case opClose:
		if p.handles[q.handle] == c.pid {
			delete(p.handles, q.handle)
		}
		return q.reply(0, 0)
	}
	if q.typ < 0 || q.typ > 32767 || q.nin+len(q.room) > 4 ||
		q.handle < 1<<30 && (p.handles[q.handle] != c.pid || c.pid == 0) {
		return q.reply(-129, refused)
	}
	switch q.typ {
	case 0:
		data := bytes.Join(q.in, nil)
		var out [][]byte
		for _, n := range q.room {
			k := min(int(n), len(data))
			out = append(out, data[:k])
			data = data[k:]
		}
		return q.reply(0, 0, out...)
	case 7:
		return q.reply(0, 0, le.AppendUint32(nil, uint32(c.pid)))
	}
	return q.reply(-134, 0)
}

// socketPath returns a path short enough for a socket address, which that of
// t.TempDir may not be.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "ns.sock")
}
