package buslink

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// ramTarget is memory of 64 KiB at 0, the upper half of it secure.
type ramTarget struct {
	mu  sync.Mutex
	mem [64 << 10]byte
}

const secureFrom = 32 << 10

func (m *ramTarget) check(addr uint32, n int) (uint32, Outcome) {
	switch {
	case uint64(addr)+uint64(n) > uint64(len(m.mem)):
		return max(addr, uint32(len(m.mem))), BusFault
	case addr+uint32(n) > secureFrom:
		return max(addr, secureFrom), SecureFault
	}
	return 0, OK
}

func (m *ramTarget) Load(addr uint32, width int) (uint32, Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, o := m.check(addr, width); o != OK {
		return 0xBAD, o // a target that leaks; the server must not
	}
	var p [4]byte
	copy(p[:width], m.mem[addr:])
	return binary.LittleEndian.Uint32(p[:]), OK
}

func (m *ramTarget) Fetch(addr uint32, width int) (uint32, Outcome) { return 0, BusFault }

func (m *ramTarget) Store(addr uint32, width int, v uint32) Outcome {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, o := m.check(addr, width); o != OK {
		return o
	}
	copy(m.mem[addr:], binary.LittleEndian.AppendUint32(nil, v)[:width])
	return OK
}

func (m *ramTarget) ReadBlock(addr uint32, p []byte) (uint32, Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, o := m.check(addr, len(p)); o != OK {
		for i := range p {
			p[i] = 0xEE
		}
		return at, o
	}
	copy(p, m.mem[addr:])
	return 0, OK
}

// serving starts a server of a ramTarget on a socket of its own, and gathers
// what it says about dropped connections.
func serving(t testing.TB) (path string, s *Server, dropped chan error) {
	t.Helper()
	return servingEach(t, MaxPerProcess)
}

// servingEach is serving with another limit for each process.
func servingEach(t testing.TB, perProcess int) (path string, s *Server, dropped chan error) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "bus.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dropped = make(chan error, 256)
	s = NewServer(new(ramTarget), func(err error) { dropped <- err })
	s.perProcess = perProcess
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
	})
	return path, s, dropped
}

func dial(t testing.TB, path string) *Client {
	t.Helper()
	c, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestAccesses(t *testing.T) {
	path, _, _ := serving(t)
	c := dial(t, path)
	if o, err := c.Store(0x100, 4, 0x11223344); o != OK || err != nil {
		t.Fatal(o, err)
	}
	if o, err := c.Store(0x101, 1, 0xAA); o != OK || err != nil {
		t.Fatal(o, err)
	}
	for _, tt := range []struct {
		addr  uint32
		width int
		want  uint32
		o     Outcome
	}{
		{0x100, 4, 0x1122AA44, OK},
		{0x102, 2, 0x1122, OK},
		{0x101, 1, 0xAA, OK},
		{secureFrom, 4, 0, SecureFault},
		{1 << 20, 4, 0, BusFault},
	} {
		if v, o, err := c.Load(tt.addr, tt.width); v != tt.want || o != tt.o || err != nil {
			t.Errorf("load %d at 0x%x: 0x%x, %v, %v", tt.width, tt.addr, v, o, err)
		}
	}
	if v, o, err := c.Fetch(0, 4); v != 0 || o != BusFault || err != nil {
		t.Errorf("fetch: 0x%x, %v, %v", v, o, err)
	}
	if o, err := c.Store(secureFrom, 4, 1); o != SecureFault || err != nil {
		t.Errorf("store: %v, %v", o, err)
	}
	p := make([]byte, MaxBlock)
	if _, o, err := c.ReadBlock(0, p); o != OK || err != nil || p[0x101] != 0xAA {
		t.Errorf("block: %v, %v", o, err)
	}
	if at, o, err := c.ReadBlock(secureFrom-8, p[:16]); o != SecureFault || at != secureFrom || err != nil || !bytes.Equal(p[:16], make([]byte, 16)) {
		t.Errorf("block into secure memory: %v at 0x%x, %v, %x", o, at, err, p[:16])
	}
	if _, _, err := c.ReadBlock(0, make([]byte, MaxBlock+1)); err == nil {
		t.Error("a block that is too long")
	}
	if _, _, err := c.ReadBlock(0, nil); err == nil {
		t.Error("an empty block")
	}
	// The refused arguments have not cost the connection.
	if _, o, err := c.Load(0, 4); o != OK || err != nil {
		t.Errorf("afterwards: %v, %v", o, err)
	}
}

func TestManyClients(t *testing.T) {
	path, _, _ := servingEach(t, 16)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			c, err := Dial(path)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			addr := uint32(i) * 64
			for n := range uint32(50) {
				if o, err := c.Store(addr, 4, n); o != OK || err != nil {
					t.Error(o, err)
				}
				if v, o, err := c.Load(addr, 4); v != n || o != OK || err != nil {
					t.Error(v, o, err)
				}
			}
		})
	}
	wg.Wait()
}

