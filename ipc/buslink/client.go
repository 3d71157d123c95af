package buslink

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// greetingTime is how long either side waits for the other's greeting.
const greetingTime = 5 * time.Second

// Client is one connection to a Server. It is safe for concurrent use; accesses
// go one after the other. After an error that is not a fault the connection is
// of no more use, and every further access gives the same error.
type Client struct {
	conn *net.UnixConn

	mu     sync.Mutex
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
	if err := greet(conn); err != nil {
		conn.Close()
		return nil, err
	}
	return &Client{conn: conn}, nil
}

func greet(conn *net.UnixConn) error {
	if err := conn.SetDeadline(time.Now().Add(greetingTime)); err != nil {
		return err
	}
	// The server's greeting first: one that has no room closes after it, and
	// must not find unread bytes, which would reset the connection.
	var p [greetingSize]byte
	if _, err := io.ReadFull(conn, p[:]); err != nil {
		return fmt.Errorf("buslink: greeting: %w", err)
	}
	status, err := parseGreeting(&p)
	switch {
	case err != nil:
		return err
	case status == noRoom:
		return ErrBusy
	case status != welcome:
		return &ProtocolError{fmt.Sprintf("the server greets with status %d", status)}
	}
	if _, err := conn.Write(appendGreeting(nil, welcome)); err != nil {
		return fmt.Errorf("buslink: greeting: %w", err)
	}
	return conn.SetDeadline(time.Time{})
}

// Close ends the connection; an access that is under way fails.
func (c *Client) Close() error { return c.conn.Close() }

// Load reads width bytes (1, 2 or 4) at addr.
func (c *Client) Load(addr uint32, width int) (uint32, Outcome, error) {
	r, err := c.do(request{op: Load, width: uint8(width), addr: addr}, nil)
	return r.value, r.outcome, err
}

// Store writes the low width bytes of value at addr.
func (c *Client) Store(addr uint32, width int, value uint32) (Outcome, error) {
	r, err := c.do(request{op: Store, width: uint8(width), addr: addr, value: value}, nil)
	return r.outcome, err
}

// Fetch reads an instruction of width bytes (2 or 4) at addr.
func (c *Client) Fetch(addr uint32, width int) (uint32, Outcome, error) {
	r, err := c.do(request{op: Fetch, width: uint8(width), addr: addr}, nil)
	return r.value, r.outcome, err
}

// ReadBlock fills p, 1 to MaxBlock bytes, from addr on. When the outcome is a
// fault p is zero, as the bus drives it, and at is the address that faulted.
func (c *Client) ReadBlock(addr uint32, p []byte) (at uint32, o Outcome, err error) {
	if len(p) == 0 || len(p) > MaxBlock {
		return 0, OK, fmt.Errorf("buslink: a block is 1 to %d bytes, not %d", MaxBlock, len(p))
	}
	r, err := c.do(request{op: Block, width: 1, addr: addr, value: uint32(len(p))}, p)
	return r.addr, r.outcome, err
}

// do makes one access; data receives what a block read returns.
func (c *Client) do(q request, data []byte) (reply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return reply{}, c.broken
	}
	r, err := c.exchange(q, data)
	if err != nil {
		// What the server sends next could be mistaken for another answer.
		c.broken = err
		c.conn.Close()
		clear(data)
		return reply{}, err
	}
	if r.outcome != OK {
		clear(data)
	}
	return r, nil
}

func (c *Client) exchange(q request, data []byte) (reply, error) {
	var r reply
	if _, err := c.conn.Write(q.append(c.out[:0])); err != nil {
		return r, fmt.Errorf("buslink: %w", err)
	}
	if _, err := io.ReadFull(c.conn, c.in[:]); err != nil {
		return r, fmt.Errorf("buslink: %w", err)
	}
	if err := r.parse(&c.in, uint32(len(data))); err != nil {
		return r, err
	}
	if _, err := io.ReadFull(c.conn, data[:r.length]); err != nil {
		return r, fmt.Errorf("buslink: %w", err)
	}
	return r, nil
}
