package flash

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/postern-spe/postern/ipc/buslink"
)

func mapped(t testing.TB, f *Flash) *Window {
	t.Helper()
	w, err := f.Map()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func slice(t testing.TB, w *Window, addr uint32, n int) []byte {
	t.Helper()
	p, err := w.Bytes(addr, n)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestWindowShowsFlash(t *testing.T) {
	f := openChip(t)
	w := mapped(t, f)
	want := []Range{{0, hole}, {hole + pageSize, secureFrom - hole - pageSize}}
	if got := w.Pieces(); !slices.Equal(got, want) {
		t.Errorf("pieces %+v", got)
	}
	p := slice(t, w, 0x1000, 8)
	if binary.LittleEndian.Uint32(p) != 0xFFFFFFFF {
		t.Errorf("erased flash is %x", p)
	}
	// What is programmed later shows too.
	if err := f.Program(0x1000, []byte("readable")); err != nil {
		t.Fatal(err)
	}
	if string(p) != "readable" {
		t.Errorf("%q", p)
	}
	got := make([]byte, 8)
	if n, err := w.ReadAt(got, 0x1000); n != 8 || err != nil || string(got) != "readable" {
		t.Errorf("%d, %v, %q", n, err, got)
	}
	// Closing the door does not take the window away.
	f.Close()
	if string(p) != "readable" {
		t.Errorf("%q", p)
	}
}

// TestTouchingAHole: what is not in the window is a real page fault, and the
// fault that the processor gets; the hardware notes it.
func TestTouchingAHole(t *testing.T) {
	c := newChip(t, "nrf5340")
	f := openOn(t, c)
	w := mapped(t, f)
	all := slice(t, w, 0, 1<<20)
	var sum byte
	tests := []struct {
		name string
		do   func()
		want FaultError
	}{
		{"secure", func() { sum += all[secureFrom+5] }, FaultError{SecureFault, secureFrom + 5, Read}},
		{"secure word", func() { sum += byte(binary.LittleEndian.Uint32(all[secureFrom+8:])) }, FaultError{SecureFault, secureFrom + 8, Read}},
		{"not readable", func() { sum += all[hole] }, FaultError{BusFault, hole, Read}},
		{"nothing there", func() { sum += all[flashSize] }, FaultError{BusFault, flashSize, Read}},
		{"write", func() { all[16] = 0 }, FaultError{BusFault, 16, Write}},
		{"write to secure", func() { all[secureFrom+4] = 0 }, FaultError{SecureFault, secureFrom + 4, Read}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			after := false
			err := w.Do(func() error {
				tt.do()
				after = true
				return nil
			})
			var fe *FaultError
			if !errors.As(err, &fe) || *fe != tt.want {
				t.Errorf("%v, want %v", err, &tt.want)
			}
			if after {
				t.Error("the access went on")
			}
		})
	}
	c.mu.Lock()
	noted := slices.Clone(c.noted)
	c.mu.Unlock()
	if want := []uint32{secureFrom + 5, secureFrom + 8, secureFrom + 4}; !slices.Equal(noted, want) {
		t.Errorf("the hardware noted %x, want %x", noted, want)
	}
	// A copy is done by instructions that read many bytes at once.
	dst := make([]byte, 100)
	err := w.Do(func() error { copy(dst, all[secureFrom-50:]); return nil })
	var fe *FaultError
	if !errors.As(err, &fe) || fe.Kind != SecureFault || fe.Addr < secureFrom || fe.Addr >= secureFrom+50 {
		t.Errorf("copy: %v", err)
	}
}

func TestDoPassesOn(t *testing.T) {
	w := mapped(t, openChip(t))
	own := errors.New("own")
	if err := w.Do(func() error { return own }); err != own {
		t.Errorf("error: %v", err)
	}
	if err := w.Do(func() error { return nil }); err != nil {
		t.Errorf("nothing: %v", err)
	}
	for name, do := range map[string]func(){
		"a panic":             func() { panic("mine") },
		"an error as a panic": func() { panic(own) },
		"another fault":       func() { var p *int; *p = 1 },
		"an index":            func() { _ = make([]byte, 1)[len(name(t))] },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("swallowed")
				}
			}()
			w.Do(func() error { do(); return nil })
		})
	}
}

func name(t *testing.T) string { return t.Name() }

