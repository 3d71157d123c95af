package spe_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spetest/oracle"
	"github.com/postern-spe/postern/spe/spm"
	"github.com/postern-spe/postern/veneer"
)

// clientIDs are the non-secure contexts of the storage tests.
var clientIDs = []int32{-1, -2, spe.DefaultClientID}

// machine is a device of the storage tests, and its secure world while that
// runs.
type machine struct {
	dir     string
	world   *spe.World
	clients map[int32]oracle.Client
}

// places returns all places that the storage tests use.
func places() (all []oracle.Place) {
	for _, s := range []oracle.Service{oracle.Internal, oracle.Protected, oracle.Keys} {
		for _, c := range clientIDs {
			for uid := uint64(1); uid <= 4; uid++ {
				all = append(all, at(s, c, uid))
			}
		}
	}
	return all
}

func at(s oracle.Service, client int32, uid uint64) oracle.Place {
	return oracle.Place{Service: s, Client: client, UID: uid}
}

// sessionGate makes the session of a secure world a gate without a socket.
type sessionGate struct{ *spm.Session }

func (g sessionGate) Call(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) veneer.Status {
	st, _ := g.Session.Call(h, typ, in, out)
	return st
}

// devices are how the devices of the storage tests are made: of NOR flash and of
// RRAM, with Internal Trusted Storage in the clear and encrypted.
var devices = map[string]platform.ProvisionOptions{
	"nrf5340":             {Board: "nrf5340"},
	"nrf54l15":            {Board: "nrf54l15"},
	"nrf5340, encrypted":  {Board: "nrf5340", ITS: platform.ITSOptions{Encrypted: true}},
	"nrf54l15, encrypted": {Board: "nrf54l15", ITS: platform.ITSOptions{Encrypted: true}},
}

// newMachine provisions a device, which is off.
func newMachine(tb testing.TB, o platform.ProvisionOptions) *machine {
	tb.Helper()
	m := &machine{dir: shortDir(tb)}
	if _, err := platform.Provision(m.dir, o); err != nil {
		tb.Fatal(err)
	}
	return m
}

// shortDir returns an empty directory below which sockets have paths that are
// short enough. It is in memory where the host has room for that: a device that
// is turned off is written to the disk, and these tests do that thousands of
// times.
func shortDir(tb testing.TB) string {
	tb.Helper()
	const memory, room = "/dev/shm", 256 << 20
	parent := ""
	var st syscall.Statfs_t
	if err := syscall.Statfs(memory, &st); err == nil && st.Bavail*uint64(st.Bsize) >= room {
		parent = memory
	}
	dir, err := os.MkdirTemp(parent, "spe-")
	if err != nil && parent != "" {
		dir, err = os.MkdirTemp("", "spe-")
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// boot boots the device, and opens a session for each client.
func (m *machine) boot(o spe.Options) error {
	o.Program = bytes.NewReader(nil) // measuring nothing takes no time
	w, err := spe.Boot(m.dir, o)
	if err != nil {
		return err
	}
	m.world, m.clients = w, make(map[int32]oracle.Client)
	for _, id := range clientIDs {
		s, err := w.SessionOf(id)
		if err != nil {
			return err
		}
		m.clients[id] = oracle.NewClient(sessionGate{s})
	}
	return nil
}

// off turns the power off, where it is on. What the host says of it is of no
// interest after a power failure.
func (m *machine) off() {
	if m.world != nil {
		_ = m.world.Close()
		m.world = nil
	}
}

// mustBoot is boot where it cannot fail.
func (m *machine) mustBoot(tb rapid.TB, o spe.Options) {
	tb.Helper()
	if err := m.boot(o); err != nil {
		tb.Fatalf("boot: %v", err)
	}
}

// unwritten are the files that nothing writes in these tests, and that are most
// of a device: copies share them.
var unwritten = []string{"external.bin", "external.wear", "flash-ns.bin"}

// clone copies the files of a device, which may be running, as a SIGKILL would
// leave them, to a directory that is emptied first.
func (m *machine) clone(tb rapid.TB, to string) *machine {
	tb.Helper()
	entries, err := os.ReadDir(m.dir)
	if err == nil {
		err = os.RemoveAll(to)
	}
	if err == nil {
		err = os.Mkdir(to, 0o700)
	}
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue // the sockets
		}
		put := copyFile
		if slices.Contains(unwritten, e.Name()) {
			put = os.Link
		}
		if err := put(filepath.Join(m.dir, e.Name()), filepath.Join(to, e.Name())); err != nil {
			tb.Fatal(err)
		}
	}
	return &machine{dir: to}
}

func copyFile(from, to string) error {
	st, err := os.Stat(from)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, st.Mode()&fs.ModePerm)
}

// flash is the secure flash of a device that is off, with what wear has done to
// it.
type flash struct{ cells, wear []byte }

func (m *machine) flash(tb testing.TB) flash {
	tb.Helper()
	return flash{m.file(tb, "flash.bin"), m.file(tb, "flash.wear")}
}

func (m *machine) file(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(m.dir, name))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// put gives a device that is off the flash f.
func (m *machine) put(tb testing.TB, f flash) {
	tb.Helper()
	for name, b := range map[string][]byte{"flash.bin": f.cells, "flash.wear": f.wear} {
		if err := os.WriteFile(filepath.Join(m.dir, name), b, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
}

// bounds returns where an area of a board begins and ends in flash.bin.
func bounds(tb testing.TB, boardName, name string) (from, to int) {
	tb.Helper()
	b, ok := board.Lookup(boardName)
	if !ok {
		tb.Fatalf("no board %s", boardName)
	}
	a, ok := b.Area(name)
	if !ok {
		tb.Fatalf("%s has no area %s", boardName, name)
	}
	return int(a.Base - b.Flash.Base), int(a.End() - b.Flash.Base)
}
