package spu

import (
	"errors"
	"fmt"
	"testing"
)

func geometry() Geometry {
	return Geometry{
		FlashBase: 0, FlashSize: 1 << 20, FlashRegion: 16 << 10,
		RAMBase: 0x20000000, RAMSize: 512 << 10, RAMRegion: 8 << 10,
		Peripherals: map[uint8]Mapping{3: MapSecure, 6: MapUserSelectable, 0x39: MapSplit, 0x05: MapNonSecure},
	}
}

// TestDecisionTable walks every permission of every region at its first and
// last byte, for each access and attribute, against the rule written out as the
// manual puts it; and checks that the neighbours are not affected.
func TestDecisionTable(t *testing.T) {
	s := New(geometry())
	memories := []struct {
		name             string
		base, unit, regs uint32
		n                uint32
		event            uint32
	}{
		{"flash", 0, 16 << 10, RegFlashRegion, 64, RegEventsFlashAccErr},
		{"ram", 0x20000000, 8 << 10, RegRAMRegion, 64, RegEventsRAMAccErr},
	}
	for _, m := range memories {
		t.Run(m.name, func(t *testing.T) {
			for n := range m.n {
				for perm := range uint32(32) {
					if perm&8 != 0 { // bit 3 does not exist
						continue
					}
					s.WriteRegister(m.regs+4*n, perm)
					for _, access := range []Access{Read, Write, Execute} {
						for _, attr := range []Attribute{NonSecure, Secure} {
							secure, permitted := perm&(1<<4) != 0, false
							switch access {
							case Read:
								permitted = perm&(1<<2) != 0
							case Write:
								permitted = perm&(1<<1) != 0
							case Execute:
								permitted = perm&(1<<0) != 0
							}
							want := NoFault
							if attr == NonSecure && secure {
								want = SecureFault
							} else if !permitted {
								want = BusFault
							}
							s.WriteRegister(m.event, 0)
							for _, addr := range []uint32{m.base + n*m.unit, m.base + (n+1)*m.unit - 1} {
								if got := s.Check(addr, access, attr); got != want {
									t.Fatalf("region %d PERM 0x%x, %v %v at 0x%x: %v, want %v", n, perm, attr, access, addr, got, want)
								}
							}
							if got := s.ReadRegister(m.event); (got != 0) != (want != NoFault) {
								t.Fatalf("region %d PERM 0x%x, %v %v: event %d", n, perm, attr, access, got)
							}
						}
					}
				}
				if n+1 < m.n && s.Check(m.base+(n+1)*m.unit, Read, Secure) != NoFault {
					t.Fatalf("region %d changed region %d", n, n+1)
				}
				s.WriteRegister(m.regs+4*n, permReset)
			}
		})
	}
}

func TestResetIsAllSecure(t *testing.T) {
	s := New(geometry())
	for _, addr := range []uint32{0, 0xFFFFF, 0x20000000, 0x2007FFFF} {
		if got := s.Check(addr, Read, NonSecure); got != SecureFault {
			t.Errorf("non-secure read at 0x%x: %v", addr, got)
		}
		if got := s.Check(addr, Write, Secure); got != NoFault {
			t.Errorf("secure write at 0x%x: %v", addr, got)
		}
	}
	for _, addr := range []uint32{0x100000, 0x1FFFFFFF, 0x20080000, 0xFFFFFFFF} {
		if got := s.Check(addr, Read, Secure); got != BusFault {
			t.Errorf("no memory at 0x%x: %v", addr, got)
		}
	}
}

func TestLockLastsUntilReset(t *testing.T) {
	s := New(geometry())
	locks := []struct {
		name        string
		reg         uint32
		lock, other uint32
	}{
		{"FLASHREGION", RegFlashRegion + 4*9, uint32(Read) | PermLock, permReset},
		{"RAMREGION", RegRAMRegion + 4*63, uint32(Read|Write) | PermLock, permReset},
		{"FLASHNSC.REGION", RegFlashNSC, 5 | PermLock, 6},
		{"FLASHNSC.SIZE", RegFlashNSC + 4, 3 | PermLock, 4},
		{"RAMNSC.SIZE", RegRAMNSC + 12, 3 | PermLock, 4},
	}
	for _, l := range locks {
		t.Run(l.name, func(t *testing.T) {
			before := s.ReadRegister(l.reg)
			s.WriteRegister(l.reg, l.lock)
			s.WriteRegister(l.reg, l.other)
			if got := s.ReadRegister(l.reg); got != l.lock {
				t.Errorf("0x%x after a write to the locked register, want 0x%x", got, l.lock)
			}
			s.Reset()
			if got := s.ReadRegister(l.reg); got != before {
				t.Errorf("0x%x after reset, want 0x%x", got, before)
			}
		})
	}
}

