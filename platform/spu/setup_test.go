package spu

import (
	"errors"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
)

func TestSetFlash(t *testing.T) {
	s := New(NRF5340(), nil)
	if err := s.SetFlash(0x4000, 0x8000, false, bus.Read|bus.Write, true); err != nil {
		t.Fatal(err)
	}
	if got := s.read(RegFlashRegion + 4*2); got != 0x106 {
		t.Errorf("PERM 0x%x", got)
	}
	for _, tt := range []struct {
		name       string
		base, size uint32
		want       error
	}{
		{"locked otherwise", 0x4000, 0x4000, ErrLocked},
		{"base off", 0x4001, 0x4000, ErrRange},
		{"less than a region", 0x4000, 0x1000, ErrRange},
		{"over the end", 0xFC000, 0x8000, ErrRange},
		{"outside", 0x200000, 0x4000, ErrRange},
		{"wraps", 0x4000, 0xFFFFC000, ErrRange},
		{"nothing", 0x100000, 0, nil},
		{"all but the locked", 0xC000, 1<<20 - 0xC000, nil},
	} {
		if err := s.SetFlash(tt.base, tt.size, true, bus.Read, false); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if err := s.SetFlash(0x4000, 0x8000, false, bus.Read|bus.Write, true); err != nil {
		t.Errorf("the same once more: %v", err)
	}
}

func TestSetRAM(t *testing.T) {
	s := New(NRF9160(), nil)
	if err := s.SetRAM(0x20000000, 256<<10, false, bus.Read|bus.Write, true); err != nil {
		t.Fatal(err)
	}
	if got := s.Check(0x2003FFFF, bus.Write, bus.NonSecureCPU); got != bus.NoFault {
		t.Error(got)
	}
	if err := s.SetRAM(0x20000000, 512<<10, false, bus.Read, false); !errors.Is(err, ErrRange) {
		t.Errorf("the nRF5340's RAM: %v", err)
	}
}

func TestSetCallableErrors(t *testing.T) {
	s := New(NRF5340(), nil)
	for _, bad := range [][2]uint32{{0x50000, 16}, {0x50000, 8192}, {0x50000, 96}, {0x50000, 0}, {0x50004, 1024}, {0, 1024}, {0x104000, 1024}} {
		if err := s.SetCallable(bad[0], bad[1]); !errors.Is(err, ErrRange) {
			t.Errorf("SetCallable(0x%x, %d): %v", bad[0], bad[1], err)
		}
	}
	if err := s.SetCallable(0x50000, 1024); err != nil {
		t.Fatal(err)
	}
	if err := s.SetCallable(0x54000, 1024); !errors.Is(err, ErrLocked) {
		t.Errorf("again: %v", err)
	}
}

func TestSetPeripheral(t *testing.T) {
	v := NRF5340()
	v.Peripherals = map[uint8]uint32{
		3:    MapSecure | PermSecure,
		5:    MapNonSecure,
		8:    MapUserSelectable | DMASeparate | PermSecure | PeriphDMASec,
		0x39: MapSplit | PermSecure,
	}
	s := New(v, nil)
	for _, tt := range []struct {
		name                 string
		id                   uint8
		secure, dmasec, lock bool
		want                 error
		reads                uint32
	}{
		{"selectable", 8, false, false, false, nil, 0x8000000A},
		{"selectable, own DMA", 8, true, false, true, nil, 0x8000011A},
		{"locked", 8, false, false, false, ErrLocked, 0x8000011A},
		{"split", 0x39, false, true, true, nil, 0x80000103},
		{"fixed, as it is", 3, true, false, true, nil, 0x80000111},
		{"fixed secure", 3, false, false, false, ErrRange, 0x80000111},
		{"fixed non-secure", 5, true, false, false, ErrRange, 0x80000000},
		{"absent", 9, true, false, false, ErrRange, 0},
	} {
		if err := s.SetPeripheral(tt.id, tt.secure, tt.dmasec, tt.lock); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := s.read(RegPeriphID + 4*uint32(tt.id)); got != tt.reads {
			t.Errorf("%s: PERM 0x%08x, want 0x%08x", tt.name, got, tt.reads)
		}
	}
}

func TestSetMasks(t *testing.T) {
	s := New(NRF9160(), nil)
	if err := errors.Join(s.SetDPPI(0xFFFF0003, true), s.SetGPIO(0, 0x5, true)); err != nil {
		t.Fatal(err)
	}
	if s.SecureChannels() != 3 || s.SecurePins(0) != 5 || s.SecurePins(1) != 0xFFFFFFFF || s.SecurePins(-1) != 0xFFFFFFFF {
		t.Errorf("channels 0x%x, pins 0x%x, 0x%x", s.SecureChannels(), s.SecurePins(0), s.SecurePins(1))
	}
	if err := s.SetDPPI(0, false); !errors.Is(err, ErrLocked) {
		t.Errorf("DPPI under lock: %v", err)
	}
	if err := s.SetGPIO(0, 0, false); !errors.Is(err, ErrLocked) {
		t.Errorf("GPIO under lock: %v", err)
	}
	if err := s.SetGPIO(1, 0, false); !errors.Is(err, ErrRange) {
		t.Errorf("a second port: %v", err)
	}
	if err := s.SetExternal(true, false); !errors.Is(err, ErrRange) {
		t.Errorf("the nRF9160's external domain, secure: %v", err)
	}
	if err := errors.Join(s.SetExternal(false, true), s.SetExternal(false, true)); err != nil {
		t.Error(err)
	}
	n := New(NRF5340(), nil)
	if err := n.SetExternal(false, true); err != nil {
		t.Fatal(err)
	}
	if err := n.SetExternal(true, true); !errors.Is(err, ErrLocked) {
		t.Errorf("external domain under lock: %v", err)
	}
}