func TestWindowReadAt(t *testing.T) {
	c := newChip(t, "nrf5340")
	w := mapped(t, openOn(t, c))
	for i := range c.mem {
		c.mem[i] = byte(i * 7)
	}
	tests := []struct {
		name string
		off  int64
		size int
		n    int
		want error
	}{
		{"all of a piece", 0, hole, hole, nil},
		{"nothing", 0, 0, 0, nil},
		{"into a hole", hole - 3, 8, 3, &FaultError{BusFault, hole, Read}},
		{"out of a hole", hole + pageSize - 1, 8, 0, &FaultError{BusFault, hole + pageSize - 1, Read}},
		{"to the secure world", secureFrom - 40, 40, 40, nil},
		{"into the secure world", secureFrom - 33, 4096, 33, &FaultError{SecureFault, secureFrom, Read}},
		{"past all flash", 0x30000000, 4, 0, &FaultError{BusFault, 0x30000000, Read}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := bytes.Repeat([]byte{0xEE}, tt.size)
			n, err := w.ReadAt(p, tt.off)
			var fe *FaultError
			if errors.As(err, &fe) != (tt.want != nil) || fe != nil && *fe != *tt.want.(*FaultError) || n != tt.n {
				t.Fatalf("%d, %v; want %d, %v", n, err, tt.n, tt.want)
			}
			if tt.n > 0 && !bytes.Equal(p[:n], c.mem[tt.off:][:n]) {
				t.Error("other bytes")
			}
			if !bytes.Equal(p[n:], make([]byte, tt.size-n)) {
				t.Error("the rest is not zero")
			}
		})
	}
	if _, err := w.ReadAt(make([]byte, 2), 1<<32-1); err == nil {
		t.Error("past the address space")
	}
}

// TestReadableMeanwhile: a window does not follow the permissions, and says so.
func TestReadableMeanwhile(t *testing.T) {
	c := newChip(t, "nrf5340")
	w := mapped(t, openOn(t, c))
	c.mu.Lock()
	c.opened = true
	c.mu.Unlock()
	if _, err := w.ReadAt(make([]byte, 1), secureFrom); !errors.Is(err, ErrNowReadable) {
		t.Error(err)
	}
}

// TestFileCutShort: a device that takes back what it has mapped makes reading
// fail, and does not end the program.
func TestFileCutShort(t *testing.T) {
	c := newChip(t, "nrf5340")
	w := mapped(t, openOn(t, c))
	if err := os.Truncate(c.file.Name(), 0); err != nil {
		t.Fatal(err)
	}
	want := FaultError{BusFault, 0x1000, Read}
	var fe *FaultError
	if n, err := w.ReadAt(make([]byte, 4), 0x1000); n != 0 || !errors.As(err, &fe) || *fe != want {
		t.Errorf("%d, %v", n, err)
	}
}

func TestBytesArguments(t *testing.T) {
	w := mapped(t, openChip(t))
	for name, tt := range map[string]struct {
		addr uint32
		n    int
	}{
		"negative": {16, -1}, "past the flash": {1<<20 - 4, 8}, "no flash": {0x20000000, 4}, "all and more": {0, 1 << 40},
	} {
		if p, err := w.Bytes(tt.addr, tt.n); err == nil {
			t.Errorf("%s: %d bytes", name, len(p))
		}
	}
	if p := slice(t, w, 0x10000000, 16); cap(p) != 16 {
		t.Errorf("capacity %d", cap(p))
	}
}

// plain is a chip without windows.
type plain struct{ buslink.Target }

// misplaced is a chip whose windows are where its board has no flash.
type misplaced struct{ *chip }

func (m misplaced) Windows() ([]buslink.Window, error) {
	return []buslink.Window{{Addr: 0x20000000, Size: secureFrom, File: m.file}}, nil
}

func TestNoMapping(t *testing.T) {
	c := newChip(t, "nrf5340")
	if _, err := openOn(t, plain{c}).Map(); !errors.Is(err, ErrNotMapped) {
		t.Errorf("no windows: %v", err)
	}
	if w, err := openOn(t, misplaced{c}).Map(); err == nil {
		t.Errorf("windows over RAM: %+v", w.Pieces())
	}
}

func TestClosedWindow(t *testing.T) {
	w := mapped(t, openChip(t))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Bytes(0, 4); err == nil || len(w.Pieces()) != 0 {
		t.Error("usable after Close")
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
