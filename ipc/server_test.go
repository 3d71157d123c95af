package ipc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-spe/postern/veneer"
)

// The test binary is also the other processes of these tests.
func TestMain(m *testing.M) {
	if role := os.Getenv("POSTERN_TEST_CLIENT"); role != "" {
		os.Exit(beClient(role))
	}
	os.Exit(m.Run())
}

// beClient is a client in a process of its own: it connects, makes a call, says
// so, and stays until its input ends or it is killed.
func beClient(role string) int {
	c, err := Dial(os.Getenv("POSTERN_SOCKET"))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if role == "fork" {
		// A child that outlives this process inherits the channel.
		ch, _, err := c.acquire()
		if err != nil {
			return 1
		}
		child := exec.Command("/bin/sh", "-c", "echo child; cat >/dev/null")
		child.Stdin, child.Stdout = os.Stdin, os.Stdout
		child.ExtraFiles = []*os.File{os.NewFile(uintptr(ch.fd), "channel")}
		if err := child.Start(); err != nil {
			return 1
		}
		return 0
	}
	fmt.Println("ready", c.FrameworkVersion())
	if role == "call" {
		c.Call(1, typeHang, nil, nil)
	}
	io.Copy(io.Discard, os.Stdin)
	return 0
}

// Request types of echoWorld.
const (
	typeEcho int32 = iota
	typeHang       // answers when the world is told to
	typeFill       // fills every output vector
	typeRefused
	typeBusy // works for a millisecond
)

// echoWorld answers calls by copying each input vector to the output vector with
// its number.
type echoWorld struct {
	hang    chan struct{} // typeHang waits for it
	hanging chan struct{} // told when one does

	mu     sync.Mutex
	opened int
	ended  int
	busy   int
}

// served is how many busy calls have been served.
func (w *echoWorld) served() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.busy
}

type echoSession struct{ w *echoWorld }

func (w *echoWorld) Open(Peer) (Session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opened++
	return echoSession{w}, nil
}

func (w *echoWorld) sessions() (opened, ended int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.opened, w.ended
}

func (echoSession) FrameworkVersion() uint32      { return veneer.FrameworkVersion11 }
func (echoSession) Version(sid veneer.SID) uint32 { return uint32(sid) + 1 }
func (echoSession) Close(veneer.Handle)           {}

func (echoSession) Connect(sid veneer.SID, version uint32) (veneer.Handle, error) {
	if sid == 0 {
		return 0, veneer.ErrConnectionRefused
	}
	return veneer.Handle(sid), nil
}

func (s echoSession) Call(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) (veneer.Status, bool) {
	switch typ {
	case typeHang:
		s.w.hanging <- struct{}{}
		<-s.w.hang
	case typeFill:
		for i := range out {
			for j := range out[i] {
				out[i][j] = byte('a' + i)
			}
		}
		return 2, true
	case typeRefused:
		return veneer.ErrProgrammerError, false
	case typeBusy:
		for end := time.Now().Add(time.Millisecond); time.Now().Before(end); {
		}
		s.w.mu.Lock()
		s.w.busy++
		s.w.mu.Unlock()
	}
	for i := range out {
		n := 0
		if i < len(in) {
			n = copy(out[i], in[i])
		}
		out[i] = out[i][:n]
	}
	return veneer.Success, true
}

func (s echoSession) End() {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.w.ended++
}

// served is a server under test.
type served struct {
	*Server
	path   string
	events chan Event
}

func serve(tb testing.TB, w World, limits Limits) *served {
	dir := tb.TempDir()
	return serveAt(tb, w, limits, filepath.Join(dir, "ns.sock"))
}

func serveAt(tb testing.TB, w World, limits Limits, path string) *served {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		tb.Fatal(err)
	}
	s := &served{path: path, events: make(chan Event, 1024)}
	if s.Server, err = NewServer(l, w, limits, func(e Event) { s.events <- e }); err != nil {
		tb.Fatal(err)
	}
	go s.Serve()
	tb.Cleanup(func() { s.Close() })
	return s
}

// next returns the next event of a kind, which must come.
func (s *served) next(t *testing.T, kind EventKind) Event {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case e := <-s.events:
			if e.Kind == kind {
				return e
			}
		case <-timeout:
			t.Fatalf("no event %q", kind)
		}
	}
}

