package rramc

import (
	"errors"
	"testing"
	"time"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/regtest"
)

func TestRegisters(t *testing.T) {
	rw := func(name string, off, reset, mask uint32) regtest.Row {
		return regtest.RW(regtest.Row{Name: name, Off: off, Reset: reset}, mask)
	}
	rows := []regtest.Row{
		{Name: "TASKS_WAKEUP", Off: 0x000},
		{Name: "TASKS_CLRWRITEBUF", Off: 0x004},
		{Name: "TASKS_COMMITWRITEBUF", Off: 0x008},
		rw("EVENTS_WOKENUP", 0x100, 0, 1),
		rw("EVENTS_READY", 0x104, 0, 1),
		rw("EVENTS_READYNEXT", 0x108, 0, 1),
		rw("EVENTS_ACCESSERROR", 0x10C, 0, 1),
		rw("INTEN", 0x300, 0, 0xF),
		{Name: "INTENSET", Off: 0x304, Ones: 0xF},
		{Name: "INTENCLR", Off: 0x308},
		{Name: "INTPEND", Off: 0x30C},
		{Name: "READY", Off: 0x400, Reset: 1},
		{Name: "READYNEXT", Off: 0x404, Reset: 1},
		{Name: "ACCESSERRORADDR", Off: 0x408, Reset: 0x00FFFFFF},
		{Name: "BUFSTATUS.WRITEBUFEMPTY", Off: 0x418, Reset: 1},
		{Name: "ECC.ERRORADDR", Off: 0x420, Reset: 0x00FFFFFF},
		rw("CONFIG", 0x500, 0, 0x3F01),
		rw("READYNEXTTIMEOUT", 0x50C, 0x80, 0x80000FFF),
		rw("POWER.CONFIG", 0x510, 0x100, 0x1FFFF),
		{Name: "POWER.STANDBYCONFIG, not on this chip", Off: 0x514},
		rw("POWER.LOWPOWERCONFIG", 0x518, 0, 3),
		{Name: "ERASE.ERASEALL", Off: 0x540},
		{Name: "nothing", Off: 0x550 + 8*Regions},
	}
	for n := range uint32(Regions) {
		address := rw("REGION.ADDRESS", 0x550+8*n, 0, 0xFFFFFFFF)
		address.Lock, address.LockOff = RegionLock, 0x554+8*n
		config := rw("REGION.CONFIG", 0x554+8*n, 0, 0x1F30FF&^RegionLock)
		config.Avoid, config.Lock = RegionLock, RegionLock|RegionRead|1<<16
		rows = append(rows, address, config)
	}
	regtest.Run(t, func() bus.Peripheral { return newDevice(t) }, rows)
}

func TestEraseAll(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config uint32
		v      uint32
		view   bus.Attribute
		refuse error
		want   int
	}{
		{"WEN", 1, 1, bus.Secure, nil, 1},
		{"no WEN", 0, 1, bus.Secure, nil, 0},
		{"write of 0", 1, 0xFFFFFFFE, bus.Secure, nil, 0},
		{"non-secure view", 1, 1, bus.NonSecure, nil, 0},
		{"erase-protected", 1, 1, bus.Secure, errors.New("protected"), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDevice(t)
			d.refuse = tt.refuse
			if err := d.rram.Write(0x2000, le(5)); err != nil {
				t.Fatal(err)
			}
			d.set(RegConfig, tt.config)
			d.WriteRegister(RegEraseAll, tt.v, tt.view)
			if got := d.cell(t, 0x2000); (got == erased) != (tt.want == 1) {
				t.Errorf("the word is 0x%08x", got)
			}
			if d.erasures != tt.want || d.clock.Now() != time.Duration(tt.want)*173*time.Millisecond {
				t.Errorf("erased %d times in %v", d.erasures, d.clock.Now())
			}
		})
	}
	d := newDevice(t)
	d.set(RegConfig, 0x2001)
	d.store(t, 0, 0)
	d.set(RegEraseAll, 1)
	if d.reg(t, RegBufStatusEmpty) != 1 || d.cell(t, 0) != erased {
		t.Error("the buffer outlived ERASEALL")
	}
}

func TestWriteEnabled(t *testing.T) {
	d := newDevice(t)
	for _, tt := range []struct {
		v                   uint32
		enabled, unbuffered bool
	}{{0, false, false}, {1, true, true}, {0x101, true, false}, {0x2001, true, false}, {0x2000, false, false}} {
		d.set(RegConfig, tt.v)
		if d.WriteEnabled() != tt.enabled || d.WriteEnabledUnbuffered() != tt.unbuffered {
			t.Errorf("CONFIG 0x%x: %v, %v", tt.v, d.WriteEnabled(), d.WriteEnabledUnbuffered())
		}
	}
}
