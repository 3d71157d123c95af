package spu

import (
	"errors"
	"fmt"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/regtest"
)

// TestAPBRegisters has every register of each SPU of the nRF54L15, as the SVD has
// it.
func TestAPBRegisters(t *testing.T) {
	for _, v := range NRF54L15() {
		v.Peripherals = peripherals()
		t.Run(v.Name, func(t *testing.T) {
			var rows []regtest.Row
			add := func(r regtest.Row, format string, args ...any) {
				r.Name = fmt.Sprintf(format, args...)
				rows = append(rows, r)
			}
			rw := func(off, reset, mask uint32) regtest.Row {
				return regtest.RW(regtest.Row{Off: off, Reset: reset}, mask)
			}
			add(rw(0x100, 0, 1), "EVENTS_PERIPHACCERR")
			add(rw(0x300, 0, 1), "INTEN")
			add(regtest.Row{Off: 0x304, Ones: 1}, "INTENSET")
			add(regtest.Row{Off: 0x308}, "INTENCLR")
			add(regtest.Row{Off: 0x30C}, "INTPEND")
			add(regtest.Row{Off: 0x404}, "PERIPHACCERR.ADDRESS")
			for n := range uint32(64) {
				perm, there := v.Peripherals[uint8(n)]
				if !there {
					add(regtest.Row{Off: 0x500 + 4*n}, "no slave %d", n)
					continue
				}
				mask := uint32(0)
				if perm&3 >= 2 {
					mask |= 1 << 4
				}
				if perm>>2&3 == 2 {
					mask |= 1 << 5
				}
				r := rw(0x500+4*n, perm|1<<31, mask)
				r.Avoid, r.Lock = 1<<8, 1<<8
				add(r, "PERIPH[%d].PERM", n)
			}
			feature := func(from, n, reset uint32, name string) {
				for i := range n {
					r := rw(from+4*i, reset, 1<<4)
					r.Avoid, r.Lock = 1<<8, 1<<8
					add(r, "FEATURE.%s[%d]", name, i)
				}
			}
			feature(0x680, 24, 0x00100010, "DPPIC.CH")
			feature(0x6E0, 8, 0x00100010, "DPPIC.CHG")
			for n := range uint32(2) {
				feature(0x700+0x40*n, 8, 0x00100010, fmt.Sprintf("GPIOTE[%d].CH", n))
				feature(0x720+0x40*n, 8, 0x00100010, fmt.Sprintf("GPIOTE[%d].INTERRUPT", n))
			}
			for n := range uint32(3) {
				feature(0x800+0x80*n, 32, 0x00100010, fmt.Sprintf("GPIO[%d].PIN", n))
			}
			feature(0x980, 1, 0x00020010, "CRACEN.SEED")
			feature(0xD00, 24, 0x00100010, "GRTC.CC")
			feature(0xD74, 1, 0x00100010, "GRTC.PWMCONFIG")
			feature(0xD78, 1, 0x00100010, "GRTC.CLK")
			feature(0xD7C, 1, 0x00100010, "GRTC.SYSCOUNTER")
			feature(0xD80, 16, 0x00100010, "GRTC.INTERRUPT")
			for _, off := range []uint32{0x000, 0x104, 0x400, 0x408, 0x600, 0x67C, 0x780, 0x7FC, 0x984, 0xCFC, 0xD60, 0xD70, 0xDC0, 0xFFC, 0x501, 0x802} {
				add(regtest.Row{Off: off}, "nothing at 0x%03x", off)
			}
			regtest.Run(t, func() bus.Peripheral { return NewAPB(v, nil) }, rows)
		})
	}
}

// TestResetValueOfTheSVD: a slave with the SVD's value reads it.
func TestResetValueOfTheSVD(t *testing.T) {
	a := NewAPB(APBVariant{Peripherals: map[uint8]uint32{9: 0x8000002A}}, nil)
	if got, _ := a.ReadRegister(RegPeriph+4*9, bus.Secure); got != 0x8000002A {
		t.Errorf("0x%08x", got)
	}
}