// raw is a channel that a test drives byte by byte.
func (s *served) raw(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", s.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

func (s *served) greeted(t *testing.T) net.Conn {
	t.Helper()
	c := s.raw(t)
	h := hello{1, 1}.encode()
	c.Write(h[:])
	var b [greetingSize]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		t.Fatal(err)
	}
	return c
}

// gone checks that the server has closed the channel.
func gone(t *testing.T, c net.Conn) {
	t.Helper()
	if b, err := io.ReadAll(c); err != nil && !strings.Contains(err.Error(), "reset") || len(b) > 0 {
		t.Errorf("read %x, %v, want the end of the channel", b, err)
	}
}

// well checks that another client is served.
func (s *served) well(t *testing.T) {
	t.Helper()
	c, err := Dial(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Disconnect()
	if v := c.FrameworkVersion(); v != veneer.FrameworkVersion11 {
		t.Errorf("framework version %#x", v)
	}
}

func TestBadFramesEndTheChannel(t *testing.T) {
	before := runtime.NumGoroutine()
	s := serve(t, &echoWorld{}, DefaultLimits)
	for _, row := range badRequests {
		t.Run(row.name, func(t *testing.T) {
			c := s.greeted(t)
			c.Write(row.frame)
			gone(t, c)
			var fe *frameError
			if e := s.next(t, ChannelDropped); !errors.As(e.Err, &fe) || e.Peer.PID != int32(os.Getpid()) {
				t.Errorf("event %+v", e)
			}
			s.well(t)
		})
	}
	t.Run("two frames at once", func(t *testing.T) {
		c := s.greeted(t)
		c.Write(append(callFrame("", 0), callFrame("", 0)...))
		gone(t, c)
		s.next(t, ChannelDropped)
	})
	t.Run("truncated", func(t *testing.T) {
		for _, n := range []int{1, RequestHeaderSize - 1, RequestHeaderSize, RequestHeaderSize + 1} {
			c := s.greeted(t)
			c.Write(callFrame("abc")[:n])
			c.(*net.UnixConn).CloseWrite()
			gone(t, c)
			s.next(t, ChannelDropped)
		}
	})
	s.Close()
	noneLeft(t, before)
}

func TestBadGreetings(t *testing.T) {
	shortGreeting := DefaultLimits
	shortGreeting.Greeting = 500 * time.Millisecond
	s := serve(t, &echoWorld{}, shortGreeting)
	good := hello{1, 1}.encode()
	newer := hello{2, 3}.encode()
	for _, row := range []struct {
		name  string
		bytes []byte
		reply bool
	}{
		{"silence", nil, false},
		{"half", good[:8], false},
		{"wrong magic", put8(good[:], 0, 'X'), false},
		{"reserved field", put8(good[:], 12, 1), false},
		{"versions upside down", put8(good[:], 4, 2), false},
		{"only newer versions", newer[:], true},
		{"HTTP", []byte("GET / HTTP/1.1\r\n\r\n"), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := s.raw(t)
			c.Write(row.bytes)
			if row.reply {
				var b [greetingSize]byte
				var w welcome
				if _, err := io.ReadFull(c, b[:]); err != nil {
					t.Fatal(err)
				}
				if err := w.decode(b); err != nil || w.version != 0 || w.status != veneer.ErrNotSupported {
					t.Errorf("%+v %v", w, err)
				}
			}
			gone(t, c)
			s.next(t, ChannelRefused)
			s.well(t)
		})
	}
}

func TestLimits(t *testing.T) {
	few := DefaultLimits
	few.ChannelsPerSession = 3
	s := serve(t, &echoWorld{}, few)
	for range 3 {
		s.greeted(t)
	}
	if _, err := Dial(s.path); !errors.Is(err, veneer.ErrConnectionBusy) {
		t.Errorf("a fourth channel of one process: %v", err)
	}
	s.next(t, ChannelRefused)
}

func TestClientThatStopsReading(t *testing.T) {
	w := &echoWorld{}
	s := serve(t, w, DefaultLimits)
	c := s.greeted(t)
	// Replies of 1 MiB that nobody reads: the second fills the socket at the
	// latest, and the server's thread waits there, for this client alone.
	frame := put32(callFrame("", veneer.MaxPayload), 24, uint32(typeFill))
	for range 3 {
		c.Write(frame)
	}
	s.well(t)
	c.Close()
	for {
		s.next(t, SessionEnded)
		if opened, ended := w.sessions(); opened == ended {
			break
		}
	}
}

