package ipc

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/postern-spe/postern/veneer"
)

func dial(t testing.TB, s *served) *Client {
	t.Helper()
	c, err := Dial(s.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Disconnect() })
	return c
}

func TestFiveCalls(t *testing.T) {
	c := dial(t, serve(t, &echoWorld{}, DefaultLimits))
	if v := c.FrameworkVersion(); v != 0x0101 {
		t.Errorf("psa_framework_version: %#x", v)
	}
	if v := c.Version(41); v != 42 {
		t.Errorf("psa_version: %d", v)
	}
	if h, err := c.Connect(77, 1); h != 77 || err != nil {
		t.Errorf("psa_connect: %d %v", h, err)
	}
	if h, err := c.Connect(0, 1); h != 0 || !errors.Is(err, veneer.ErrConnectionRefused) {
		t.Errorf("psa_connect: %d %v", h, err)
	}
	c.Close(77)
	if st := c.Call(1, 0, nil, nil); st != 0 {
		t.Errorf("psa_call: %d", st)
	}
}

// Every split of the payload over the vectors, at sizes around each limit of the
// implementation, comes back as it went.
func TestPayloads(t *testing.T) {
	c := dial(t, serve(t, &echoWorld{}, DefaultLimits))
	sizes := []int{0, 1, 31, smallFrame - RequestHeaderSize - 1, smallFrame - RequestHeaderSize, smallFrame - RequestHeaderSize + 1,
		smallFrame, smallFrame + 1, 60 << 10, 72<<10 - RequestHeaderSize, 72 << 10, veneer.MaxPayload / 2, veneer.MaxPayload}
	data := make([]byte, veneer.MaxPayload)
	rng := rand.NewChaCha8([32]byte{})
	rng.Read(data)
	for _, a := range sizes {
		for _, b := range sizes {
			if a+b > veneer.MaxPayload {
				continue
			}
			in := []veneer.InVec{data[:a], data[a : a+b]}
			out := []veneer.OutVec{make([]byte, a), make([]byte, b)}
			if st := c.Call(1, typeEcho, in, out); st != 0 {
				t.Fatalf("%d and %d bytes: %v", a, b, st)
			}
			if !bytes.Equal(out[0], in[0]) || !bytes.Equal(out[1], in[1]) {
				t.Fatalf("%d and %d bytes came back changed", a, b)
			}
		}
		// One vector each way, with more room than is filled.
		in, out := []veneer.InVec{data[:a]}, []veneer.OutVec{make([]byte, min(a+100, veneer.MaxPayload))}
		if st := c.Call(1, typeEcho, in, out); st != 0 || !bytes.Equal(out[0], in[0]) {
			t.Fatalf("%d bytes: %v, %d back", a, st, len(out[0]))
		}
	}
}

func TestCallLimits(t *testing.T) {
	c := dial(t, serve(t, &echoWorld{}, DefaultLimits))
	big := make([]byte, veneer.MaxPayload/2+1)
	for _, row := range []struct {
		name string
		in   []veneer.InVec
		out  []veneer.OutVec
		typ  int32
		want veneer.Status
	}{
		{"input above the limit", []veneer.InVec{big, big}, nil, 0, veneer.ErrInsufficientMemory},
		{"output above the limit", nil, []veneer.OutVec{big, big}, 0, veneer.ErrInsufficientMemory},
		{"five vectors one way", make([]veneer.InVec, 5), nil, 0, veneer.ErrProgrammerError},
		{"refused", nil, []veneer.OutVec{big}, typeRefused, veneer.ErrProgrammerError},
		{"positive status", nil, []veneer.OutVec{make([]byte, 3), make([]byte, 2)}, typeFill, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			if st := c.Call(1, row.typ, row.in, row.out); st != row.want {
				t.Errorf("status %d, want %d", st, row.want)
			}
			for i, v := range row.out {
				if row.want < 0 && len(v) != len(big) {
					t.Errorf("output %d has length %d: changed by a call that was refused", i, len(v))
				}
			}
		})
	}
}