// TestAddressIsFrozen: ADDRESS is that of the first refusal, until the event is
// cleared and another comes.
func TestAddressIsFrozen(t *testing.T) {
	var irqs int
	a := NewAPB(NRF54L15()[2], func() { irqs++ })
	if a.Base() != 0x500C0000 {
		t.Errorf("base 0x%08x", a.Base())
	}
	a.EnableInterrupts()
	address := func() uint32 { v, _ := a.ReadRegister(RegPeriphAccErrAddress, bus.Secure); return v }
	pending := func() uint32 { v, _ := a.ReadRegister(RegIntPend, bus.Secure); return v }
	a.CheckPeripheral(0x500D8204, bus.Read, bus.NonSecureCPU)
	if address() != 0x8204 || irqs != 1 || pending() != 1 {
		t.Errorf("ADDRESS 0x%x, %d interrupts, INTPEND %d", address(), irqs, pending())
	}
	a.CheckPeripheral(0x500C6500, bus.Read, bus.NonSecureCPU)
	if address() != 0x8204 || irqs != 1 {
		t.Errorf("ADDRESS 0x%x, %d interrupts while the event is set", address(), irqs)
	}
	a.WriteRegister(RegAPBEventsPeriphAccErr, 0, bus.Secure)
	if address() != 0x8204 || pending() != 0 {
		t.Errorf("ADDRESS 0x%x, INTPEND %d with the event cleared", address(), pending())
	}
	a.CheckPeripheral(0x500C6500, bus.Read, bus.NonSecureCPU)
	if address() != 0x6500 || irqs != 2 {
		t.Errorf("ADDRESS 0x%x, %d interrupts after the next", address(), irqs)
	}
	a.WriteRegister(RegIntEnClr, 1, bus.Secure)
	a.WriteRegister(RegIntEnSet, 1, bus.Secure)
	if irqs != 3 {
		t.Errorf("%d interrupts: enabling one that pends raises it", irqs)
	}
}

func TestAPBSetup(t *testing.T) {
	v := NRF54L15()[2]
	v.Peripherals = map[uint8]uint32{
		0: MapSecure | PermSecure,
		6: MapUserSelectable | PermSecure | DMASeparate | PeriphDMASec,
	}
	a := NewAPB(v, nil)
	if err := a.SetPeripheral(6, false, false, true); err != nil {
		t.Fatal(err)
	}
	if got, _ := a.ReadRegister(RegPeriph+4*6, bus.Secure); got != 0x8000010A {
		t.Errorf("PERM 0x%08x", got)
	}
	if err := a.SetPeripheral(6, true, true, true); !errors.Is(err, ErrLocked) {
		t.Errorf("locked: %v", err)
	}
	for _, index := range []uint8{1, 63, 64, 255} {
		if err := a.SetPeripheral(index, true, true, false); !errors.Is(err, ErrRange) {
			t.Errorf("no slave %d: %v", index, err)
		}
	}
	if err := a.SetPeripheral(0, false, false, false); !errors.Is(err, ErrRange) {
		t.Errorf("the SPU itself non-secure: %v", err)
	}
	if a.SecurePins(1) != 0xFFFFFFFF || a.SecureChannels() != 0xFFFFFF || a.SecureGroups() != 0xFF {
		t.Error("not all secure after reset")
	}
	if err := errors.Join(a.SetGPIO(1, 0x0F, true), a.SetDPPI(0x3, false), a.SetDPPIGroups(0, false)); err != nil {
		t.Fatal(err)
	}
	if a.SecurePins(1) != 0x0F || a.SecurePins(0) != 0xFFFFFFFF || a.SecureChannels() != 3 || a.SecureGroups() != 0 {
		t.Errorf("pins 0x%x, channels 0x%x, groups 0x%x", a.SecurePins(1), a.SecureChannels(), a.SecureGroups())
	}
	if a.SecurePins(3) != 0xFFFFFFFF || a.SecurePins(-1) != 0xFFFFFFFF {
		t.Error("a port that is not there is not secure")
	}
	if err := a.SetGPIO(1, 0, false); !errors.Is(err, ErrLocked) {
		t.Errorf("locked pins: %v", err)
	}
	if err := a.SetGPIO(3, 0, false); !errors.Is(err, ErrRange) {
		t.Errorf("no port: %v", err)
	}
	a.Reset()
	if a.SecurePins(1) != 0xFFFFFFFF {
		t.Error("locked beyond reset")
	}
}
