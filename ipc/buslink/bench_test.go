package buslink

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/postern-spe/postern/ipc"
	"github.com/postern-spe/postern/veneer"
)

// yardstick makes the test binary a server on yardstickSocket, in a process of
// its own as the secure world is: "bus", "veneer" or "pingpong".
const (
	yardstick       = "BUSLINK_YARDSTICK"
	yardstickSocket = "BUSLINK_YARDSTICK_SOCKET"
)

func serveYardstick(kind, path string) int {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	switch kind {
	case "bus":
		go NewServer(new(ramTarget), nil).Serve(l)
	case "veneer":
		s, err := ipc.NewServer(l, world{}, ipc.DefaultLimits, func(ipc.Event) {})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		go s.Serve()
	case "pingpong":
		go pingpong(l)
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	return 0
}

// pingpong answers frames of a request's size with frames of a reply's, and
// nothing in between.
func pingpong(l *net.UnixListener) {
	conn, err := l.AcceptUnix()
	if err != nil {
		return
	}
	s, err := detach(conn)
	if err != nil {
		return
	}
	in, out := make([]byte, requestSize), make([]byte, replySize)
	for s.read(in) == nil && s.writeWithin(out, patience) == nil {
	}
}

// world is a secure world that does nothing.
type world struct{}

func (world) Open(ipc.Peer) (ipc.Session, error)                { return world{}, nil }
func (world) FrameworkVersion() uint32                          { return veneer.FrameworkVersion11 }
func (world) Version(veneer.SID) uint32                         { return 1 }
func (world) Connect(veneer.SID, uint32) (veneer.Handle, error) { return 1, nil }
func (world) Close(veneer.Handle)                               {}
func (world) End()                                              {}
func (world) Call(veneer.Handle, int32, []veneer.InVec, []veneer.OutVec) (veneer.Status, bool) {
	return veneer.Success, false
}

// started runs a yardstick's process and returns its socket.
func started(b *testing.B, kind string) string {
	b.Helper()
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "s")
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), yardstick+"="+kind, yardstickSocket+"="+path)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		b.Fatal(err)
	}
	return path
}

func newLoad(b *testing.B) func() error {
	c := dial(b, started(b, "bus"))
	return func() error {
		_, _, err := c.Load(MemoryAP, 0, 4)
		return err
	}
}

func newVeneerCall(b *testing.B) func() error {
	c, err := ipc.Dial(started(b, "veneer"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Disconnect() })
	return func() error {
		if c.FrameworkVersion() == 0 {
			return veneer.ErrCommunicationFailure
		}
		return nil
	}
}

func newPingPong(b *testing.B) func() error {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: started(b, "pingpong"), Net: "unix"})
	if err != nil {
		b.Fatal(err)
	}
	s, err := detach(conn)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.close() })
	out, in := make([]byte, requestSize), make([]byte, replySize)
	return func() error {
		if err := s.writeWithin(out, patience); err != nil {
			return err
		}
		return s.read(in)
	}
}

func benchmark(b *testing.B, do func() error) {
	b.ReportAllocs()
	for b.Loop() {
		if err := do(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoad(b *testing.B)       { benchmark(b, newLoad(b)) }
func BenchmarkVeneerCall(b *testing.B) { benchmark(b, newVeneerCall(b)) }
func BenchmarkPingPong(b *testing.B)   { benchmark(b, newPingPong(b)) }

// BenchmarkLoadBesideVeneer takes turns, so that what else the machine does falls
// on both alike: the medians, and the first of them in terms of the second. Pinned
// to one core (taskset -c 0, GOMAXPROCS=2) it measures the work alone.
func BenchmarkLoadBesideVeneer(b *testing.B) {
	const turn = 200
	kinds := [...]func() error{newLoad(b), newVeneerCall(b), newPingPong(b)}
	var took [len(kinds)][]float64
	for b.Loop() {
		for i, do := range kinds {
			from := time.Now()
			for range turn {
				if err := do(); err != nil {
					b.Fatal(err)
				}
			}
			took[i] = append(took[i], float64(time.Since(from))/turn)
		}
	}
	median := func(i int) float64 {
		slices.Sort(took[i])
		return took[i][len(took[i])/2]
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(0), "ns/load")
	b.ReportMetric(median(1), "ns/veneer")
	b.ReportMetric(median(2), "ns/pingpong")
	b.ReportMetric(median(0)/median(1), "load/veneer")
}

func BenchmarkBlock(b *testing.B) {
	c := dial(b, started(b, "bus"))
	p := make([]byte, MaxBlock)
	b.SetBytes(MaxBlock)
	benchmark(b, func() error {
		_, _, err := c.ReadBlock(MemoryAP, 0, p)
		return err
	})
}

// BenchmarkServing counts what both sides allocate, in one process.
func BenchmarkServing(b *testing.B) {
	path, _, _ := serving(b)
	c := dial(b, path)
	benchmark(b, func() error {
		_, _, err := c.Load(MemoryAP, 0, 4)
		return err
	})
}
