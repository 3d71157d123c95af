package sau

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/regtest"
)

func TestRegisters(t *testing.T) {
	rows := []regtest.Row{
		regtest.RW(regtest.Row{Name: "CTRL", Off: 0x00}, 0x3),
		{Name: "TYPE", Off: 0x04, Reset: 8},
		{Name: "RNR", Off: 0x08, Skip: "takes numbers of regions only: TestRegionNumber"},
		regtest.RW(regtest.Row{Name: "RBAR", Off: 0x0C}, 0xFFFFFFE0),
		regtest.RW(regtest.Row{Name: "RLAR", Off: 0x10}, 0xFFFFFFE3),
		{Name: "SFSR", Off: 0x14},
		{Name: "SFAR", Off: 0x18},
	}
	regtest.Run(t, func() bus.Peripheral { return New() }, rows)
}

func read(s *SAU, off uint32) uint32 { v, _ := s.ReadRegister(off, bus.Secure); return v }

func TestRegionNumber(t *testing.T) {
	s := New()
	for n := range uint32(10) {
		s.WriteRegister(RegRNR, n, bus.Secure)
		if got, want := read(s, RegRNR), min(n, 7); got != want {
			t.Errorf("RNR %d after a write of %d", got, n)
		}
		if n < Regions {
			s.WriteRegister(RegRBAR, 0x1000*n, bus.Secure)
			s.WriteRegister(RegRLAR, 0x1000*n+0xFE0, bus.Secure)
		}
	}
	s.WriteRegister(RegRNR, 0, bus.NonSecure)
	if got := read(s, RegRNR); got != 7 {
		t.Errorf("a non-secure write made RNR %d", got)
	}
	for n := range uint32(Regions) {
		s.WriteRegister(RegRNR, n, bus.Secure)
		if rbar, rlar := read(s, RegRBAR), read(s, RegRLAR); rbar != 0x1000*n || rlar != 0x1000*n+0xFE0 {
			t.Errorf("region %d: 0x%x, 0x%x", n, rbar, rlar)
		}
	}
}

func TestLock(t *testing.T) {
	s := New()
	if err := errors.Join(s.SetRegion(3, 0x1000, 0x1FFF, true), s.Enable()); err != nil {
		t.Fatal(err)
	}
	s.WriteRegister(RegRNR, 3, bus.Secure)
	s.Lock()
	for _, off := range []uint32{RegCtrl, RegRNR, RegRBAR, RegRLAR} {
		before := read(s, off)
		for _, v := range []uint32{0, 1, 0xFFFFFFFF} {
			s.WriteRegister(off, v, bus.Secure)
		}
		if got := read(s, off); got != before {
			t.Errorf("0x%02x became 0x%x under lock", off, got)
		}
	}
	if err := s.SetRegion(0, 0, 31, false); !errors.Is(err, ErrLocked) {
		t.Error(err)
	}
	if err := s.Enable(); !errors.Is(err, ErrLocked) {
		t.Error(err)
	}
	if s.At(0x1000) != Callable {
		t.Error("the region does not count any more")
	}
	s.Reset()
	if err := s.SetRegion(0, 0, 31, false); err != nil {
		t.Error(err)
	}
}

func TestAttribution(t *testing.T) {
	s := New()
	check := func(when string, want map[uint32]Attribution) {
		t.Helper()
		for addr, a := range want {
			if got := s.At(addr); got != a {
				t.Errorf("%s: 0x%08x is %v, want %v", when, addr, got, a)
			}
		}
	}
	if err := errors.Join(
		s.SetRegion(0, 0x00050000, 0x0007FFFF, false),
		s.SetRegion(2, 0x0004FC00, 0x0004FFFF, true),
		s.SetRegion(3, 0x20010000, 0xFFFFFFFF, false),
		s.SetRegion(4, 0x00060000, 0x0006001F, false),
		s.SetRegion(5, 0x00070000, 0x00070FFF, true),
		s.SetRegion(7, 0x00000000, 0x0000001F, false),
	); err != nil {
		t.Fatal(err)
	}
	check("disabled", map[uint32]Attribution{0: Secure, 0x50000: Secure, 0x4FC00: Secure, 0xFFFFFFFF: Secure})
	s.WriteRegister(RegCtrl, ctrlAllNS, bus.Secure)
	check("ALLNS", map[uint32]Attribution{0: NonSecure, 0x40000: NonSecure, 0xFFFFFFFF: NonSecure})
	s.WriteRegister(RegCtrl, ctrlEnable|ctrlAllNS, bus.Secure)
	check("enabled", map[uint32]Attribution{
		0x00000000: NonSecure, 0x0000001F: NonSecure, 0x00000020: Secure,
		0x0004FBFF: Secure, 0x0004FC00: Callable, 0x0004FFFF: Callable,
		0x00050000: NonSecure, 0x0007FFFF: NonSecure, 0x00080000: Secure,
		0x00060000: Secure, 0x0006001F: Secure, 0x00060020: NonSecure, // two regions
		0x00070000: Secure, // one of them callable
		0x2000FFFF: Secure, 0x20010000: NonSecure, 0xFFFFFFFF: NonSecure,
	})
	for addr, want := range map[uint32]uint32{
		0x0: 0x1F, 0x20: 0x4FBFF, 0x4FC00: 0x4FFFF, 0x50000: 0x5FFFF, 0x60000: 0x6001F, 0x60020: 0x6FFFF,
		0x80000: 0x2000FFFF, 0x20010000: 0xFFFFFFFF,
	} {
		if _, last := s.Span(addr); last != want {
			t.Errorf("0x%08x is what it is up to 0x%08x, want 0x%08x", addr, last, want)
		}
	}
	s.WriteRegister(RegRNR, 0, bus.Secure)
	s.WriteRegister(RegRLAR, 0x0007FFE0, bus.Secure)
	check("one disabled", map[uint32]Attribution{0x50000: Secure, 0x60000: NonSecure, 0x70000: Callable})
	s.WriteRegister(RegRLAR, 0x0003FFE1, bus.Secure)
	check("one that ends before it begins", map[uint32]Attribution{0x50000: Secure, 0x40000: Secure})
}

func TestSetRegionRange(t *testing.T) {
	for i, bad := range []struct {
		n           int
		base, limit uint32
	}{{-1, 0, 31}, {8, 0, 31}, {0, 16, 31}, {0, 0, 32}, {0, 0x40, 0x3F}} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			if err := New().SetRegion(bad.n, bad.base, bad.limit, false); !errors.Is(err, ErrRange) {
				t.Errorf("%+v: %v", bad, err)
			}
		})
	}
}

// TestConcurrent: a decision sees all of a setting, or all of the one before.
func TestConcurrent(t *testing.T) {
	s := New()
	if err := errors.Join(s.SetRegion(0, 0, 0xFFF, false), s.Enable()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 2000 {
				if got := s.At(0); got == Secure {
					t.Error("secure")
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 2000 {
			if err := s.SetRegion(0, 0, 0xFFF, i%2 == 0); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}

func BenchmarkAt(b *testing.B) {
	s := New()
	for n := range Regions {
		s.SetRegion(n, uint32(n)<<16, uint32(n)<<16|0xFFFF, false)
	}
	s.Enable()
	b.ReportAllocs()
	for b.Loop() {
		s.At(0x70000)
	}
}
