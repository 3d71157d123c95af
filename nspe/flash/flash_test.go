package flash

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/postern-spe/postern/ipc/buslink"
)

// chip is a bus with 64 KiB of flash at 0, secure from 0x8000 on, programmed
// and erased through CONFIGNS as the nRF5340's is. The SoC itself is not for
// this side of the wall, so this stands in for it, and obeys its rules.
type chip struct {
	mu   sync.Mutex
	mem  [64 << 10]byte
	mode uint32
}

const secureFrom = 0x8000

func newChip() *chip {
	c := new(chip)
	for i := range c.mem {
		c.mem[i] = 0xFF
	}
	return c
}

func (c *chip) check(addr uint32) buslink.Outcome {
	switch {
	case addr >= uint32(len(c.mem)):
		return buslink.BusFault
	case addr >= secureFrom:
		return buslink.SecureFault
	}
	return buslink.OK
}

func (c *chip) Load(addr uint32, width int) (uint32, buslink.Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if addr == configNS {
		return c.mode, buslink.OK
	}
	if o := c.check(addr); o != buslink.OK {
		return 0, o
	}
	return binary.LittleEndian.Uint32(c.mem[addr:]), buslink.OK
}

func (c *chip) Fetch(addr uint32, width int) (uint32, buslink.Outcome) { return c.Load(addr, width) }

func (c *chip) Store(addr uint32, width int, v uint32) buslink.Outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	if addr == configNS {
		c.mode = v
		return buslink.OK
	}
	if o := c.check(addr); o != buslink.OK {
		return o
	}
	switch {
	case c.mode == writable:
		binary.LittleEndian.PutUint32(c.mem[addr:], v&binary.LittleEndian.Uint32(c.mem[addr:]))
	case c.mode == erasable && v == 0xFFFFFFFF && addr%PageSize == 0:
		for i := range PageSize {
			c.mem[addr+uint32(i)] = 0xFF
		}
	default:
		return buslink.BusFault
	}
	return buslink.OK
}

func (c *chip) ReadBlock(addr uint32, p []byte) (uint32, buslink.Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range p {
		if o := c.check(addr + uint32(i)); o != buslink.OK {
			return addr + uint32(i), o
		}
	}
	copy(p, c.mem[addr:])
	return 0, buslink.OK
}

func openChip(t *testing.T) *Flash {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bus.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	s := buslink.NewServer(newChip(), nil)
	go s.Serve(l)
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Close()
		s.Close()
	})
	return f
}

func TestProgramReadErase(t *testing.T) {
	f := openChip(t)
	want := make([]byte, 3*PageSize)
	for i := range want {
		want[i] = byte(i * 5)
	}
	if err := f.Program(0x1000, want); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if n, err := f.ReadAt(got, 0x1000); n != len(got) || err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if v, err := f.Load(0x1004); err != nil || v != binary.LittleEndian.Uint32(want[4:]) {
		t.Errorf("0x%x, %v", v, err)
	}
	if err := f.Erase(0x1000); err != nil {
		t.Fatal(err)
	}
	if v, err := f.Fetch(0x1004); err != nil || v != 0xFFFFFFFF {
		t.Errorf("0x%x, %v", v, err)
	}
	// Neither leaves the write enable open.
	var fe *FaultError
	if err := f.Store(0x1000, 0); !errors.As(err, &fe) || fe.Kind != BusFault {
		t.Errorf("store after erase: %v", err)
	}
}

func TestFaults(t *testing.T) {
	f := openChip(t)
	p := bytes.Repeat([]byte{1}, 16)
	tests := []struct {
		name string
		do   func() error
		want FaultError
		text string
	}{
		{"read", func() error { _, err := f.ReadAt(p, secureFrom); return err },
			FaultError{SecureFault, secureFrom, Read}, "SecureFault: non-secure read at 0x00008000"},
		{"read across the border", func() error { _, err := f.ReadAt(p, secureFrom-4); return err },
			FaultError{SecureFault, secureFrom, Read}, "SecureFault: non-secure read at 0x00008000"},
		{"load", func() error { _, err := f.Load(0xFFFC); return err },
			FaultError{SecureFault, 0xFFFC, Read}, "SecureFault: non-secure read at 0x0000fffc"},
		{"fetch", func() error { _, err := f.Fetch(0x10000); return err },
			FaultError{BusFault, 0x10000, Fetch}, "BusFault: non-secure fetch at 0x00010000"},
		{"program", func() error { return f.Program(secureFrom, p) },
			FaultError{SecureFault, secureFrom, Write}, "SecureFault: non-secure write at 0x00008000"},
		{"erase", func() error { return f.Erase(secureFrom) },
			FaultError{SecureFault, secureFrom, Write}, "SecureFault: non-secure write at 0x00008000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.do()
			var fe *FaultError
			if !errors.As(err, &fe) || *fe != tt.want {
				t.Fatalf("%v", err)
			}
			if err.Error() != tt.text {
				t.Errorf("%q, want %q", err, tt.text)
			}
		})
	}
	if !bytes.Equal(p, make([]byte, 16)) {
		t.Errorf("a refused read left %x", p)
	}
	// The blocks before the refused one have been read.
	long := make([]byte, 2*PageSize)
	if n, err := f.ReadAt(long, secureFrom-PageSize); n != PageSize || err == nil || long[0] != 0xFF {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestArguments(t *testing.T) {
	f := openChip(t)
	for name, do := range map[string]func() error{
		"negative":               func() error { _, err := f.ReadAt(make([]byte, 1), -1); return err },
		"past the address space": func() error { _, err := f.ReadAt(make([]byte, 2), math.MaxUint32); return err },
		"half a word":            func() error { return f.Program(0, make([]byte, 2)) },
		"off a word":             func() error { return f.Program(2, make([]byte, 4)) },
		"off a page":             func() error { return f.Erase(4) },
	} {
		var fe *FaultError
		if err := do(); err == nil || errors.As(err, &fe) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n, err := f.ReadAt(nil, 0); n != 0 || err != nil {
		t.Errorf("nothing: %d, %v", n, err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("connected to nothing")
	}
}
