package buslink

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long either side waits for the other's greeting, and for room
// to write. A client that stops reading loses its connection, so that it cannot
// keep one of the few.
const patience = 5 * time.Second

// Client is one connection to a Server. It is safe for concurrent use; accesses
// go one after the other. After an error that is not an Outcome the connection
// is of no more use, and every further access gives the same error. A goroutine
// that waits for an answer keeps a thread.
type Client struct {
	socket socket
	board  string

	ending sync.Mutex // held to shut the socket down, and to close it
	closed bool

	mu     sync.Mutex // held for an access
	out    [requestSize]byte
	in     [replySize]byte
	broken error
}

// Dial connects to the server on the socket at path: ErrBusy when it has no
// room for this process, a *ProtocolError when it is another kind of server.
func Dial(path string) (*Client, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("buslink: %w", err)
	}
	s, err := detach(conn)
	if err != nil {
		return nil, fmt.Errorf("buslink: %w", err)
	}
	board, err := greet(s)
	if err != nil {
		s.close()
		return nil, err
	}
	return &Client{socket: s, board: board}, nil
}

// greet exchanges greetings, and returns the board's name.
func greet(s socket) (string, error) {
	// The server's greeting first: one that has no room closes after it, and
	// must not find unread bytes, which would reset the connection.
	var p [welcomeSize]byte
	if err := s.readWithin(p[:], patience); err != nil {
		return "", fmt.Errorf("buslink: greeting: %w", err)
	}
	status, board, err := parseWelcome(&p)
	switch {
	case err != nil:
		return "", err
	case status == noRoom:
		return "", ErrBusy
	case status != welcome:
		return "", &ProtocolError{fmt.Sprintf("the server greets with status %d", status)}
	}
	if err := s.writeWithin(appendGreeting(nil, welcome), patience); err != nil {
		return "", fmt.Errorf("buslink: greeting: %w", err)
	}
	return board, nil
}

// Board returns the name of the board that the server greeted with, 1 to
// MaxBoardName lower-case letters and digits.
func (c *Client) Board() string { return c.board }

// Close ends the connection; an access that is under way fails. A second Close
// returns net.ErrClosed.
func (c *Client) Close() error {
	c.ending.Lock()
	if c.closed {
		c.ending.Unlock()
		return net.ErrClosed
	}
	c.closed = true
	c.socket.shutdown()
	c.ending.Unlock()
	// The descriptor's number is nobody else's until nobody can use it here.
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken == nil {
		c.broken = fmt.Errorf("buslink: %w", net.ErrClosed)
	}
	return os.NewSyscallError("close", c.socket.close())
}

// Ended waits, at most for a time, until the server has ended the connection, as
// it does when the device is reset, and reports whether it has. No access may be
// under way, and none is made meanwhile.
func (c *Client) Ended(limit time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A server that keeps to the wire sends nothing that was not asked for, so
	// that there is something to be read means its end.
	return c.broken != nil || !errors.Is(c.socket.wait(unix.POLLIN|unix.POLLRDHUP, time.Now().Add(limit)), os.ErrDeadlineExceeded)
}

// Load reads width bytes (1, 2 or 4) at addr of an access port.
func (c *Client) Load(ap uint8, addr uint32, width int) (uint32, Outcome, error) {
	r, err := c.access(request{op: Load, ap: ap, addr: addr}, width)
	return r.value, r.outcome, err
}

// Store writes the low width bytes (1, 2 or 4) of value at addr.
func (c *Client) Store(ap uint8, addr uint32, width int, value uint32) (Outcome, error) {
	r, err := c.access(request{op: Store, ap: ap, addr: addr, value: value}, width)
	return r.outcome, err
}

// Fetch reads an instruction of width bytes (2 or 4) at addr.
func (c *Client) Fetch(ap uint8, addr uint32, width int) (uint32, Outcome, error) {
	r, err := c.access(request{op: Fetch, ap: ap, addr: addr}, width)
	return r.value, r.outcome, err
}