func TestConcurrentCalls(t *testing.T) {
	w := &echoWorld{}
	c := dial(t, serve(t, w, DefaultLimits))
	var wg sync.WaitGroup
	for g := range 2 * maxChannels {
		wg.Go(func() {
			data := bytes.Repeat([]byte{byte(g)}, 1+g*97)
			room := make([]byte, len(data))
			for range 50 {
				out := []veneer.OutVec{room}
				if st := c.Call(1, typeEcho, []veneer.InVec{data}, out); st != 0 || !bytes.Equal(out[0], data) {
					t.Errorf("caller %d: %v", g, st)
				}
			}
		})
	}
	wg.Wait()
	if opened, _ := w.sessions(); opened != 1 {
		t.Errorf("%d sessions", opened)
	}
}

func TestReconnect(t *testing.T) {
	w := &echoWorld{hang: make(chan struct{}), hanging: make(chan struct{})}
	s := serve(t, w, DefaultLimits)
	c := dial(t, s)
	inFlight := make(chan veneer.Status)
	go func() { inFlight <- c.Call(1, typeHang, nil, nil) }()
	<-w.hanging
	c.FrameworkVersion() // a second channel, idle when the server goes

	// As a killed process does, the server takes its channels with it while the
	// call is under way.
	s.mu.Lock()
	for _, ss := range s.sessions {
		for ch := range ss.channels {
			ch.carrier.stop()
		}
	}
	s.mu.Unlock()
	if st := <-inFlight; st != veneer.ErrCommunicationFailure {
		t.Errorf("the call under way: %v", st)
	}
	close(w.hang)
	s.Close()
	if st := c.Call(1, typeEcho, nil, nil); st != veneer.ErrCommunicationFailure {
		t.Errorf("without a server: %v", st)
	}
	serveAt(t, &echoWorld{}, DefaultLimits, s.path)
	if v := c.FrameworkVersion(); v != veneer.FrameworkVersion11 {
		t.Errorf("after the restart: %#x", v)
	}
}

// An idle channel whose server has been replaced costs the caller nothing.
func TestReconnectIsNotSeen(t *testing.T) {
	s := serve(t, &echoWorld{}, DefaultLimits)
	c := dial(t, s)
	s.Close()
	serveAt(t, &echoWorld{}, DefaultLimits, s.path)
	if st := c.Call(1, typeEcho, nil, nil); st != 0 {
		t.Error(st)
	}
}

func TestDisconnect(t *testing.T) {
	s := serve(t, &echoWorld{}, DefaultLimits)
	c := dial(t, s)
	c.Disconnect()
	s.next(t, SessionEnded)
	if st := c.Call(1, typeEcho, nil, nil); st != veneer.ErrCommunicationFailure {
		t.Error(st)
	}
}

func TestDialErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Dial(dir + "/absent"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if _, err := Dial(dir + "/" + strings.Repeat("x", MaxSocketPath)); err == nil || !strings.Contains(err.Error(), "at most 107") {
		t.Errorf("a path too long: %v", err)
	}
	l, err := net.Listen("unix", dir+"/other")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err == nil {
			c.Write([]byte("220 mail.example ESMTP\r\n"))
			c.Close()
		}
	}()
	if _, err := Dial(dir + "/other"); err == nil || !strings.Contains(err.Error(), "not a secure world's") {
		t.Errorf("another kind of server: %v", err)
	}
}

func TestCallAllocatesNothing(t *testing.T) {
	c := dial(t, serve(t, &echoWorld{}, DefaultLimits))
	in, room := []veneer.InVec{make([]byte, 64)}, make([]byte, 64)
	out := []veneer.OutVec{room}
	// Both ends are in this process, so both are counted.
	if n := testing.AllocsPerRun(200, func() {
		out[0] = room
		c.Call(1, typeEcho, in, out)
	}); n != 0 {
		t.Errorf("%v allocations per call", n)
	}
}
