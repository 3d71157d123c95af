package mpc

import (
	"errors"
	"fmt"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/regtest"
)

// TestRegisters has every register of MPC00, as the SVD has it.
func TestRegisters(t *testing.T) {
	rows := []regtest.Row{
		regtest.RW(regtest.Row{Name: "EVENTS_MEMACCERR", Off: 0x100}, 1),
		regtest.RW(regtest.Row{Name: "INTEN", Off: 0x300}, 1),
		{Name: "INTENSET", Off: 0x304, Ones: 1},
		{Name: "INTENCLR", Off: 0x308},
		{Name: "MEMACCERR.ADDRESS", Off: 0x400},
		{Name: "MEMACCERR.INFO", Off: 0x404},
	}
	for n := range uint32(6) {
		base := 0x800 + 0x20*n
		for _, r := range []struct {
			name      string
			off, mask uint32
		}{
			{"CONFIG", 0x00, 0x200}, {"STARTADDR", 0x04, 0xFFFFF000}, {"ENDADDR", 0x08, 0xFFFFF000},
			{"PERM", 0x10, 0xF}, {"PERMMASK", 0x14, 0xF},
		} {
			row := regtest.RW(regtest.Row{Name: fmt.Sprintf("OVERRIDE[%d].%s", n, r.name), Off: base + r.off}, r.mask)
			row.Lock, row.LockOff = 1<<8, base
			if r.off == 0 {
				row.Avoid = 1 << 8
			}
			rows = append(rows, row)
		}
	}
	for off, reset := range map[uint32]uint32{0x00: 0x300, 0x04: 0x51810000, 0x08: 0x51811000, 0x10: 0x8, 0x14: 0xF} {
		rows = append(rows, regtest.Row{Name: fmt.Sprintf("OVERRIDE[6] at 0x%02x", off), Off: 0x8C0 + off, Reset: reset})
	}
	for _, off := range []uint32{0x000, 0x104, 0x30C, 0x408, 0x7FC, 0x80C, 0x818, 0x8E0, 0xFFC, 0x802} {
		rows = append(rows, regtest.Row{Name: fmt.Sprintf("nothing at 0x%03x", off), Off: off})
	}
	regtest.Run(t, func() bus.Peripheral { return New(NRF54L15(), nil) }, rows)
}

func read(m *MPC, off uint32) uint32 { v, _ := m.ReadRegister(off, bus.Secure); return v }

// TestFrozen: ADDRESS and INFO are those of the first refusal, until the event is
// cleared and another comes.
func TestFrozen(t *testing.T) {
	var irqs int
	m := New(NRF54L15(), func() { irqs++ })
	m.Check(0x0, bus.Read, bus.NonSecure)
	m.EnableInterrupts()
	step := func(name string, addr, info uint32, n int) {
		t.Helper()
		if a, i := read(m, RegMemAccErrAddress), read(m, RegMemAccErrInfo); a != addr || i != info || irqs != n {
			t.Errorf("%s: ADDRESS 0x%08x, INFO 0x%05x, %d interrupts; want 0x%08x, 0x%05x, %d", name, a, i, irqs, addr, info, n)
		}
	}
	step("before", 0, 0x11000, 0)
	m.Check(0x17CFFF, bus.Write, bus.NonSecure)
	step("refused", 0x17CFFF, 0x12000, 1)
	m.Check(0x20000004, bus.Execute, bus.NonSecure)
	step("frozen", 0x17CFFF, 0x12000, 1)
	m.WriteRegister(RegEventsMemAccErr, 0, bus.Secure)
	step("cleared", 0x17CFFF, 0x12000, 1)
	m.Check(0x51810000, bus.Execute, bus.Secure)
	step("the next", 0x51810000, 0x1C000, 2)
	m.WriteRegister(RegIntEnClr, 1, bus.Secure)
	m.WriteRegister(RegIntEnSet, 1, bus.Secure)
	step("enabled while it is set", 0x51810000, 0x1C000, 3)
	m.Reset()
	step("reset", 0, 0, 3)
}

func TestSetOverride(t *testing.T) {
	m := New(NRF54L15(), nil)
	if err := m.SetOverride(0, NonSecure(0x80000, 0x17D000), true, true); err != nil {
		t.Fatal(err)
	}
	for off, want := range map[uint32]uint32{0: 0x300, 4: 0x80000, 8: 0x17D000, 0x10: 0, 0x14: 8} {
		if got := read(m, RegOverride+off); got != want {
			t.Errorf("0x%02x reads 0x%x, want 0x%x", off, got, want)
		}
	}
	if m.Secure(0x80000) || !m.Secure(0x7FFFF) {
		t.Error("the override does not count")
	}
	for _, tt := range []struct {
		name string
		n    int
		o    Override
		want error
	}{
		{"locked", 0, Override{}, ErrLocked},
		{"below 0", -1, Override{}, ErrRange},
		{"the fixed one", 6, Override{}, ErrRange},
		{"beyond", 7, Override{}, ErrRange},
		{"start off", 1, NonSecure(0x100, 0x2000), ErrRange},
		{"end off", 1, NonSecure(0x1000, 0x2100), ErrRange},
		{"backwards", 1, NonSecure(0x2000, 0x1000), ErrRange},
		{"no such permission", 1, Override{0, 0x1000, 0x10, 0}, ErrRange},
		{"nothing, locked", 1, Override{}, nil},
	} {
		if err := m.SetOverride(tt.n, tt.o, true, true); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	m.Reset()
	if !m.Secure(0x80000) {
		t.Error("open after reset")
	}
}

func TestImpossibleVariant(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("New took a memory that wraps")
		}
	}()
	New(Variant{Memories: []Memory{{0xFFFFF000, 0x2000}}}, nil)
}