// raw is a connection past the greeting, for bytes that a Client would not
// send.
func raw(t *testing.T, path string, greeting []byte) *net.UnixConn {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(conn, make([]byte, greetingSize)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(greeting); err != nil {
		t.Fatal(err)
	}
	return conn
}

var goodGreeting = appendGreeting(nil, welcome)

// TestGarbage: each breach of the wire ends its connection, is reported once,
// and disturbs nobody else.
func TestGarbage(t *testing.T) {
	frame := func(op Op, width uint8, reserved byte, value uint32) []byte {
		q := request{op: op, width: width, value: value}
		p := q.append(nil)
		p[2] = reserved
		return p
	}
	tests := []struct {
		name     string
		greeting []byte
		send     []byte
		hangup   bool
	}{
		{"another protocol", []byte("GET / HT"), nil, false},
		{"another version", []byte("PBUS\x02\x00\x00\x00"), nil, false},
		{"half a greeting", []byte("PBUS"), nil, true},
		{"half a frame", goodGreeting, frame(Load, 4, 0, 0)[:5], true},
		{"width 0", goodGreeting, frame(Load, 0, 0, 0), false},
		{"width 3", goodGreeting, frame(Store, 3, 0, 0), false},
		{"width 255", goodGreeting, frame(Fetch, 255, 0, 0), false},
		{"reserved field", goodGreeting, frame(Load, 4, 1, 0), false},
		{"value in a load", goodGreeting, frame(Load, 4, 0, 1), false},
		{"block of 0", goodGreeting, frame(Block, 1, 0, 0), false},
		{"block of 4097", goodGreeting, frame(Block, 1, 0, MaxBlock+1), false},
		{"block of 4 GiB", goodGreeting, frame(Block, 1, 0, 0xFFFFFFFF), false},
		{"block by words", goodGreeting, frame(Block, 4, 0, 16), false},
	}
	path, _, dropped := serving(t)
	other := dial(t, path)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn := raw(t, path, tt.greeting)
			if tt.send != nil {
				if _, err := conn.Write(tt.send); err != nil {
					t.Fatal(err)
				}
			}
			if tt.hangup {
				conn.Close()
			} else if n, err := conn.Read(make([]byte, 1)); err == nil {
				t.Errorf("an answer of %d bytes", n)
			}
			if err := <-dropped; err == nil {
				t.Error("not reported")
			}
			if _, o, err := other.Load(0, 4); o != OK || err != nil {
				t.Errorf("another client: %v, %v", o, err)
			}
		})
	}
	select {
	case err := <-dropped:
		t.Errorf("reported twice: %v", err)
	default:
	}
}

func TestUnknownOperationIsAnswered(t *testing.T) {
	path, _, _ := serving(t)
	conn := raw(t, path, goodGreeting)
	for _, op := range []byte{0, 5, 255} {
		// Its other fields may be anything: they are another version's.
		if _, err := conn.Write(append([]byte{op}, bytes.Repeat([]byte{0xFF}, requestSize-1)...)); err != nil {
			t.Fatal(err)
		}
		var p [replySize]byte
		if _, err := io.ReadFull(conn, p[:]); err != nil {
			t.Fatal(err)
		}
		if Outcome(p[0]) != UnknownOp {
			t.Errorf("operation %d: outcome %d", op, p[0])
		}
	}
}

func TestConnectionLimit(t *testing.T) {
	path, _, dropped := servingEach(t, MaxConnections+1)
	clients := make([]*Client, MaxConnections)
	for i := range clients {
		clients[i] = dial(t, path)
	}
	if _, err := Dial(path); err != ErrBusy {
		t.Fatalf("connection %d: %v", MaxConnections+1, err)
	}
	if err := <-dropped; err != ErrBusy {
		t.Errorf("reported %v", err)
	}
	// One that leaves makes room, as soon as the server has noticed.
	clients[0].Close()
	for {
		c, err := Dial(path)
		if err == nil {
			c.Close()
			break
		}
		if err != ErrBusy {
			t.Fatal(err)
		}
	}
}

func TestCloseEndsEverything(t *testing.T) {
	path, s, dropped := serving(t)
	c := dial(t, path)
	idle := raw(t, path, nil) // has not greeted
	if _, _, err := c.Load(0, 4); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// Close waits for the goroutines of all connections.
	if len(s.conns) != 0 {
		t.Errorf("%d connections left", len(s.conns))
	}
	_, _, err := c.Load(0, 4)
	if err == nil {
		t.Error("served after close")
	}
	if _, _, again := c.Load(0, 4); again != err {
		t.Errorf("the error changed: %v", again)
	}
	if _, err := idle.Read(make([]byte, 1)); err == nil {
		t.Error("the idle connection lives")
	}
	if _, err := Dial(path); err == nil {
		t.Error("accepted after close")
	}
	select {
	case err := <-dropped:
		t.Errorf("blamed a client for the shutdown: %v", err)
	default:
	}
}

func TestDialAnotherServer(t *testing.T) {
	for name, greeting := range map[string]string{
		"another protocol": "SSH-2.0-", "another version": "PBUS\x07\x00\x00\x00", "another status": "PBUS\x01\x00\x09\x00", "hangs up": "PB",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				conn, err := l.Accept()
				if err == nil {
					conn.Write([]byte(greeting))
					conn.Close()
				}
			}()
			if c, err := Dial(path); err == nil {
				c.Close()
				t.Error("connected")
			}
		})
	}
}
