package ipc

import (
	"net"
	"path/filepath"
	"testing"

	"github.com/postern-spe/postern/veneer"
)

// echoWorld answers calls by copying input vector 0 to output vector 0.
type echoWorld struct{}

func (echoWorld) Open(Peer) (Session, error) { return echoWorld{}, nil }
func (echoWorld) FrameworkVersion() uint32   { return veneer.FrameworkVersion11 }
func (echoWorld) Version(veneer.SID) uint32  { return 1 }
func (echoWorld) Connect(veneer.SID, uint32) (veneer.Handle, error) {
	return 0, veneer.ErrConnectionRefused
}
func (echoWorld) Call(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) (veneer.Status, bool) {
	if len(out) > 0 {
		n := 0
		if len(in) > 0 {
			n = copy(out[0], in[0])
		}
		out[0] = out[0][:n]
	}
	return veneer.Success, true
}
func (echoWorld) Close(veneer.Handle) {}
func (echoWorld) End()                {}

func serveEcho(tb testing.TB) string {
	path := filepath.Join(tb.TempDir(), "ns.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		tb.Fatal(err)
	}
	s := NewServer(l, echoWorld{}, DefaultLimits, func(e Event) { tb.Log(e) })
	go s.Serve()
	tb.Cleanup(func() { s.Close() })
	return path
}

func BenchmarkFrameworkVersion(b *testing.B) {
	c, err := Dial(serveEcho(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		c.FrameworkVersion()
	}
	c.Disconnect()
}

func BenchmarkCall(b *testing.B) {
	c, err := Dial(serveEcho(b))
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{64, 4 << 10, 60 << 10, 1 << 20} {
		b.Run(bytesName(n), func(b *testing.B) {
			buf := make([]byte, n)
			room := make([]byte, 32)
			in := []veneer.InVec{buf}
			out := []veneer.OutVec{room}
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				out[0] = room
				if st := c.Call(1, 0, in, out); st != 0 {
					b.Fatal(st)
				}
			}
		})
	}
	c.Disconnect()
}

func bytesName(n int) string {
	switch {
	case n >= 1<<20:
		return "1MiB"
	case n >= 60<<10:
		return "60KiB"
	case n >= 4<<10:
		return "4KiB"
	}
	return "64B"
}
