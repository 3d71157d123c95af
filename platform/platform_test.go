package platform

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
)

func provision(t testing.TB, opts ProvisionOptions) *Provisioned {
	t.Helper()
	p, err := Provision(filepath.Join(t.TempDir(), "device"), opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func open(t testing.TB, dir string) *SoC {
	t.Helper()
	s, err := Open(dir, OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestProvisionThenOpen(t *testing.T) {
	p := provision(t, ProvisionOptions{})
	for name, mode := range map[string]os.FileMode{
		".": 0o700, deviceFile: 0o600, flashFile: 0o600, uicrFile: 0o600, lockFile: 0o600, IAKFile: 0o644,
	} {
		st, err := os.Stat(filepath.Join(p.Dir, name))
		if err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: mode %v, %v", name, st.Mode().Perm(), err)
		}
	}
	siblings, err := os.ReadDir(filepath.Dir(p.Dir))
	if err != nil || len(siblings) != 1 {
		t.Errorf("left beside the device: %v, %v", siblings, err)
	}

	s := open(t, p.Dir)
	if s.ID != p.DeviceID || s.Board.Name != board.Default || s.Created.IsZero() {
		t.Errorf("opened %q %q %v", s.ID, s.Board.Name, s.Created)
	}
	if s.Lifecycle() != LifecycleSecured {
		t.Errorf("lifecycle 0x%x", s.Lifecycle())
	}
	if want := sha256.Sum256([]byte("postern\x00nrf5340\x001")); s.ImplementationID() != want || p.ImplementationID != want {
		t.Errorf("implementation identifier %x", s.ImplementationID())
	}
	if s.SignerID() != p.SignerID || s.SignerID() == [32]byte{} {
		t.Errorf("signer %x", s.SignerID())
	}
	if _, open := s.CtrlAP.MemoryAccess(); open {
		t.Error("the debug port is open")
	}

	// The PEM file verifies what the engine signs.
	text, err := os.ReadFile(p.IAKPath)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte("token"))
	sig, err := s.Keys.SignIdentity(hash[:])
	if err != nil {
		t.Fatal(err)
	}
	if !ecdsa.Verify(pub.(*ecdsa.PublicKey), hash[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		t.Error("iak.pub.pem does not verify the device's signature")
	}
}

func TestContentsSurviveAReopen(t *testing.T) {
	p := provision(t, ProvisionOptions{})
	var seeds [2][32]byte
	var huk [2][]byte
	for i := range 2 {
		s, err := Open(p.Dir, OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		its, err := s.Area(board.ITS)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 4)
		if err := its.Read(0, got); err != nil {
			t.Fatal(err)
		}
		if want := []byte{0xFF, 0xFF, 0xFF, 0xFF}; i == 0 && !bytes.Equal(got, want) {
			t.Errorf("new flash: %x", got)
		}
		if i == 1 && string(got) != "kept" {
			t.Errorf("after the restart: %x", got)
		}
		if i == 0 {
			if err := its.Program(0, []byte("kept")); err != nil {
				t.Fatal(err)
			}
		}
		seeds[i] = s.BootSeed()
		huk[i] = make([]byte, 32)
		if err := s.Keys.DeriveHUK([]byte("test"), nil, huk[i]); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("second close: %v", err)
		}
		if err := its.Read(0, got); err != cells.ErrClosed {
			t.Errorf("read after close: %v", err)
		}
		if err := s.Keys.DeriveHUK(nil, nil, got); err == nil {
			t.Error("derived a key after close")
		}
	}
	if seeds[0] == seeds[1] {
		t.Error("the same boot seed twice")
	}
	if !bytes.Equal(huk[0], huk[1]) {
		t.Error("the hardware unique key changed")
	}
	other := open(t, provision(t, ProvisionOptions{}).Dir)
	key := make([]byte, 32)
	if err := other.Keys.DeriveHUK([]byte("test"), nil, key); err != nil || bytes.Equal(key, huk[0]) {
		t.Errorf("two devices share a hardware unique key (%v)", err)
	}
}

func TestInUse(t *testing.T) {
	dir := provision(t, ProvisionOptions{}).Dir
	s := open(t, dir)
	_, err := Open(dir, OpenOptions{})
	var iu *InUseError
	if !errors.As(err, &iu) || iu.PID != os.Getpid() {
		t.Fatalf("%v", err)
	}
	if want := fmt.Sprintf("%s is in use by pid %d", dir, os.Getpid()); err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestMissingLockFileIsMade(t *testing.T) {
	dir := provision(t, ProvisionOptions{}).Dir
	if err := os.Remove(filepath.Join(dir, lockFile)); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	var iu *InUseError
	if _, err := Open(dir, OpenOptions{}); !errors.As(err, &iu) {
		t.Errorf("%v", err)
	}
}

func TestBoot(t *testing.T) {
	for _, name := range board.Names() {
		t.Run(name, func(t *testing.T) {
			s := open(t, provision(t, ProvisionOptions{Board: name}).Dir)
			if err := s.Boot(); err != nil {
				t.Fatal(err)
			}
			for _, a := range s.Board.Areas {
				testBootedArea(t, s, a)
			}
			for addr, want := range map[uint32]bus.Fault{
				s.Board.RAM.Base:                                bus.SecureFault,
				s.Board.RAM.Base + s.Board.SecureRAM - 4:        bus.SecureFault,
				s.Board.RAM.Base + s.Board.SecureRAM:            bus.NoFault,
				s.Board.RAM.End() - 4:                           bus.NoFault,
				s.Board.UICR:                                    bus.SecureFault,
				s.Board.RAM.End():                               bus.BusFault,
				board.SecureAlias | s.Board.Peripherals[0].Base: bus.SecureFault,
			} {
				if _, f := s.Bus.Load(addr, 4, bus.NonSecureCPU); f != want {
					t.Errorf("non-secure load at 0x%08x: %v, want %v", addr, f, want)
				}
			}
			image, _ := s.Board.Area(board.SecureImage)
			veneers := image.End() - s.Board.Callable
			if !s.guard.Callable(veneers) || s.guard.Callable(veneers-4) {
				t.Error("the veneers are not at the end of the secure image")
			}
			for _, p := range s.Board.Peripherals {
				_, f := s.Bus.Load(p.Address(bus.NonSecure), 4, bus.NonSecureCPU)
				if free := f == bus.NoFault; free != p.NonSecure {
					t.Errorf("%s at 0x%08x: %v, and the table says %v", p.Name, p.Address(bus.NonSecure), f, p.NonSecure)
				}
			}
			if err := s.Boot(); err == nil {
				t.Error("booted twice")
			}
			if _, err := s.Area("attic"); err == nil {
				t.Error("an area that the board does not have")
			}
		})
	}
}

func testBootedArea(t *testing.T, s *SoC, a board.Area) {
	for _, addr := range []uint32{a.Base, a.End() - 4} {
		_, f := s.Bus.Load(addr, 4, bus.NonSecureCPU)
		want := bus.NoFault
		if a.Attr == bus.Secure {
			want = bus.SecureFault
		}
		if f != want {
			t.Errorf("non-secure read of %s at 0x%x: %v", a.Name, addr, f)
		}
		if _, f := s.Bus.Load(addr, 4, bus.SecureCPU); f != bus.NoFault {
			t.Errorf("secure read of %s at 0x%x: %v", a.Name, addr, f)
		}
	}
	area, err := s.Area(a.Name)
	if err != nil || area.Size() != int(a.Size) || area.PageSize() != 4096 {
		t.Fatalf("%s: %v", a.Name, err)
	}
	// Secure code is frozen for the secure world as well.
	frozen := a.Rights != 0 && a.Rights&bus.Write == 0 || a.Name == board.Bootloader
	if err := area.Program(0, make([]byte, 16)); (err != nil) != frozen {
		t.Errorf("program %s: %v", a.Name, err)
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := provision(b, ProvisionOptions{}).Dir
	for b.Loop() {
		s, err := Open(dir, OpenOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Boot(); err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
