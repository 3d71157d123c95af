package spu

import (
	"fmt"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
)

// periphRule is the manual's rule, by what a peripheral's world is: which faults
// reading it through an alias ends in. N and S are the attribute of the access.
var periphRule = []struct {
	name    string
	mapping uint32
	secattr bool
	n4, s4  bus.Fault // 0x4xxx_xxxx
	n5, s5  bus.Fault // 0x5xxx_xxxx
}{
	{"non-secure", MapNonSecure, false, bus.NoFault, bus.NoFault, bus.SecureFault, bus.BusFault},
	{"non-secure, SECATTR", MapNonSecure, true, bus.NoFault, bus.NoFault, bus.SecureFault, bus.BusFault},
	{"secure", MapSecure, true, bus.BusFault, bus.BusFault, bus.SecureFault, bus.NoFault},
	{"secure, no SECATTR", MapSecure, false, bus.BusFault, bus.BusFault, bus.SecureFault, bus.NoFault},
	{"selectable, secure", MapUserSelectable, true, bus.BusFault, bus.BusFault, bus.SecureFault, bus.NoFault},
	{"selectable, non-secure", MapUserSelectable, false, bus.NoFault, bus.NoFault, bus.SecureFault, bus.BusFault},
	{"split, secure", MapSplit, true, bus.BusFault, bus.BusFault, bus.SecureFault, bus.NoFault},
	{"split, non-secure", MapSplit, false, bus.NoFault, bus.NoFault, bus.SecureFault, bus.NoFault},
}

func TestPeripheralTable(t *testing.T) {
	for _, r := range periphRule {
		perm := r.mapping
		if r.secattr {
			perm |= PermSecure
		}
		v := NRF5340()
		v.Peripherals = map[uint8]uint32{0x42: perm}
		s := New(v, nil)
		a := NewAPB(APBVariant{Base: 0x50040000, Peripherals: map[uint8]uint32{2: perm}}, nil)
		for _, who := range everyone() {
			for alias, want := range map[uint32][2]bus.Fault{4: {r.n4, r.s4}, 5: {r.n5, r.s5}} {
				for _, access := range []bus.Access{bus.Read, bus.Write, bus.Execute} {
					want := want[who.Attr]
					if want == bus.NoFault && access == bus.Execute {
						want = bus.BusFault // registers hold no code
					}
					t.Run(fmt.Sprintf("%s/%v %v at %dx", r.name, who, access, alias), func(t *testing.T) {
						s.Reset()
						if got := s.CheckPeripheral(alias<<28|0x42504, access, who); got != want {
							t.Errorf("%v, want %v", got, want)
						}
						if got := s.read(RegEventsPeriphAccErr) == 1; got != (want != bus.NoFault) {
							t.Errorf("PERIPHACCERR %v", got)
						}
						a.Reset()
						if got := a.CheckPeripheral(alias<<28|0x42504, access, who); got != want {
							t.Errorf("nRF54L: %v, want %v", got, want)
						}
						if got, _ := a.ReadRegister(RegAPBEventsPeriphAccErr, bus.Secure); (got == 1) != (want != bus.NoFault) {
							t.Errorf("nRF54L: PERIPHACCERR %v", got)
						}
					})
				}
			}
		}
	}
}

func TestNothingThere(t *testing.T) {
	s := New(NRF9160(), nil)
	for addr, want := range map[uint32]bus.Fault{
		0x40042000: bus.BusFault, 0x400FF000: bus.BusFault, 0x20000000: bus.BusFault, 0xE000E000: bus.BusFault,
		0x50042000: bus.SecureFault,
	} {
		s.Reset()
		if got := s.CheckPeripheral(addr, bus.Read, bus.NonSecureCPU); got != want {
			t.Errorf("0x%08x: %v, want %v", addr, got, want)
		}
		if got := s.read(RegEventsPeriphAccErr) == 1; got != (want == bus.SecureFault) {
			t.Errorf("0x%08x: PERIPHACCERR %v", addr, got)
		}
	}
}

func TestDMAAttr(t *testing.T) {
	for _, tt := range []struct {
		name string
		perm uint32
		want bus.Attribute
	}{
		{"no DMA", MapSecure | PermSecure | PeriphDMASec, bus.NonSecure},
		{"follows, secure", MapUserSelectable | DMANoSeparate | PermSecure, bus.Secure},
		{"follows, non-secure", MapUserSelectable | DMANoSeparate | PeriphDMASec, bus.NonSecure},
		{"follows a fixed mapping", MapSecure | DMANoSeparate, bus.Secure},
		{"own, secure", MapUserSelectable | DMASeparate | PermSecure | PeriphDMASec, bus.Secure},
		{"own, non-secure", MapUserSelectable | DMASeparate | PermSecure, bus.NonSecure},
		{"own, of a non-secure peripheral", MapUserSelectable | DMASeparate | PeriphDMASec, bus.NonSecure},
		{"own, of an always non-secure one", MapNonSecure | DMASeparate | PermSecure | PeriphDMASec, bus.NonSecure},
	} {
		v := NRF5340()
		v.Peripherals = map[uint8]uint32{7: tt.perm}
		s := New(v, nil)
		a := NewAPB(APBVariant{Peripherals: map[uint8]uint32{7: tt.perm}}, nil)
		if got := s.DMAAttr(7); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
		if got := a.DMAAttr(7); got != tt.want {
			t.Errorf("%s, nRF54L: %v", tt.name, got)
		}
		if s.DMAAttr(8) != bus.NonSecure || a.DMAAttr(8) != bus.NonSecure {
			t.Error("a peripheral that is not there has a secure DMA")
		}
	}
}

func TestExternalDomain(t *testing.T) {
	s := New(NRF5340(), nil)
	if s.ExternalAttr() != bus.NonSecure {
		t.Error("secure after reset")
	}
	if err := s.SetExternal(true, false); err != nil || s.ExternalAttr() != bus.Secure {
		t.Errorf("%v, %v", s.ExternalAttr(), err)
	}
	if err := s.SetExternal(false, true); err != nil || s.ExternalAttr() != bus.NonSecure {
		t.Errorf("%v, %v", s.ExternalAttr(), err)
	}
	s.WriteRegister(RegExtDomain, PermSecure, bus.Secure)
	if s.ExternalAttr() != bus.NonSecure {
		t.Error("changed under lock")
	}
	v := NRF5340()
	v.ExtDomain = MapSecure
	if New(v, nil).ExternalAttr() != bus.Secure {
		t.Error("an always secure domain is not")
	}
}
