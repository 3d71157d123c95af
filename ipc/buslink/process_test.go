package buslink

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// hoarderSocket makes the test binary a process that keeps connections to the
// socket of this name.
const hoarderSocket = "BUSLINK_HOARDER_SOCKET"

func TestMain(m *testing.M) {
	if path := os.Getenv(hoarderSocket); path != "" {
		os.Exit(hoard(path))
	}
	if kind := os.Getenv(yardstick); kind != "" {
		os.Exit(serveYardstick(kind, os.Getenv(yardstickSocket)))
	}
	os.Exit(m.Run())
}

// hoard connects until it is refused, says how often it was not, and keeps what
// it has, unused, until its input ends.
func hoard(path string) int {
	var clients []*Client
	for len(clients) <= MaxConnections {
		c, err := Dial(path)
		if errors.Is(err, ErrBusy) {
			break
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		clients = append(clients, c)
	}
	fmt.Println(len(clients))
	io.Copy(io.Discard, os.Stdin)
	for _, c := range clients {
		if _, _, err := c.Load(MemoryAP, 0, 4); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return 0
}

// TestProcessLimit: a process that takes all connections that it gets and uses
// none leaves the others theirs, and what it had is free again when it ends.
func TestProcessLimit(t *testing.T) {
	path, s, dropped := serving(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	hoarder := exec.Command(exe)
	hoarder.Env = append(os.Environ(), hoarderSocket+"="+path)
	hoarder.Stderr = os.Stderr
	stdin, err := hoarder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := hoarder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := hoarder.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end := func() error {
		if ended {
			return nil
		}
		ended = true
		stdin.Close()
		return hoarder.Wait()
	}
	t.Cleanup(func() { end() })
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != fmt.Sprintln(MaxPerProcess) {
		t.Fatalf("the other process has %q connections, %v; want %d", line, err, MaxPerProcess)
	}
	if err := <-dropped; err != ErrBusy {
		t.Errorf("reported %v", err)
	}

	clients := make([]*Client, MaxPerProcess)
	for i := range clients {
		clients[i] = dial(t, path)
		if _, o, err := clients[i].Load(MemoryAP, 0, 4); o != OK || err != nil {
			t.Errorf("connection %d: %v, %v", i+1, o, err)
		}
	}
	if _, err := Dial(path); err != ErrBusy {
		t.Fatalf("connection %d: %v", MaxPerProcess+1, err)
	}
	if err := <-dropped; err != ErrBusy {
		t.Errorf("reported %v", err)
	}
	// The refusal cost neither process what it has.
	for i, c := range clients {
		if _, o, err := c.Load(MemoryAP, 0, 4); o != OK || err != nil {
			t.Errorf("connection %d afterwards: %v, %v", i+1, o, err)
		}
	}
	if err := end(); err != nil {
		t.Errorf("the other process: %v", err)
	}

	// One that leaves makes room for its process, as soon as the server has
	// noticed.
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
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if len(s.processes) != 0 {
		t.Errorf("%d processes are still counted", len(s.processes))
	}
}

func TestMayConnect(t *testing.T) {
	own := uint32(os.Geteuid())
	for uid, want := range map[uint32]bool{own: true, 0: true, own + 12345: false, nobodys: false} {
		if mayConnect(uid) != want {
			t.Errorf("user %d: %v", uid, !want)
		}
	}
}

// TestProcessesUnseen: connections whose process has no number are counted
// together, not let through.
func TestProcessesUnseen(t *testing.T) {
	_, s, _ := serving(t)
	s.mu.Lock()
	s.processes[0] = MaxPerProcess
	s.mu.Unlock()
	// A socket without a peer is of no process.
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if pid, uid := peer(conn); pid != 0 || uid != nobodys || mayConnect(uid) {
		t.Fatalf("process %d, user %d", pid, uid)
	}
	if s.admit(-1, 0, 0) {
		t.Error("admitted")
	}
}
