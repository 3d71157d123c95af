package flash

import (
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/ipc/buslink"
)

// chip is a bus with 64 KiB of flash at 0, secure from 0x8000 on, programmed
// and erased through CONFIGNS as the nRF5340's is, or written in place as the
// nRF54L15's. The SoC itself is not for this side of the wall, so this stands in
// for it, and obeys its rules.
type chip struct {
	board string
	file  *os.File // the bytes of mem that can be read, for reading

	mu      sync.Mutex
	mem     []byte
	mode    uint32
	enabled bool     // RRAM: the secure world has WEN set
	noted   []uint32 // addresses at which a SecureFault was raised
	opened  bool     // the secure half is not secure any more
}

const (
	flashSize  = 64 << 10
	secureFrom = 0x8000
	pageSize   = 4096
	configNS   = nvmcConfigNS
)

func newChip(t testing.TB, board string) *chip {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flash")
	w, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Truncate(secureFrom); err != nil {
		t.Fatal(err)
	}
	c := &chip{board: board}
	if c.file, err = os.Open(path); err != nil {
		t.Fatal(err)
	}
	// One address range, and what can be read of it is in the file.
	if c.mem, err = unix.Mmap(-1, 0, flashSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS); err != nil {
		t.Fatal(err)
	}
	for _, r := range []Range{{0, hole}, {hole + pageSize, secureFrom - hole - pageSize}} {
		if _, err := unix.MmapPtr(int(w.Fd()), int64(r.Base), unsafe.Pointer(&c.mem[r.Base]), uintptr(r.Size),
			unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
			t.Fatal(err)
		}
	}
	for i := range c.mem {
		c.mem[i] = 0xFF
	}
	t.Cleanup(func() {
		c.file.Close()
		unix.Munmap(c.mem)
	})
	return c
}

func (c *chip) Board() string { return c.board }

// Windows has a hole of a page in what can be read.
func (c *chip) Windows() ([]buslink.Window, error) {
	return []buslink.Window{
		{Addr: 0, Size: hole, File: c.file, Off: 0},
		{Addr: hole + pageSize, Size: secureFrom - hole - pageSize, File: c.file, Off: hole + pageSize},
	}, nil
}

// hole is a page that nobody may read.
const hole = 0x4000

func (c *chip) check(ap uint8, addr uint32, width int) buslink.Outcome {
	switch {
	case ap != buslink.MemoryAP || addr%uint32(width) != 0 || addr >= flashSize:
		return buslink.BusFault
	case addr >= secureFrom && !c.opened:
		c.noted = append(c.noted, addr)
		return buslink.SecureFault
	}
	return buslink.OK
}

func (c *chip) read(ap uint8, addr uint32, width int) (uint32, buslink.Outcome) {
	if o := c.check(ap, addr, width); o != buslink.OK {
		return 0, o
	}
	if addr >= hole && addr < hole+pageSize {
		return 0, buslink.BusFault
	}
	var p [4]byte
	copy(p[:], c.mem[addr:][:width])
	return binary.LittleEndian.Uint32(p[:]), buslink.OK
}

func (c *chip) Load(ap uint8, addr uint32, width int) (uint32, buslink.Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if addr == configNS && c.board != "nrf54l15" {
		return c.mode, buslink.OK
	}
	return c.read(ap, addr, width)
}

func (c *chip) Fetch(ap uint8, addr uint32, width int) (uint32, buslink.Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read(ap, addr, width)
}

func (c *chip) Store(ap uint8, addr uint32, width int, v uint32) buslink.Outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	if addr == configNS && c.board != "nrf54l15" {
		c.mode = v
		return buslink.OK
	}
	if o := c.check(ap, addr, width); o != buslink.OK {
		return o
	}
	switch {
	case width != WordSize:
		return buslink.BusFault
	case c.board == "nrf54l15" && c.enabled:
		binary.LittleEndian.PutUint32(c.mem[addr:], v)
	case c.mode == writable:
		binary.LittleEndian.PutUint32(c.mem[addr:], v&binary.LittleEndian.Uint32(c.mem[addr:]))
	case c.mode == erasable && v == 0xFFFFFFFF && addr%pageSize == 0:
		for i := range pageSize {
			c.mem[addr+uint32(i)] = 0xFF
		}
	default:
		return buslink.BusFault
	}
	return buslink.OK
}

func (c *chip) ReadBlock(ap uint8, addr uint32, p []byte) (uint32, buslink.Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range p {
		v, o := c.read(ap, addr+uint32(i), 1)
		if o != buslink.OK {
			return addr + uint32(i), o
		}
		p[i] = byte(v)
	}
	return 0, buslink.OK
}

func openChip(t testing.TB) *Flash {
	t.Helper()
	return openOn(t, newChip(t, "nrf5340"))
}

func openOn(t testing.TB, target buslink.Target) *Flash {
	t.Helper()
	f, err := Open(serve(t, target))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func serve(t testing.TB, target buslink.Target) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bus.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	s := buslink.NewServer(target, nil)
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return path
}