// client starts a client process and waits until it has made its call.
func (s *served) client(t *testing.T, role string) (*exec.Cmd, io.Closer) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "POSTERN_TEST_CLIENT="+role, "POSTERN_SOCKET="+s.path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	return cmd, in
}

func TestSessionIsOneProcess(t *testing.T) {
	w := &echoWorld{}
	s := serve(t, w, DefaultLimits)
	a, b := s.greeted(t), s.greeted(t)
	if e := s.next(t, SessionOpened); e.Peer.PID != int32(os.Getpid()) {
		t.Errorf("peer %v", e.Peer)
	}
	cmd, _ := s.client(t, "idle")
	if e := s.next(t, SessionOpened); e.Peer.PID != int32(cmd.Process.Pid) || e.Peer.UID != uint32(os.Getuid()) {
		t.Errorf("peer %v", e.Peer)
	}
	if opened, ended := w.sessions(); opened != 2 || ended != 0 {
		t.Fatalf("%d sessions opened, %d ended", opened, ended)
	}
	a.Close()
	cmd.Process.Kill()
	if e := s.next(t, SessionEnded); e.Peer.PID != int32(cmd.Process.Pid) {
		t.Errorf("peer %v ended first: a session lasts until its last channel", e.Peer)
	}
	b.Close()
	s.next(t, SessionEnded)
}

func TestClientThatDiesInsideACall(t *testing.T) {
	w := &echoWorld{hang: make(chan struct{}), hanging: make(chan struct{})}
	s := serve(t, w, DefaultLimits)
	cmd, _ := s.client(t, "call")
	<-w.hanging
	cmd.Process.Kill()
	cmd.Wait()
	s.well(t)
	close(w.hang)
	for {
		if e := s.next(t, SessionEnded); e.Peer.PID == int32(cmd.Process.Pid) {
			break
		}
	}
}

// A call that takes its time keeps nobody waiting, not even those whose channels
// its worker has: it is relieved, again and again if need be.
func TestLongCallsKeepNobodyWaiting(t *testing.T) {
	const long = 3
	w := &echoWorld{hang: make(chan struct{}), hanging: make(chan struct{})}
	s := serve(t, w, DefaultLimits)
	channels := make([]net.Conn, (long+1)*Workers())
	for i := range channels {
		channels[i] = s.greeted(t)
	}
	// The channels go round the workers, so these are the first worker's.
	hang := put32(callFrame(""), 24, uint32(typeHang))
	for i := range long {
		channels[i*Workers()].Write(hang)
		<-w.hanging
	}
	quick := callFrame("abc", 3)
	for i, c := range channels {
		if i%Workers() == 0 && i/Workers() < long {
			continue
		}
		c.Write(quick)
		var b [ReplyHeaderSize + 3]byte
		if _, err := io.ReadFull(c, b[:]); err != nil || string(b[ReplyHeaderSize:]) != "abc" {
			t.Errorf("channel %d: %q, %v", i, b[ReplyHeaderSize:], err)
		}
	}
	close(w.hang)
	for i := range long {
		var b [ReplyHeaderSize]byte
		if _, err := io.ReadFull(channels[i*Workers()], b[:]); err != nil {
			t.Errorf("the long call's own answer: %v", err)
		}
	}
}

// However many channels have long calls, each gets its turn: a channel that the
// others came after is not passed over by them, round after round.
func TestManyLongCallsStarveNobody(t *testing.T) {
	w := &echoWorld{}
	s := serve(t, w, DefaultLimits)
	victim := dial(t, s)
	victim.FrameworkVersion()
	busy := put32(callFrame(""), 24, uint32(typeBusy))
	const attackers = 64
	for range attackers {
		c := s.greeted(t)
		go func() {
			var b [ReplyHeaderSize]byte
			for {
				if _, err := c.Write(busy); err != nil {
					return
				}
				if _, err := io.ReadFull(c, b[:]); err != nil {
					return
				}
			}
		}()
	}
	// In the time of one call of everybody there is one of the victim's; it is
	// given several.
	const rounds = 4
	for range rounds {
		before := w.served()
		victim.FrameworkVersion()
		if n := w.served() - before; n > 16*attackers {
			t.Fatalf("%d calls of others were served during one", n)
		}
	}
}

