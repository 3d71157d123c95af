package buslink

import (
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
	// stored is called after every store; nil where nobody asks.
	stored func()
}

const secureFrom = 32 << 10

func (m *ramTarget) Board() string { return "ram64" }

// closedAP is an access port that AP-Protect keeps closed; of others than that
// and memory there are none.
const closedAP = 7

func (m *ramTarget) check(ap uint8, addr uint32, n int) (uint32, Outcome) {
	switch {
	case ap == closedAP:
		return addr, Protected
	case ap != MemoryAP:
		return addr, BusFault
	case uint64(addr)+uint64(n) > uint64(len(m.mem)):
		return max(addr, uint32(len(m.mem))), BusFault
	case addr+uint32(n) > secureFrom:
		return max(addr, secureFrom), SecureFault
	}
	return 0, OK
}

func (m *ramTarget) Load(ap uint8, addr uint32, width int) (uint32, Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, o := m.check(ap, addr, width); o != OK {
		return 0xBAD, o // a target that leaks; the server must not
	}
	var p [4]byte
	copy(p[:width], m.mem[addr:])
	return binary.LittleEndian.Uint32(p[:]), OK
}

func (m *ramTarget) Fetch(ap uint8, addr uint32, width int) (uint32, Outcome) {
	return 0, BusFault
}

func (m *ramTarget) Store(ap uint8, addr uint32, width int, v uint32) Outcome {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, o := m.check(ap, addr, width); o != OK {
		return o
	}
	copy(m.mem[addr:], binary.LittleEndian.AppendUint32(nil, v)[:width])
	if m.stored != nil {
		m.stored()
	}
	return OK
}

func (m *ramTarget) ReadBlock(ap uint8, addr uint32, p []byte) (uint32, Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, o := m.check(ap, addr, len(p)); o != OK {
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
	if _, err := io.ReadFull(conn, make([]byte, welcomeSize)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(greeting); err != nil {
		t.Fatal(err)
	}
	return conn
}

var goodGreeting = appendGreeting(nil, welcome)
