package spu

import (
	"errors"
	"fmt"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
)

// everyone is every master with either attribute.
func everyone() (all []bus.Origin) {
	for _, m := range []bus.Master{bus.CPU, bus.DMA, bus.External, bus.Debugger} {
		all = append(all, bus.Origin{Master: m, Attr: bus.NonSecure}, bus.Origin{Master: m, Attr: bus.Secure})
	}
	return all
}

// TestDecisionTable walks, on every chip, every permission of every region at its
// first and last byte, for each access, attribute and master, against the rule
// written out as the manual puts it.
func TestDecisionTable(t *testing.T) {
	for name, v := range variants() {
		for _, m := range []struct {
			name       string
			g          Memory
			reg, event uint32
		}{
			{"flash", v.Flash, RegFlashRegion, RegEventsFlashAccErr},
			{"ram", v.RAM, RegRAMRegion, RegEventsRAMAccErr},
		} {
			t.Run(name+"/"+m.name, func(t *testing.T) {
				s := New(v, nil)
				for n := range m.g.Size / m.g.Region {
					first := m.g.Base + n*m.g.Region
					for perm := range uint32(32) {
						if perm&8 != 0 { // bit 3 does not exist
							continue
						}
						s.WriteRegister(m.reg+4*n, perm, bus.Secure)
						for _, access := range []bus.Access{bus.Read, bus.Write, bus.Execute} {
							for _, who := range everyone() {
								checkRule(t, s, perm, access, who, m.event, first, first+m.g.Region-1)
							}
						}
					}
					s.WriteRegister(m.reg+4*n, permReset, bus.Secure)
					if n > 0 && s.Check(first-1, bus.Read, bus.SecureCPU) != bus.NoFault {
						t.Fatalf("region %d changed region %d", n, n-1)
					}
				}
			})
		}
	}
}

func checkRule(t *testing.T, s *SPU, perm uint32, access bus.Access, who bus.Origin, event uint32, addrs ...uint32) {
	t.Helper()
	secure, permitted := perm&(1<<4) != 0, false
	switch access {
	case bus.Read:
		permitted = perm&(1<<2) != 0
	case bus.Write:
		permitted = perm&(1<<1) != 0
	case bus.Execute:
		permitted = perm&(1<<0) != 0
	}
	want := bus.NoFault
	if who.Attr == bus.NonSecure && secure {
		want = bus.SecureFault
	} else if !permitted {
		want = bus.BusFault
	}
	for _, addr := range addrs {
		s.WriteRegister(event, 0, bus.Secure)
		if got := s.Check(addr, access, who); got != want {
			t.Fatalf("PERM 0x%x, %v %v at 0x%x: %v, want %v", perm, who, access, addr, got, want)
		}
		if got := s.read(event); (got != 0) != (want != bus.NoFault) {
			t.Fatalf("PERM 0x%x, %v %v at 0x%x: event %d", perm, who, access, addr, got)
		}
		if got := s.Secure(addr); got != secure {
			t.Fatalf("PERM 0x%x: Secure %v", perm, got)
		}
	}
}

func TestResetIsAllSecure(t *testing.T) {
	for name, v := range variants() {
		s := New(v, nil)
		for _, addr := range []uint32{0, v.Flash.Size - 1, v.RAM.Base, v.RAM.Base + v.RAM.Size - 1} {
			if got := s.Check(addr, bus.Read, bus.NonSecureCPU); got != bus.SecureFault {
				t.Errorf("%s: non-secure read at 0x%x: %v", name, addr, got)
			}
			if got := s.Check(addr, bus.Write, bus.SecureCPU); got != bus.NoFault {
				t.Errorf("%s: secure write at 0x%x: %v", name, addr, got)
			}
		}
		s.Reset()
		for _, addr := range []uint32{v.Flash.Size, 0x1FFFFFFF, v.RAM.Base + v.RAM.Size, 0xFFFFFFFF} {
			if got := s.Check(addr, bus.Read, bus.SecureCPU); got != bus.BusFault {
				t.Errorf("%s: no memory at 0x%x: %v", name, addr, got)
			}
			if s.Secure(addr) || s.Callable(addr) {
				t.Errorf("%s: nothing at 0x%x has an attribute", name, addr)
			}
		}
		if got := s.events.word.Load(); got != 0 {
			t.Errorf("%s: events 0x%x where nothing is there", name, got)
		}
	}
}