// access makes an access that returns no data.
func (c *Client) access(q request, width int) (reply, error) {
	if width != 1 && width != 2 && width != 4 {
		return reply{}, fmt.Errorf("buslink: an access of %d bytes", width)
	}
	q.width = uint8(width)
	if q.op == Store {
		q.value &= mask(q.width)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.do(&q, nil)
}

// ReadBlock fills p, 1 to MaxBlock bytes, from addr on. When the outcome is not
// OK p is zero, as the bus drives it, and at is the address that faulted.
func (c *Client) ReadBlock(ap uint8, addr uint32, p []byte) (at uint32, o Outcome, err error) {
	if len(p) == 0 || len(p) > MaxBlock {
		return 0, OK, fmt.Errorf("buslink: a block is 1 to %d bytes, not %d", MaxBlock, len(p))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.do(&request{op: Block, width: 1, ap: ap, addr: addr, value: uint32(len(p))}, p)
	if err != nil || r.outcome != OK {
		clear(p)
	}
	return r.addr, r.outcome, err
}

// Windows asks for the windows through which flash can be read without asking,
// in the order of their addresses. They are checked as Window says, but the
// files belong to the server still: one that cuts a file short makes those who
// read the mapping of it take SIGBUS. The caller closes the files
// (CloseWindows); windows in the same file have the same *os.File.
func (c *Client) Windows() ([]Window, Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return nil, OK, c.broken
	}
	ws, o, err := c.exchangeMap()
	if err != nil {
		return nil, OK, c.breakOff(err)
	}
	return ws, o, nil
}

func (c *Client) exchangeMap() (ws []Window, o Outcome, err error) {
	q := request{op: Map}
	if err := c.socket.writeWithin(q.append(c.out[:0]), patience); err != nil {
		return nil, OK, err
	}
	files, err := c.socket.readFiles(c.in[:])
	if err != nil {
		return nil, OK, err
	}
	defer func() {
		if err != nil {
			closeFiles(files)
		}
	}()
	var r reply
	if err := r.parse(&c.in, &q); err != nil {
		return nil, OK, err
	}
	if len(files) != int(r.value) {
		return nil, OK, &ProtocolError{fmt.Sprintf("the server sent %d files, and announced %d", len(files), r.value)}
	}
	if r.outcome != OK {
		return nil, r.outcome, nil
	}
	p := make([]byte, r.length)
	if err := c.socket.read(p); err != nil {
		return nil, OK, err
	}
	if ws, err = parseWindows(p, files); err != nil {
		return nil, OK, err
	}
	return ws, OK, checkWindows(ws, files)
}

// do makes one access; data receives what a block read returns. The caller
// holds mu.
func (c *Client) do(q *request, data []byte) (reply, error) {
	if c.broken != nil {
		return reply{}, c.broken
	}
	r, err := c.exchange(q, data)
	if err != nil {
		return reply{}, c.breakOff(err)
	}
	return r, nil
}

func (c *Client) exchange(q *request, data []byte) (reply, error) {
	var r reply
	if err := c.socket.writeWithin(q.append(c.out[:0]), patience); err != nil {
		return r, err
	}
	if err := c.socket.read(c.in[:]); err != nil {
		return r, err
	}
	if err := r.parse(&c.in, q); err != nil {
		return r, err
	}
	return r, c.socket.read(data[:r.length])
}

// breakOff ends the connection for good: what the server sends next could be
// mistaken for another answer.
func (c *Client) breakOff(err error) error {
	var wire *ProtocolError
	if !errors.As(err, &wire) {
		err = fmt.Errorf("buslink: %w", err)
	}
	c.broken = err
	c.ending.Lock()
	defer c.ending.Unlock()
	if !c.closed {
		c.socket.shutdown()
	}
	return err
}
