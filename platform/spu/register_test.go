package spu

import (
	"fmt"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/regtest"
)

// The peripherals of the tests: every mapping, with every kind of DMA.
func peripherals() map[uint8]uint32 {
	p := map[uint8]uint32{}
	for mapping := range uint32(4) {
		for dma := range uint32(3) {
			perm := mapping | dma<<2
			if mapping != MapNonSecure {
				perm |= PermSecure
			}
			if dma == 2 {
				perm |= PeriphDMASec
			}
			p[uint8(0x10+4*mapping+dma)] = perm
		}
	}
	return p
}

// variants returns the chips by name, each with peripherals.
func variants() map[string]Variant {
	vs := map[string]Variant{"nrf5340": NRF5340(), "nrf9160": NRF9160(), "virt": Virt()}
	for name, v := range vs {
		v.Peripherals = peripherals()
		vs[name] = v
	}
	return vs
}

// TestRegisters has every register of every chip, as its SVD has it.
func TestRegisters(t *testing.T) {
	chips := map[string]struct {
		regions, ids, ports  int
		channels, nsc, extOn uint32
		cpulock              bool
	}{
		"nrf5340": {64, 256, 2, 0xFFFFFFFF, 0x3F, 0x10, true},
		"virt":    {64, 256, 2, 0xFFFFFFFF, 0x3F, 0x10, true},
		"nrf9160": {32, 67, 1, 0x0000FFFF, 0x1F, 0x00, false},
	}
	for name, v := range variants() {
		t.Run(name, func(t *testing.T) {
			c := chips[name]
			var rows []regtest.Row
			add := func(r regtest.Row, format string, args ...any) {
				r.Name = fmt.Sprintf(format, args...)
				rows = append(rows, r)
			}
			rw := func(off, reset, mask uint32) regtest.Row {
				return regtest.RW(regtest.Row{Off: off, Reset: reset}, mask)
			}
			withLock := func(r regtest.Row, lock, at uint32) regtest.Row {
				r.Avoid, r.Lock, r.LockOff = 1<<8, lock, at
				return r
			}
			for i, e := range []string{"RAMACCERR", "FLASHACCERR", "PERIPHACCERR"} {
				add(rw(0x100+4*uint32(i), 0, 1), "EVENTS_%s", e)
				add(rw(0x180+4*uint32(i), 0, 0x800000FF), "PUBLISH_%s", e)
			}
			add(rw(0x300, 0, 7), "INTEN")
			add(regtest.Row{Off: 0x304, Ones: 7}, "INTENSET")
			add(regtest.Row{Off: 0x308}, "INTENCLR")
			add(regtest.Row{Off: 0x400, Reset: 1}, "CAP")
			if c.cpulock {
				add(regtest.Row{Off: 0x404, Ones: 0x1F}, "CPULOCK")
			} else {
				add(regtest.Row{Off: 0x404}, "no CPULOCK")
			}
			add(withLock(rw(0x440, v.ExtDomain, c.extOn), 1<<8, 0), "EXTDOMAIN[0].PERM")
			add(regtest.Row{Off: 0x444}, "no EXTDOMAIN[1]")
			dppi := rw(0x480, c.channels, c.channels)
			dppi.Lock, dppi.LockOff = 1, 0x484
			add(dppi, "DPPI[0].PERM")
			add(regtest.Row{Off: 0x484, Ones: 1}, "DPPI[0].LOCK")
			add(regtest.Row{Off: 0x488}, "no DPPI[1]")
			for n := range uint32(c.ports) {
				gpio := rw(0x4C0+8*n, 0xFFFFFFFF, 0xFFFFFFFF)
				gpio.Lock, gpio.LockOff = 1, 0x4C4+8*n
				add(gpio, "GPIOPORT[%d].PERM", n)
				add(regtest.Row{Off: 0x4C4 + 8*n, Ones: 1}, "GPIOPORT[%d].LOCK", n)
			}
			add(regtest.Row{Off: 0x4C0 + 8*uint32(c.ports)}, "no GPIOPORT[%d]", c.ports)
			for n := range uint32(2) {
				for base, kind := range map[uint32]string{0x500: "FLASHNSC", 0x540: "RAMNSC"} {
					add(withLock(rw(base+8*n, 0, c.nsc), 1<<8|5, 0), "%s[%d].REGION", kind, n)
					add(withLock(rw(base+8*n+4, 0, 0xF), 1<<8|5, 0), "%s[%d].SIZE", kind, n)
				}
			}
			for n := range uint32(64) {
				for base, kind := range map[uint32]string{0x600: "FLASHREGION", 0x700: "RAMREGION"} {
					if n < uint32(c.regions) {
						add(withLock(rw(base+4*n, 0x17, 0x17), 1<<8|0x12, 0), "%s[%d].PERM", kind, n)
					} else {
						add(regtest.Row{Off: base + 4*n}, "no %s[%d]", kind, n)
					}
				}
			}
			for id := range uint32(256) {
				perm, there := v.Peripherals[uint8(id)]
				if !there {
					add(regtest.Row{Off: 0x800 + 4*id}, "no peripheral 0x%02x", id)
					continue
				}
				mask := uint32(0)
				if perm&3 >= 2 {
					mask |= 1 << 4
				}
				if perm>>2&3 == 2 {
					mask |= 1 << 5
				}
				add(withLock(rw(0x800+4*id, perm|1<<31, mask), 1<<8, 0), "PERIPHID[0x%02x].PERM", id)
			}
			for _, off := range []uint32{0x000, 0x0FC, 0x10C, 0x18C, 0x30C, 0x408, 0x510, 0x550, 0xC00, 0xFFC, 0x602} {
				add(regtest.Row{Off: off}, "nothing at 0x%03x", off)
			}
			regtest.Run(t, func() bus.Peripheral { return New(v, nil) }, rows)
		})
	}
}