func TestExternalFlashIsNotAttributed(t *testing.T) {
	s := New(NRF5340(), nil)
	for _, addr := range []uint32{0x10000000, 0x17FFFFFF} {
		if got := s.Check(addr, bus.Read, bus.NonSecureCPU); got != bus.NoFault {
			t.Errorf("0x%x: %v", addr, got)
		}
	}
	if err := s.CheckRange(0x10000000, 128<<20, bus.Read, bus.NonSecureCPU); err != nil {
		t.Error(err)
	}
	var refused *bus.AccessError
	if err := s.CheckRange(0x17FFFFFF, 2, bus.Read, bus.SecureCPU); !errors.As(err, &refused) || refused.Addr != 0x18000000 {
		t.Errorf("past its end: %v", err)
	}
	if got := New(NRF9160(), nil).Check(0x10000000, bus.Read, bus.SecureCPU); got != bus.BusFault {
		t.Errorf("nRF9160: %v", got)
	}
}

func TestCheckRange(t *testing.T) {
	s := New(NRF5340(), nil)
	if err := s.SetFlash(0x8000, 0x8000, false, bus.Read, false); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		addr, n uint32
		at      uint32 // of the refusal; 0: none
	}{
		{"one region", 0x8000, 0x4000, 0},
		{"two regions", 0x8000, 0x8000, 0},
		{"one byte", 0xFFFF, 1, 0},
		{"into the next", 0xFFFF, 2, 0x10000},
		{"from the one before", 0x7FFF, 2, 0x7FFF},
		{"far past all memory", 0x8000, 0xFFFFFFFF, 0x10000},
		{"the end of the address space", 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := s.CheckRange(tt.addr, tt.n, bus.Read, bus.NonSecureCPU)
			var refused *bus.AccessError
			switch {
			case tt.at == 0:
				if err != nil {
					t.Error(err)
				}
			case !errors.As(err, &refused) || refused.Addr != tt.at || refused.From != bus.NonSecureCPU || refused.Access != bus.Read:
				t.Errorf("%v, want a refusal at 0x%x", err, tt.at)
			}
		})
	}
	if err := s.CheckRange(0, 1<<20, bus.Read, bus.SecureCPU); err != nil {
		t.Errorf("all of flash: %v", err)
	}
}

func TestCallable(t *testing.T) {
	for name, v := range variants() {
		for code := uint32(1); code <= 8; code++ {
			size := uint32(1) << (code + 4)
			t.Run(fmt.Sprint(name, "/", size), func(t *testing.T) {
				s := New(v, nil)
				end := 3 * v.Flash.Region
				if err := s.SetCallable(end, size); err != nil {
					t.Fatal(err)
				}
				if got := s.read(RegFlashNSC + 4); got != code|PermLock {
					t.Errorf("SIZE 0x%x, want 0x%x", got, code|PermLock)
				}
				edges(t, s, end, size)
				s.WriteRegister(RegFlashRegion+4*2, permRights, bus.Secure)
				if s.Callable(end - 1) {
					t.Error("callable in a non-secure region")
				}
				end = v.RAM.Base + v.RAM.Size
				s.WriteRegister(RegRAMNSC+8, v.RAM.Size/v.RAM.Region-1, bus.Secure)
				s.WriteRegister(RegRAMNSC+12, code, bus.Secure)
				edges(t, s, end, size)
			})
		}
	}
}

func edges(t *testing.T, s *SPU, end, size uint32) {
	t.Helper()
	for addr, want := range map[uint32]bool{end - 1: true, end - size: true, end - size - 1: false, end: false} {
		if got := s.Callable(addr); got != want {
			t.Errorf("Callable(0x%x) = %v", addr, got)
		}
	}
}

func TestCallableSizes(t *testing.T) {
	s := New(NRF5340(), nil)
	for code := range uint32(16) {
		s.WriteRegister(RegFlashNSC+4, code, bus.Secure)
		if got, want := s.Callable(0x3FFF), code >= 1 && code <= 8; got != want {
			t.Errorf("SIZE %d: %v", code, got)
		}
	}
	// Both name region 0: the larger counts.
	s.WriteRegister(RegFlashNSC+4, 1, bus.Secure)
	s.WriteRegister(RegFlashNSC+12, 3, bus.Secure)
	edges(t, s, 0x4000, 128)
}

func TestRefuse(t *testing.T) {
	for addr, event := range map[uint32]uint32{
		0x00FF8000: RegEventsFlashAccErr, 0x00001000: RegEventsFlashAccErr,
		0x20000000: RegEventsRAMAccErr,
		0x40039504: RegEventsPeriphAccErr, 0x50039504: RegEventsPeriphAccErr,
	} {
		s := New(NRF5340(), nil)
		s.Refuse(addr, bus.Read, bus.NonSecureCPU)
		for _, e := range []uint32{RegEventsRAMAccErr, RegEventsFlashAccErr, RegEventsPeriphAccErr} {
			if got := s.read(e) == 1; got != (e == event) {
				t.Errorf("0x%08x: event 0x%x is %v", addr, e, got)
			}
		}
	}
}