func TestHalfFramesAndUnreadReplies(t *testing.T) {
	limits := DefaultLimits
	limits.Stashed, limits.Stall = 2<<20, 300*time.Millisecond
	s := serve(t, &echoWorld{}, limits)
	half := append(callFrame("")[:RequestHeaderSize:RequestHeaderSize], make([]byte, 100<<10)...)
	half = put32(put32(put8(half, 6, 1), 0, maxRequest), 32, veneer.MaxPayload)
	var stalled []net.Conn
	for range 4 { // more than there is memory for
		c := s.greeted(t)
		c.Write(half)
		stalled = append(stalled, c)
	}
	// Others are served, with large calls too once there is memory again.
	s.well(t)
	for _, c := range stalled {
		gone(t, c)
		if e := s.next(t, ChannelDropped); !errors.Is(e.Err, errStalled) {
			t.Error(e.Err)
		}
	}
	c := dial(t, s)
	in, out := []veneer.InVec{make([]byte, veneer.MaxPayload)}, []veneer.OutVec{make([]byte, veneer.MaxPayload)}
	if st := c.Call(1, typeEcho, in, out); st != 0 {
		t.Error(st)
	}
	// The next call on the channel is served once the reply before it has gone out
	// whole, and its memory is back.
	c.FrameworkVersion()
	if left := s.budget.left.Load(); left != int64(limits.Stashed) {
		t.Errorf("%d bytes of the budget are lost", int64(limits.Stashed)-left)
	}
}

// A call whose bytes there is no memory for is answered, and the channel goes on.
func TestNoMemoryForAFrame(t *testing.T) {
	limits := DefaultLimits
	limits.Stashed = 0
	s := serve(t, &echoWorld{}, limits)
	c := dial(t, s)
	if st := c.Call(1, typeEcho, []veneer.InVec{make([]byte, veneer.MaxPayload)}, nil); st != veneer.ErrInsufficientMemory {
		t.Errorf("a large call: %v", st)
	}
	if v := c.FrameworkVersion(); v != veneer.FrameworkVersion11 {
		t.Errorf("the call after it: %#x", v)
	}
}

func TestUngreetedConnections(t *testing.T) {
	limits := DefaultLimits
	limits.UngreetedPerProcess = 2
	s := serve(t, &echoWorld{}, limits)
	a := s.raw(t)
	s.raw(t)
	if _, err := Dial(s.path); !errors.Is(err, veneer.ErrConnectionBusy) {
		t.Errorf("a third connection that has not greeted: %v", err)
	}
	s.client(t, "idle") // another process has room
	a.Close()
	s.next(t, ChannelRefused)
}

func TestSessionEndsWithItsProcessNotItsDescriptors(t *testing.T) {
	s := serve(t, &echoWorld{}, DefaultLimits)
	cmd, _ := s.client(t, "fork") // its child holds the channel, and lives
	s.next(t, SessionEnded)
	cmd.Wait()
}

func TestServerCloseLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	w := &echoWorld{}
	s := serve(t, w, DefaultLimits)
	clients := make([]*Client, 8)
	for i := range clients {
		var err error
		if clients[i], err = Dial(s.path); err != nil {
			t.Fatal(err)
		}
	}
	s.raw(t) // never greets
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if opened, ended := w.sessions(); opened != ended {
		t.Errorf("%d sessions opened, %d ended", opened, ended)
	}
	if _, err := os.Stat(s.path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
	for _, c := range clients {
		if v := c.FrameworkVersion(); v != 0 {
			t.Errorf("framework version %#x without a server", v)
		}
	}
	noneLeft(t, before)
}

// noneLeft checks that no more goroutines are left than there were before. One
// that has said its last word may take a moment to be gone.
func noneLeft(t *testing.T, before int) {
	t.Helper()
	for range 100_000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

// Memory of one call must not show in another.
func TestFrameMemoryIsWiped(t *testing.T) {
	for _, n := range []int{100, commonFrame, commonFrame + 1, veneer.MaxPayload} {
		l := lease{own: make([]byte, commonFrame)}
		b := l.take(n)
		copy(b, bytes.Repeat([]byte{0xa5}, n))
		l.giveBack()
		if bytes.IndexByte(b, 0xa5) >= 0 {
			t.Errorf("%d bytes: not wiped", n)
		}
	}
}
