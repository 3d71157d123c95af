// Package spetest runs a whole secure world inside a Go test: a device of its
// own, booted, with its sockets, and gone at the test's end.
//
//	func TestMine(t *testing.T) {
//		world := spetest.Start(t)
//		storage := its.New(world.Gate(t))
//		...
//	}
//
// For a program under test, set POSTERN_SOCKET to world.Socket().
package spetest

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/disk/disktest"
	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spm"
	"github.com/postern-spe/postern/veneer"
)

// SPE is a secure world of a test.
type SPE struct {
	*spe.World
	Dir string // the device

	tb   testing.TB
	opts spe.Options
}

// Start provisions a device and boots it. The secure log goes to the test's.
func Start(tb testing.TB) *SPE { return StartWith(tb, spe.Options{}) }

// StartWith is Start with options. A nil log is the test's.
func StartWith(tb testing.TB, o spe.Options) *SPE {
	return StartDevice(tb, platform.ProvisionOptions{}, o)
}

// StartOn is StartWith for a device of a board, by its name.
func StartOn(tb testing.TB, board string, o spe.Options) *SPE {
	return StartDevice(tb, platform.ProvisionOptions{Board: board}, o)
}

// StartDevice is StartWith for a device that is provisioned as p says.
func StartDevice(tb testing.TB, p platform.ProvisionOptions, o spe.Options) *SPE {
	tb.Helper()
	if o.Log == nil {
		o.Log = zaptest.NewLogger(tb, zaptest.Level(zap.InfoLevel)) // not every call
	}
	parent := shortDir(tb)
	if o.Durable {
		parent = disktest.Dir(tb)
	}
	dir := filepath.Join(parent, "device")
	if _, err := platform.Provision(dir, p); err != nil {
		tb.Fatal(err)
	}
	s := &SPE{Dir: dir, tb: tb, opts: o}
	s.boot()
	tb.Cleanup(func() { s.Close() })
	return s
}

// shortDir returns a directory of the test's own. testing.T's has the test's name
// in its path, and the path of a socket has at most 107 bytes.
func shortDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "spe-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (s *SPE) boot() {
	s.tb.Helper()
	w, err := spe.Boot(s.Dir, s.opts)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.World = w
}

// Restart ends the secure world and boots it again on the same device.
func (s *SPE) Restart() {
	s.tb.Helper()
	if err := s.Close(); err != nil {
		s.tb.Fatal(err)
	}
	s.boot()
}

// Gate returns a non-secure caller's gate that needs no socket: the calls go
// through the secure partition manager's checks like all others. Its session ends
// with tb.
func (s *SPE) Gate(tb testing.TB) veneer.Gate {
	tb.Helper()
	session, err := s.Session()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(session.End)
	return gate{session}
}

type gate struct{ *spm.Session }

func (g gate) Call(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) veneer.Status {
	st, _ := g.Session.Call(h, typ, in, out)
	return st
}
