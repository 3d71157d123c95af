package main

import (
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/postern-spe/postern/ipc/buslink"
)

// doorDevice is a device of 64 KiB of memory at 0, which the bus door shows up to
// 0x8000 and the debug door as long as it is not protected, with the CTRL-AP of
// the nRF5340. The SoC is not for this side of the wall, so this stands in for it.
type doorDevice struct {
	dir  string
	file *os.File // the memory below 0x8000, for mapping
	wg   sync.WaitGroup

	mu        sync.Mutex
	mem       [64 << 10]byte
	protected bool
	key       uint32 // that firmware has written to APPROTECT.DISABLE
	offered   uint32 // and the debugger
	erased    bool
	servers   []*buslink.Server
}

const (
	doorSecure = 0x8000
	doorCtrlAP = 2
)

// startDoors starts a device in a directory and returns it; $POSTERN_SOCKET is
// its veneer's, which nobody listens on.
func startDoors(t *testing.T) *doorDevice {
	t.Helper()
	d := &doorDevice{dir: t.TempDir()}
	for i := range d.mem {
		d.mem[i] = byte(i)
	}
	binary.LittleEndian.PutUint32(d.mem[0x100:], 0x8000F3BF) // a halfword 0xf3bf, and 0x8000
	binary.LittleEndian.PutUint32(d.mem[0x104:], 0x11223344)
	path := filepath.Join(d.dir, "flash")
	if err := os.WriteFile(path, d.mem[:doorSecure], 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if d.file, err = os.Open(path); err != nil {
		t.Fatal(err)
	}
	if err := d.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.wg.Wait()
		for _, s := range d.servers {
			s.Close()
		}
		d.file.Close()
	})
	return d
}

// open opens both doors.
func (d *doorDevice) open() error {
	d.servers = nil
	for name, target := range map[string]buslink.Target{"bus.sock": &busTarget{d}, "debug.sock": &debugTarget{d}} {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(d.dir, name), Net: "unix"})
		if err != nil {
			return err
		}
		s := buslink.NewServer(target, nil)
		d.servers = append(d.servers, s)
		go s.Serve(l)
	}
	return nil
}

// reset restarts the device. It is called with the lock held.
func (d *doorDevice) reset() {
	if d.erased {
		d.protected, d.erased = false, false
	}
	old := d.servers
	d.wg.Go(func() {
		for _, s := range old {
			s.Close()
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.open()
	})
}

func (d *doorDevice) load(addr uint32, width int) (uint32, buslink.Outcome) {
	if addr%uint32(width) != 0 || addr >= uint32(len(d.mem)) {
		return 0, buslink.BusFault
	}
	return number(d.mem[addr:][:width]), buslink.OK
}

func (d *doorDevice) store(addr uint32, width int, v uint32) buslink.Outcome {
	_, o := d.load(addr, width)
	if o == buslink.OK {
		copy(d.mem[addr:], binary.LittleEndian.AppendUint32(nil, v)[:width])
	}
	return o
}

// busTarget is the bus door.
type busTarget struct{ *doorDevice }

func (b *busTarget) Board() string { return "nrf5340" }

func (b *busTarget) check(addr uint32) buslink.Outcome {
	if addr >= doorSecure && addr < uint32(len(b.mem)) {
		return buslink.SecureFault
	}
	return buslink.OK
}

func (b *busTarget) Load(ap uint8, addr uint32, width int) (uint32, buslink.Outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o := b.check(addr); o != buslink.OK {
		return 0, o
	}
	return b.load(addr, width)
}

func (b *busTarget) Fetch(ap uint8, addr uint32, width int) (uint32, buslink.Outcome) {
	return b.Load(ap, addr, width)
}

func (b *busTarget) Store(ap uint8, addr uint32, width int, v uint32) buslink.Outcome {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o := b.check(addr); o != buslink.OK {
		return o
	}
	return b.store(addr, width, v)
}

func (b *busTarget) ReadBlock(ap uint8, addr uint32, p []byte) (uint32, buslink.Outcome) {
	for i := range p {
		v, o := b.Load(ap, addr+uint32(i), 1)
		if o != buslink.OK {
			return addr + uint32(i), o
		}
		p[i] = byte(v)
	}
	return 0, buslink.OK
}

func (b *busTarget) Windows() ([]buslink.Window, error) {
	return []buslink.Window{{Addr: 0, Size: doorSecure, File: b.file}}, nil
}

// debugTarget is the debug door.
type debugTarget struct{ *doorDevice }

func (d *debugTarget) Board() string { return "nrf5340" }

func (d *debugTarget) closed() bool { return d.protected || d.key != d.offered }

func (d *debugTarget) Load(ap uint8, addr uint32, width int) (uint32, buslink.Outcome) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case ap == doorCtrlAP && addr == 0x0C && !d.protected: // APPROTECT.STATUS
		return 3, buslink.OK
	case ap == doorCtrlAP && addr == 0x18: // ERASEPROTECT.STATUS
		return 1, buslink.OK
	case ap == doorCtrlAP && addr == 0xFC:
		return 0x12880000, buslink.OK
	case ap == doorCtrlAP:
		return 0, buslink.OK
	case ap != buslink.MemoryAP:
		return 0, buslink.BusFault
	case d.closed():
		return 0, buslink.Protected
	}
	return d.load(addr, width)
}

func (d *debugTarget) Fetch(uint8, uint32, int) (uint32, buslink.Outcome) {
	return 0, buslink.BusFault
}

func (d *debugTarget) Store(ap uint8, addr uint32, width int, v uint32) buslink.Outcome {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case ap == doorCtrlAP && addr == 0 && v == 1:
		d.reset()
	case ap == doorCtrlAP && addr == 4 && v == 1:
		clear(d.mem[:])
		d.erased = true
	case ap == doorCtrlAP && addr == 0x10:
		d.offered = v
	case ap == doorCtrlAP:
	case d.closed():
		return buslink.Protected
	default:
		return d.store(addr, width, v)
	}
	return buslink.OK
}

func (d *debugTarget) ReadBlock(ap uint8, addr uint32, p []byte) (uint32, buslink.Outcome) {
	for i := range p {
		v, o := d.Load(ap, addr+uint32(i), 1)
		if o != buslink.OK {
			return addr + uint32(i), o
		}
		p[i] = byte(v)
	}
	return 0, buslink.OK
}