func TestPeripherals(t *testing.T) {
	const fixedSecure, selectable, split, fixedNonSecure, absent = 3, 6, 0x39, 5, 0x77
	tests := []struct {
		name  string
		id    uint8
		ns    bool // SECATTR cleared first
		alias bool
		attr  Attribute
		want  Fault
	}{
		{"secure, secure alias, secure", fixedSecure, false, true, Secure, NoFault},
		{"secure, secure alias, non-secure", fixedSecure, false, true, NonSecure, SecureFault},
		{"secure, non-secure alias", fixedSecure, false, false, NonSecure, SecureFault},
		{"secure, SECATTR write has no effect", fixedSecure, true, false, NonSecure, SecureFault},
		{"selectable, secure", selectable, false, false, NonSecure, SecureFault},
		{"selectable, non-secure", selectable, true, false, NonSecure, NoFault},
		{"selectable, non-secure, secure alias", selectable, true, true, Secure, BusFault},
		{"split, non-secure view", split, false, false, NonSecure, NoFault},
		{"split, secure view", split, false, true, Secure, NoFault},
		{"split, secure alias from non-secure", split, false, true, NonSecure, SecureFault},
		{"always non-secure", fixedNonSecure, false, false, NonSecure, NoFault},
		{"absent", absent, false, false, NonSecure, BusFault},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := New(geometry())
			if tt.ns {
				s.WriteRegister(RegPeriphID+4*uint32(tt.id), 0)
			}
			if got := s.CheckPeripheral(tt.id, tt.alias, tt.attr); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
			if got := s.ReadRegister(RegEventsPeriphAccErr) != 0; got != (tt.want == SecureFault) {
				t.Errorf("PERIPHACCERR %v", got)
			}
		})
	}
}

func TestCallable(t *testing.T) {
	for code := uint32(1); code <= 8; code++ {
		size := uint32(1) << (code + 4)
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			s := New(geometry())
			end := uint32(0x50000)
			if err := s.SetCallable(end, size); err != nil {
				t.Fatal(err)
			}
			if got := s.ReadRegister(RegFlashNSC + 4); got != code|PermLock {
				t.Errorf("SIZE 0x%x, want 0x%x", got, code|PermLock)
			}
			for addr, want := range map[uint32]bool{end - 1: true, end - size: true, end - size - 1: false, end: false} {
				if got := s.Callable(addr); got != want {
					t.Errorf("Callable(0x%x) = %v", addr, got)
				}
			}
			// It has an effect only in a secure region.
			s.WriteRegister(RegFlashRegion+4*19, uint32(Read|Execute))
			if s.Callable(end - 1) {
				t.Error("callable in a non-secure region")
			}
		})
	}
	s := New(geometry())
	for _, bad := range [][2]uint32{{0x50000, 16}, {0x50000, 8192}, {0x50000, 96}, {0x50004, 1024}, {0, 1024}} {
		if err := s.SetCallable(bad[0], bad[1]); err == nil {
			t.Errorf("SetCallable(0x%x, %d) passed", bad[0], bad[1])
		}
	}
}

func TestSetFlash(t *testing.T) {
	s := New(geometry())
	if err := s.SetFlash(0x4000, 0x8000, false, Read|Write, true); err != nil {
		t.Fatal(err)
	}
	if err := s.SetFlash(0x4000, 0x4000, true, Read|Write, false); err == nil {
		t.Error("a locked region was set")
	}
	for _, bad := range [][2]uint32{{0x4001, 0x4000}, {0x4000, 0x1000}, {0xFC000, 0x8000}, {0x200000, 0x4000}} {
		if err := s.SetFlash(bad[0], bad[1], true, Read, false); err == nil {
			t.Errorf("SetFlash(0x%x, 0x%x) passed", bad[0], bad[1])
		}
	}
}

func TestCheckRange(t *testing.T) {
	s := New(geometry())
	if err := s.SetFlash(0x8000, 0x4000, false, Read, false); err != nil {
		t.Fatal(err)
	}
	if err := s.CheckRange(0x8000, 0x4000, Read, NonSecure); err != nil {
		t.Errorf("inside: %v", err)
	}
	err := s.CheckRange(0xBFFF, 2, Read, NonSecure)
	var ae *AccessError
	if !errors.As(err, &ae) || ae.Addr != 0xC000 || ae.Fault != SecureFault {
		t.Errorf("across the border: %v", err)
	}
	if got, want := err.Error(), "SecureFault: non-secure read at 0x0000c000"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if err := s.CheckRange(0x2007FFFF, 2, Read, Secure); err == nil {
		t.Error("past the end of RAM")
	}
}

func BenchmarkCheck(b *testing.B) {
	s := New(geometry())
	b.ReportAllocs()
	for b.Loop() {
		if s.Check(0xF4000, Read, Secure) != NoFault {
			b.Fatal("refused")
		}
	}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	s := New(geometry())
	if n := testing.AllocsPerRun(100, func() { s.Check(0xF4000, Read, NonSecure) }); n != 0 {
		t.Errorf("%v allocations per decision", n)
	}
}
