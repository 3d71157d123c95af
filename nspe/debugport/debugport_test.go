package debugport

import (
	"bytes"
	"context"
	"errors"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/postern-spe/postern/ipc/buslink"
)

func openPort(t *testing.T, d *device) *Port {
	t.Helper()
	p, err := Open(d.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// TestRegisters holds the tables against the chapters CTRL-AP: access ports,
// offsets, and which registers there are.
func TestRegisters(t *testing.T) {
	const none = math.MaxUint32
	order := []Register{Reset, EraseAll, EraseAllStatus, APProtectStatus, APProtectDisable, SecureAPProtectDisable,
		EraseProtectStatus, EraseProtectDisable, MailboxTXData, MailboxTXStatus, MailboxRXData, MailboxRXStatus,
		InfoPartNo, InfoHWRevision, IDR}
	nrf5340 := []uint32{0, 4, 8, 0xC, 0x10, 0x14, 0x18, 0x1C, 0x20, 0x24, 0x28, 0x2C, none, none, 0xFC}
	tests := []struct {
		board   string
		ctrl    uint8
		offsets []uint32
	}{
		{"nrf5340", 2, nrf5340},
		{"nrf9160", 4, []uint32{0, 4, 8, 0xC, none, none, 0x18, 0x1C, 0x20, 0x24, 0x28, 0x2C, none, none, 0xFC}},
		{"nrf54l15", 2, []uint32{0, 4, 8, 0x14, none, none, 0xC, 0x10, 0x20, 0x24, 0x28, 0x2C, 0x30, 0x34, 0xFC}},
		{"virt", 2, nrf5340},
	}
	if len(tests) != len(Boards()) {
		t.Errorf("%d boards", len(Boards()))
	}
	for _, tt := range tests {
		t.Run(tt.board, func(t *testing.T) {
			p := openPort(t, newDevice(t, tt.board))
			if b := p.Board(); b.Name != tt.board || b.MemoryAP != 0 || b.CtrlAP != tt.ctrl {
				t.Errorf("%s: memory %d, CTRL-AP %d", b.Name, b.MemoryAP, b.CtrlAP)
			}
			for i, r := range order {
				off, ok := p.board.Registers[r]
				if !ok {
					off = none
				}
				if off != tt.offsets[i] {
					t.Errorf("%v at 0x%x, want 0x%x", r, off, tt.offsets[i])
				}
				_, err := p.ReadRegister(r)
				var missing *NoRegisterError
				if errors.As(err, &missing) == ok || ok && err != nil {
					t.Errorf("read %v: %v", r, err)
				}
				if err := p.WriteRegister(r, 0); errors.As(err, &missing) == ok || ok && err != nil {
					t.Errorf("write %v: %v", r, err)
				}
			}
		})
	}
}

func TestStatus(t *testing.T) {
	for _, board := range Boards() {
		t.Run(board.Name, func(t *testing.T) {
			d := newDevice(t, board.Name)
			p := openPort(t, d)
			want := Status{Board: board.Name, IDR: 0x12880000, EraseAll: EraseReady, MemoryOpen: true}
			if s, err := p.Status(); s != want || err != nil {
				t.Errorf("open: %+v, %v", s, err)
			}
			d.mu.Lock()
			d.protected, d.eraseProtected, d.erasing = true, true, 1
			d.regs[MailboxRXStatus] = 1
			d.mu.Unlock()
			want = Status{Board: board.Name, IDR: 0x12880000, EraseAll: EraseBusy, APProtected: true, SecureAPProtected: true,
				EraseProtected: true, MailboxPending: true}
			if s, err := p.Status(); s != want || err != nil {
				t.Errorf("protected: %+v, %v", s, err)
			}
		})
	}
}

func TestMemory(t *testing.T) {
	d := newDevice(t, "nrf5340")
	p := openPort(t, d)
	m := p.Memory()
	for _, tt := range []struct {
		width int
		v     uint32
	}{{4, 0x11223344}, {2, 0xAABB}, {1, 0xCC}} {
		if err := m.Store(0x100, tt.width, tt.v); err != nil {
			t.Fatal(err)
		}
		if v, err := m.Load(0x100, tt.width); v != tt.v || err != nil {
			t.Errorf("width %d: 0x%x, %v", tt.width, v, err)
		}
	}
	got := make([]byte, 3*buslink.MaxBlock)
	if n, err := m.ReadAt(got, 0x100); n != len(got) || err != nil || !bytes.Equal(got[:4], []byte{0xCC, 0xAA, 0x22, 0x11}) {
		t.Errorf("%d, %v, %x", n, err, got[:4])
	}
	var fault *FaultError
	if _, err := m.ReadAt(got, 1<<16-buslink.MaxBlock); !errors.As(err, &fault) || fault.Addr != 1<<16 {
		t.Errorf("past the memory: %v", err)
	}
	if _, err := m.ReadAt(got, math.MaxUint32); err == nil || errors.As(err, &fault) && fault.Addr != 1<<16 {
		t.Errorf("past the address space: %v", err)
	}
	if _, err := p.AccessPort(9).Load(0, 4); !errors.As(err, &fault) || err.Error() != "BusFault: debugger read at 0x00000000 of access port 9" {
		t.Errorf("no such port: %v", err)
	}
	d.mu.Lock()
	d.protected = true
	d.mu.Unlock()
	if _, err := m.Load(0, 4); !errors.Is(err, ErrProtected) {
		t.Errorf("load: %v", err)
	}
	if err := m.Store(0, 4, 0); !errors.Is(err, ErrProtected) {
		t.Errorf("store: %v", err)
	}
	if _, err := m.ReadAt(got, 0); !errors.Is(err, ErrProtected) {
		t.Errorf("block: %v", err)
	}
}

func TestUnlock(t *testing.T) {
	d := newDevice(t, "nrf5340", func(d *device) { d.key = 0x12345678 })
	p := openPort(t, d)
	if _, err := p.Memory().Load(0, 4); !errors.Is(err, ErrProtected) {
		t.Errorf("before: %v", err)
	}
	if err := p.Unlock(0x12345679); !errors.Is(err, ErrStillProtected) {
		t.Errorf("another key: %v", err)
	}
	if err := p.Unlock(0x12345678); err != nil {
		t.Error(err)
	}
	d.mu.Lock()
	if v := d.regs[SecureAPProtectDisable]; v != 0x12345678 {
		t.Errorf("the secure port was offered 0x%x", v)
	}
	d.mu.Unlock()
	if _, err := p.Memory().Load(0, 4); err != nil {
		t.Errorf("after: %v", err)
	}
	var missing *NoRegisterError
	if err := openPort(t, newDevice(t, "nrf9160")).Unlock(1); !errors.As(err, &missing) {
		t.Errorf("a board without keys: %v", err)
	}
}

func TestReset(t *testing.T) {
	d := newDevice(t, "nrf54l15")
	p := openPort(t, d)
	for i := range 3 {
		if err := p.Reset(context.Background()); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Status(); err != nil || d.resetCount() != i+1 {
			t.Fatalf("after %d resets: %v", d.resetCount(), err)
		}
	}
}

func TestEraseAll(t *testing.T) {
	for _, board := range Boards() {
		for _, itself := range []bool{false, true} {
			name := board.Name
			if itself {
				name += " resets itself"
			}
			t.Run(name, func(t *testing.T) {
				d := newDevice(t, board.Name, func(d *device) { d.protected, d.resetsItself, d.mem[5] = true, itself, 1 })
				p := openPort(t, d)
				if err := p.EraseAll(context.Background()); err != nil {
					t.Fatal(err)
				}
				if v, err := p.Memory().Load(4, 4); v != 0 || err != nil {
					t.Errorf("0x%x, %v", v, err)
				}
			})
		}
	}
}

func TestEraseAllRefused(t *testing.T) {
	d := newDevice(t, "nrf54l15", func(d *device) { d.eraseProtected, d.mem[5] = true, 1 })
	p := openPort(t, d)
	if err := p.EraseAll(context.Background()); !errors.Is(err, ErrEraseProtected) {
		t.Error(err)
	}
	d.mu.Lock()
	if d.mem[5] != 1 || d.resets != 0 {
		t.Error("the device has changed")
	}
	d.eraseProtected, d.failing = false, true
	d.mu.Unlock()
	if err := p.EraseAll(context.Background()); !errors.Is(err, ErrEraseFailed) || d.resetCount() != 0 {
		t.Errorf("%v, %d resets", err, d.resetCount())
	}
}

// TestGivingUp: the end of the context ends every wait.
func TestGivingUp(t *testing.T) {
	for name, prepare := range map[string]func(*device){
		"busy for ever":    func(d *device) { d.erasing = math.MaxInt },
		"does not return":  func(d *device) { d.dead = true },
		"does not answer":  func(d *device) { d.stuck = make(chan bool) },
		"another returns":  func(d *device) { d.returnsAs = "nrf9160" },
		"before beginning": func(*device) {},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t, "nrf54l15", prepare)
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			if name == "before beginning" {
				cancel()
			}
			p := openPort(t, d)
			var err error
			if name == "busy for ever" {
				err = p.awaitErase(ctx)
			} else {
				err = p.Reset(ctx)
			}
			if err == nil || name != "another returns" && !errors.Is(err, ctx.Err()) {
				t.Errorf("%v", err)
			}
			if d.stuck != nil {
				close(d.stuck)
			}
		})
	}
}

func TestOpenAnotherDevice(t *testing.T) {
	var unknown *UnknownBoardError
	if _, err := Open(newDevice(t, "nrf9999").path); !errors.As(err, &unknown) {
		t.Errorf("a board that is not known: %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("connected to nothing")
	}
}
