package flash

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"path/filepath"
	"testing"
)

func TestProgramReadErase(t *testing.T) {
	f := openChip(t)
	want := make([]byte, 3*pageSize)
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
	if v, err := f.Load(0x1004, Word); err != nil || v != binary.LittleEndian.Uint32(want[4:]) {
		t.Errorf("0x%x, %v", v, err)
	}
	for w, want := range map[Width]uint32{Byte: 0x14, Halfword: 0x1914, Word: 0x231E1914} {
		if v, err := f.Load(0x1004, w); err != nil || v != want {
			t.Errorf("load of %d: 0x%x, %v", w, v, err)
		}
	}
	if v, err := f.Fetch(0x1006, Halfword); err != nil || v != 0x231E {
		t.Errorf("fetch: 0x%x, %v", v, err)
	}
	if err := f.Erase(0x1000); err != nil {
		t.Fatal(err)
	}
	if v, err := f.Fetch(0x1004, Word); err != nil || v != 0xFFFFFFFF {
		t.Errorf("0x%x, %v", v, err)
	}
	// Neither leaves the write enable open.
	var fe *FaultError
	if err := f.Store(0x1000, Word, 0); !errors.As(err, &fe) || fe.Kind != BusFault {
		t.Errorf("store after erase: %v", err)
	}
}

// TestRRAM: memory without erasing, whose write enable is the secure world's.
func TestRRAM(t *testing.T) {
	c := newChip(t, "nrf54l15")
	f := openOn(t, c)
	want := FaultError{BusFault, 0x1000, Write}
	var fe *FaultError
	if err := f.Program(0x1000, []byte{1, 2, 3, 4}); !errors.As(err, &fe) || *fe != want {
		t.Errorf("program while writing is not enabled: %v", err)
	}
	if err := f.Erase(0x1000); !errors.As(err, &fe) || *fe != want {
		t.Errorf("erase while writing is not enabled: %v", err)
	}
	c.mu.Lock()
	c.enabled = true
	c.mu.Unlock()
	for _, v := range [][]byte{{1, 2, 3, 4}, {0xF0, 0xF0, 0xF0, 0xF0}} {
		if err := f.Program(0x1FFC, v); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Load(0x1FFC, Word); err != nil || got != binary.LittleEndian.Uint32(v) {
			t.Errorf("0x%x, %v", got, err)
		}
	}
	if err := f.Erase(0x1000); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Load(0x1FFC, Word); err != nil || got != 0xFFFFFFFF {
		t.Errorf("erased: 0x%x, %v", got, err)
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
		{"load", func() error { _, err := f.Load(0xFFFC, Word); return err },
			FaultError{SecureFault, 0xFFFC, Read}, "SecureFault: non-secure read at 0x0000fffc"},
		{"fetch", func() error { _, err := f.Fetch(0x10000, Word); return err },
			FaultError{BusFault, 0x10000, Fetch}, "BusFault: non-secure fetch at 0x00010000"},
		{"off a halfword", func() error { _, err := f.Load(1, Halfword); return err },
			FaultError{BusFault, 1, Read}, "BusFault: non-secure read at 0x00000001"},
		{"byte to flash", func() error { return f.Store(0, Byte, 0) },
			FaultError{BusFault, 0, Write}, "BusFault: non-secure write at 0x00000000"},
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
	long := make([]byte, 2*pageSize)
	if n, err := f.ReadAt(long, secureFrom-pageSize); n != pageSize || err == nil || long[0] != 0xFF {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestArguments(t *testing.T) {
	f := openChip(t)
	for name, do := range map[string]func() error{
		"negative":               func() error { _, err := f.ReadAt(make([]byte, 1), -1); return err },
		"past the address space": func() error { _, err := f.ReadAt(make([]byte, 2), math.MaxUint32); return err },
		"three bytes":            func() error { _, err := f.Load(0, 3); return err },
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
	var unknown *UnknownBoardError
	if _, err := Open(serve(t, newChip(t, "nrf9999"))); !errors.As(err, &unknown) {
		t.Errorf("a board that is not known: %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("connected to nothing")
	}
}
