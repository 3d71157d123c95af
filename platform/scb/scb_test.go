package scb

import (
	"sync"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/regtest"
)

var _ bus.Peripheral = (*SCB)(nil)

func get(p bus.Peripheral, off uint32, view bus.Attribute) uint32 {
	v, _ := p.ReadRegister(off, view)
	return v
}

func TestRegisters(t *testing.T) {
	fresh := func() bus.Peripheral { return New(Config{}) }
	regtest.Run(t, fresh, []regtest.Row{
		{Name: "CPUID", Off: 0x00, Reset: 0x410FD214, NonSecure: true},
		// The non-secure view has a VTOR of its own: TestVTOR.
		regtest.RW(regtest.Row{Name: "VTOR", Off: 0x08}, 0xFFFFFF80),
		{Name: "AIRCR", Off: 0x0C, Reset: 0xFA050000, NonSecure: true}, // no key: TestAIRCR
	})
	known := map[uint32]bool{RegCPUID: true, RegVTOR: true, RegAIRCR: true}
	p := fresh()
	for off := uint32(0); off < Size; off += 4 {
		if known[off] {
			continue
		}
		p.WriteRegister(off, 0xFFFFFFFF, bus.Secure)
		if v := get(p, off, bus.Secure); v != 0 {
			t.Errorf("0x%02x, which is not emulated, reads 0x%x", off, v)
		}
	}
}

func TestAIRCR(t *testing.T) {
	const s, ns = bus.Secure, bus.NonSecure
	tests := []struct {
		name       string
		view       bus.Attribute
		before     uint32 // what secure software has written, without key
		v          uint32
		secure, nS uint32 // what is read afterwards, without VECTKEYSTAT
		resets     int
	}{
		{"all by secure", s, 0, VectKey | 0xFFFF, 0x6708, 0x2000, 1},
		{"without key", s, 0, 0xFFFF, 0, 0, 0},
		{"with what reads there as key", s, 0, VectKeyStat | 0xFFFF, 0, 0, 0},
		{"all by non-secure", ns, 0, VectKey | 0xFFFF, 0, 0x0700, 1},
		{"non-secure without key", ns, 0, 0xFFFF, 0, 0, 0},
		{"non-secure request", ns, 0, VectKey | SysResetReq, 0, 0, 1},
		{"non-secure request, not its own", ns, SysResetReqS, VectKey | SysResetReq, SysResetReqS, 0, 0},
		{"secure request, its own", s, SysResetReqS, VectKey | SysResetReqS | SysResetReq, SysResetReqS, 0, 1},
		{"PRIS", s, 0, VectKey | Pris, Pris, 0, 0},
		{"non-secure cannot clear", ns, Pris | BFHFNMIns | SysResetReqS, VectKey, Pris | BFHFNMIns | SysResetReqS, BFHFNMIns, 0},
		{"secure clears", s, Pris | BFHFNMIns | SysResetReqS | PriGroup, VectKey, 0, 0, 0},
		{"groups are apart", ns, 0x300, VectKey | 0x500, 0x300, 0x500, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resets := 0
			p := New(Config{Reset: func() { resets++ }})
			p.WriteRegister(RegAIRCR, VectKey|tt.before, s)
			p.WriteRegister(RegAIRCR, tt.v, tt.view)
			if got := get(p, RegAIRCR, s); got != VectKeyStat|tt.secure {
				t.Errorf("secure reads 0x%08x, want 0x%08x", got, VectKeyStat|tt.secure)
			}
			if got := get(p, RegAIRCR, ns); got != VectKeyStat|tt.nS {
				t.Errorf("non-secure reads 0x%08x, want 0x%08x", got, VectKeyStat|tt.nS)
			}
			if p.FaultsNonSecure() != (tt.secure&BFHFNMIns != 0) {
				t.Error("FaultsNonSecure differs from BFHFNMINS")
			}
			if resets != tt.resets {
				t.Errorf("%d resets, want %d", resets, tt.resets)
			}
			p.Reset()
			if get(p, RegAIRCR, s) != VectKeyStat || get(p, RegAIRCR, ns) != VectKeyStat {
				t.Error("Reset left bits")
			}
		})
	}
}

// TestLock walks CPULOCK over everything that it can freeze.
func TestLock(t *testing.T) {
	for lock := range uint32(32) {
		locked := uint32(0)
		p := New(Config{CPULock: func() uint32 { return locked }, Reset: func() {}})
		locked = lock
		p.WriteRegister(RegVTOR, 0x1000, bus.Secure)
		p.WriteRegister(RegVTOR, 0x2000, bus.NonSecure)
		p.WriteRegister(RegAIRCR, VectKey|Pris|BFHFNMIns|SysResetReqS|PriGroup, bus.Secure)
		want := map[bool][3]uint32{
			false: {0x1000, 0x2000, Pris | BFHFNMIns | SysResetReqS | PriGroup},
			true:  {0, 0, SysResetReqS | PriGroup},
		}
		secure, nonSecure := lock&LockSVTAIRCR != 0, lock&LockNSVTOR != 0
		if got := p.VTOR(bus.Secure); got != want[secure][0] {
			t.Errorf("CPULOCK %d: VTOR_S is 0x%x", lock, got)
		}
		if got := p.VTOR(bus.NonSecure); got != want[nonSecure][1] {
			t.Errorf("CPULOCK %d: VTOR_NS is 0x%x", lock, got)
		}
		if got := get(p, RegAIRCR, bus.Secure); got != VectKeyStat|want[secure][2] {
			t.Errorf("CPULOCK %d: AIRCR is 0x%x", lock, got)
		}
	}
}

// TestVTOR: two registers, each seen where it belongs.
func TestVTOR(t *testing.T) {
	p := New(Config{})
	a := p.NonSecureAlias()
	p.WriteRegister(RegVTOR, 0x1000, bus.Secure)
	p.WriteRegister(RegVTOR, 0x2000, bus.NonSecure)
	if get(p, RegVTOR, bus.Secure) != 0x1000 || get(p, RegVTOR, bus.NonSecure) != 0x2000 {
		t.Error("the views are mixed up")
	}
	if get(a, RegVTOR, bus.Secure) != 0x2000 || get(a, RegVTOR, bus.NonSecure) != 0 || get(a, RegCPUID, bus.NonSecure) != 0 {
		t.Error("the alias is not the non-secure view, and secure software's alone")
	}
	a.WriteRegister(RegVTOR, 0x3000, bus.Secure)
	if p.VTOR(bus.NonSecure) != 0x3000 || p.VTOR(bus.Secure) != 0x1000 {
		t.Error("secure software cannot set VTOR_NS through the alias")
	}
	a.WriteRegister(RegVTOR, 0x4000, bus.NonSecure)
	if p.VTOR(bus.NonSecure) != 0x3000 {
		t.Error("non-secure software wrote through the alias")
	}
	p.Reset()
	if p.VTOR(bus.Secure) != 0 || p.VTOR(bus.NonSecure) != 0 {
		t.Error("Reset left a VTOR")
	}
}

func TestConcurrent(t *testing.T) {
	p := New(Config{Reset: func() {}})
	var wg sync.WaitGroup
	for _, view := range []bus.Attribute{bus.Secure, bus.NonSecure} {
		wg.Go(func() {
			for i := range uint32(500) {
				p.WriteRegister(RegVTOR, i<<7, view)
				p.WriteRegister(RegAIRCR, VectKey|i, view)
				get(p, RegAIRCR, view)
				p.FaultsNonSecure()
			}
		})
	}
	wg.Wait()
}
