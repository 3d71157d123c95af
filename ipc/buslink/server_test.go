package buslink

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestGarbage: each breach of the wire ends its connection, is reported once,
// and disturbs nobody else.
func TestGarbage(t *testing.T) {
	frame := func(op Op, width uint8, reserved byte, value uint32) []byte {
		q := request{op: op, width: width, value: value}
		p := q.append(nil)
		p[3] = reserved
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
		{"byte store of a word", goodGreeting, frame(Store, 1, 0, 0x100), false},
		{"map of a width", goodGreeting, frame(Map, 1, 0, 0), false},
		{"map of a value", goodGreeting, frame(Map, 0, 0, 1), false},
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
			if _, o, err := other.Load(MemoryAP, 0, 4); o != OK || err != nil {
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

// TestImpatience: a client that does not greet, or does not read what it asked
// for, loses its connection.
func TestImpatience(t *testing.T) {
	block := request{op: Block, width: 1, value: MaxBlock}
	for name, write := range map[string][]byte{
		"no greeting":    nil,
		"half of one":    goodGreeting[:4],
		"half a request": append(goodGreeting[:greetingSize:greetingSize], block.append(nil)[:5]...),
		"reads nothing":  append(goodGreeting[:greetingSize:greetingSize], bytes.Repeat(block.append(nil), 1000)...),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bus.sock")
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
			if err != nil {
				t.Fatal(err)
			}
			reports := make(chan error, 1)
			s := NewServer(new(ramTarget), func(err error) { reports <- err })
			s.patience = 20 * time.Millisecond
			go s.Serve(l)
			defer s.Close()
			conn := raw(t, path, write)
			if err := <-reports; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("reported %v", err)
			}
			if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("the connection lives: %v", err)
			}
		})
	}
}

// TestCloseDuringAccess: Close ends an access that waits for its answer.
func TestCloseDuringAccess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	target := &stuckTarget{entered: make(chan struct{}), leave: make(chan struct{})}
	s := NewServer(target, nil)
	go s.Serve(l)
	defer s.Close()
	defer close(target.leave)
	c := dial(t, path)
	failed := make(chan error, 1)
	go func() {
		_, _, err := c.Load(MemoryAP, 0, 4)
		failed <- err
	}()
	<-target.entered
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("the access succeeded")
	}
	if err := c.Close(); err != net.ErrClosed {
		t.Errorf("closed again: %v", err)
	}
	if _, _, err := c.Load(MemoryAP, 0, 4); err == nil {
		t.Error("an access after Close")
	}
}

// stuckTarget is a ramTarget whose loads wait.
type stuckTarget struct {
	ramTarget
	entered, leave chan struct{}
}

func (s *stuckTarget) Load(uint8, uint32, int) (uint32, Outcome) {
	s.entered <- struct{}{}
	<-s.leave
	return 0, OK
}

// namelessTarget has no name that could go into a greeting.
type namelessTarget struct{ ramTarget }

func (*namelessTarget) Board() string { return "Board No. 5" }

func TestImproperBoard(t *testing.T) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if err := NewServer(new(namelessTarget), nil).Serve(l); err == nil || err == ErrServerClosed {
		t.Errorf("served: %v", err)
	}
}

func TestUnknownOperationIsAnswered(t *testing.T) {
	path, _, _ := serving(t)
	conn := raw(t, path, goodGreeting)
	for _, op := range []byte{0, byte(Map) + 1, 255} {
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

// Whoever comes when all places are taken gets that of the one who has not used
// his for the longest.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	path, s, _ := servingEach(t, MaxConnections+1)
	s.mu.Lock()
	s.idle = 0
	s.mu.Unlock()
	clients := make([]*Client, MaxConnections)
	for i := range clients {
		clients[i] = dial(t, path)
	}
	for i, c := range clients {
		if i != 7 {
			if _, _, err := c.Load(MemoryAP, 0, 4); err != nil {
				t.Fatal(err)
			}
		}
	}
	newcomer := dial(t, path)
	if _, _, err := newcomer.Load(MemoryAP, 0, 4); err != nil {
		t.Errorf("the newcomer: %v", err)
	}
	if !clients[7].Ended(time.Minute) {
		t.Error("the idle one is still there")
	}
	for i, c := range clients {
		if _, _, err := c.Load(MemoryAP, 0, 4); err != nil && i != 7 {
			t.Errorf("client %d, who was not idle: %v", i, err)
		}
	}
}

// The store that resets the chip is answered, though the server closes before
// the target is done with it. What was sent after it is not.
func TestCloseAnswersWhatIsUnderWay(t *testing.T) {
	path, s, _ := serving(t)
	closed := make(chan error, 1)
	target := s.target.(*ramTarget)
	target.mu.Lock()
	target.stored = func() {
		go func() { closed <- s.Close() }()
		for !s.isClosed() {
			runtime.Gosched()
		}
	}
	target.mu.Unlock()
	conn := raw(t, path, goodGreeting)
	store := request{op: Store, width: 4, addr: 8, value: 1}
	if _, err := conn.Write(store.append(store.append(nil))); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if len(got) != replySize || err != nil && !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("%d bytes, %v; want one reply", len(got), err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// A client that reads nothing holds a Close up for a moment only.
func TestCloseWaitsForNobodyLong(t *testing.T) {
	path, s, _ := serving(t)
	conn := raw(t, path, goodGreeting)
	block := request{op: Block, addr: 0, value: MaxBlock}
	conn.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	for { // until the server is stuck in a reply, and its socket is full
		if _, err := conn.Write(block.append(nil)); err != nil {
			break
		}
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(s.patience):
		t.Error("it waits as long as for a client that is slow")
	}
}

func TestCloseEndsEverything(t *testing.T) {
	path, s, dropped := serving(t)
	c := dial(t, path)
	idle := raw(t, path, nil) // has not greeted
	if _, _, err := c.Load(MemoryAP, 0, 4); err != nil {
		t.Fatal(err)
	}
	if c.Ended(0) {
		t.Error("ended before its end")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !c.Ended(time.Minute) {
		t.Error("the end is not seen")
	}
	// Close waits for the goroutines of all connections.
	if len(s.conns) != 0 {
		t.Errorf("%d connections left", len(s.conns))
	}
	_, _, err := c.Load(MemoryAP, 0, 4)
	if err == nil {
		t.Error("served after close")
	}
	if _, _, again := c.Load(MemoryAP, 0, 4); again != err {
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