// TestLocksLastUntilReset locks everything, and resets.
func TestLocksLastUntilReset(t *testing.T) {
	for name, v := range variants() {
		t.Run(name, func(t *testing.T) {
			s := New(v, nil)
			before := dump(s)
			for off := uint32(0); off < 0x1000; off += 4 {
				s.WriteRegister(off, 0xFFFFFFFF, bus.Secure)
			}
			locked := dump(s)
			for off := uint32(0x400); off < 0x1000; off += 4 {
				s.WriteRegister(off, 0, bus.Secure)
			}
			for off, v := range dump(s) {
				if off >= 0x400 && v != locked[off] {
					t.Errorf("0x%03x: 0x%08x became 0x%08x under lock", off, locked[off], v)
				}
			}
			s.Reset()
			for off, v := range dump(s) {
				if v != before[off] {
					t.Errorf("0x%03x reads 0x%08x after reset, want 0x%08x", off, v, before[off])
				}
			}
		})
	}
}

func dump(p bus.Peripheral) map[uint32]uint32 {
	d := map[uint32]uint32{}
	for off := uint32(0); off < 0x1000; off += 4 {
		d[off], _ = p.ReadRegister(off, bus.Secure)
	}
	return d
}

// TestHalvesOfNSCLockAlone: REGION and SIZE have a lock each.
func TestHalvesOfNSCLockAlone(t *testing.T) {
	s := New(NRF5340(), nil)
	s.WriteRegister(RegFlashNSC, 3|PermLock, bus.Secure)
	s.WriteRegister(RegFlashNSC+4, 6, bus.Secure)
	if got := s.read(RegFlashNSC + 4); got != 6 {
		t.Errorf("SIZE 0x%x beside a locked REGION", got)
	}
}

func TestImpossibleVariants(t *testing.T) {
	for name, change := range map[string]func(*Variant){
		"no region size":        func(v *Variant) { v.Flash.Region = 0 },
		"too many regions":      func(v *Variant) { v.Flash.Region >>= 1 },
		"odd region size":       func(v *Variant) { v.RAM.Region = 3 << 12; v.RAM.Size = 6 << 12 },
		"base off its regions":  func(v *Variant) { v.RAM.Base += 0x100 },
		"wraps":                 func(v *Variant) { v.RAM.Base = 0xFFFF8000 },
		"too many IDs":          func(v *Variant) { v.PeriphIDs = 257 },
		"peripheral without ID": func(v *Variant) { v.PeriphIDs = 4; v.Peripherals = map[uint8]uint32{4: 2} },
	} {
		t.Run(name, func(t *testing.T) {
			v := NRF5340()
			change(&v)
			defer func() {
				if recover() == nil {
					t.Error("New took it")
				}
			}()
			New(v, nil)
		})
	}
}

func TestImpossibleSlave(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("NewAPB took it")
		}
	}()
	NewAPB(APBVariant{Peripherals: map[uint8]uint32{64: 2}}, nil)
}
