package bench

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-spe/postern/ipc"
	"github.com/postern-spe/postern/veneer"
)

// looseWorld is a secure world that answers the bare calls, over a socket.
type looseWorld struct{}

func (looseWorld) Open(ipc.Peer) (ipc.Session, error) { return looseSession{}, nil }

type looseSession struct{ looseGate }

func (looseSession) Call(veneer.Handle, int32, []veneer.InVec, []veneer.OutVec) (veneer.Status, bool) {
	return veneer.ErrProgrammerError, false
}

func (looseSession) End() {}

// serveLooseWorld returns the socket of a secure world that lasts as long as
// the test.
func serveLooseWorld(t *testing.T, limits ipc.Limits) string {
	t.Helper()
	// Not the test's own directory: a socket's path has at most 107 bytes.
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	server, err := ipc.NewServer(l, looseWorld{}, limits, func(ipc.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	t.Cleanup(func() {
		server.Close()
		<-served
	})
	return path
}

// withoutCompiler leaves the test nothing to find in PATH.
func withoutCompiler(t *testing.T) { t.Setenv("PATH", t.TempDir()) }

func buildCClients(t *testing.T) *CClients {
	t.Helper()
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skipf("no C compiler: %v", err)
	}
	c, err := BuildCClients(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Remove)
	return c
}

func TestCClientsScale(t *testing.T) {
	c, socket := buildCClients(t), serveLooseWorld(t, ipc.DefaultLimits)
	const n = 3
	for _, tt := range []struct {
		name     string
		pin      Pin
		baseline bool
	}{
		{"beside a plain server", PinNone, true},
		{"alone", PinNone, false},
		{"on one core", PinSame, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			where, restore, err := Place(tt.pin, os.Getpid())
			if err != nil {
				t.Fatal(err)
			}
			defer restore()
			s, err := c.Scale(t.Context(), n, socket, where, 200*time.Millisecond, tt.baseline)
			if err != nil {
				t.Fatal(err)
			}
			if s.Op != FrameworkVersion || s.Kind != ClientC || s.Clients != n || s.Pin != tt.pin {
				t.Errorf("what was measured: %+v", s)
			}
			if s.N < 1 || s.OpsPerSec <= 0 || s.Min > s.Median || s.Median > s.Max || s.N < n*s.Min || s.N > n*s.Max {
				t.Errorf("figures: %+v", s)
			}
			if (s.ScalingBaseline != nil) != tt.baseline {
				t.Fatalf("plain server: %+v", s.ScalingBaseline)
			}
			if tt.baseline && (s.ScalingBaseline.OpsPerSec <= 0 || s.ScalingBaseline.Max < 1) {
				t.Errorf("plain server: %+v", s.ScalingBaseline)
			}
		})
	}
}

func TestCClientsSayWhatFails(t *testing.T) {
	c := buildCClients(t)
	t.Run("no secure world", func(t *testing.T) {
		_, err := c.Scale(t.Context(), 2, filepath.Join(t.TempDir(), "gone"), Placement{}, time.Second, true)
		if err == nil || !strings.Contains(err.Error(), "no answer through the gate") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("no room for one of them", func(t *testing.T) {
		limits := ipc.DefaultLimits
		limits.Channels = 1
		_, err := c.Scale(t.Context(), 2, serveLooseWorld(t, limits), Placement{}, time.Hour, true)
		if err == nil || !strings.Contains(err.Error(), "no answer through the gate") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		if _, err := c.Scale(ctx, 2, serveLooseWorld(t, ipc.DefaultLimits), Placement{}, time.Hour, true); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
	for _, n := range []int{0, -1, MaxClients + 1} {
		if _, err := c.Scale(t.Context(), n, "", Placement{}, time.Second, true); err == nil {
			t.Errorf("%d clients: no error", n)
		}
	}
}

func TestBuildCClientsWithoutCompiler(t *testing.T) {
	withoutCompiler(t)
	if _, err := BuildCClients(t.Context()); err == nil || !strings.Contains(err.Error(), "cc") {
		t.Errorf("error %v", err)
	}
}

func TestParseCounts(t *testing.T) {
	for _, tt := range []struct {
		name, out string
		ok        bool
	}{
		{"two clients", "1 2\n3 4\n", true},
		{"one is missing", "1 2\n", false},
		{"one too many", "1 2\n3 4\n5 6\n", false},
		{"one number", "1 2\n3\n", false},
		{"no number", "1 2\n3 x\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gate, plain, err := parseCounts(tt.out, 2)
			if (err == nil) != tt.ok {
				t.Fatalf("error %v", err)
			}
			if tt.ok && (gate[0] != 1 || gate[1] != 3 || plain[0] != 2 || plain[1] != 4) {
				t.Errorf("%v %v", gate, plain)
			}
		})
	}
}
