package gpio

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/regtest"
)

func variants() map[string]Variant {
	vs := map[string]Variant{}
	for chip, ports := range map[string][]Variant{"nrf5340": NRF5340(), "nrf9160": NRF9160(), "nrf54l15": NRF54L15()} {
		for _, v := range ports {
			vs[chip+" "+v.Name] = v
		}
	}
	return vs
}

func none() uint32 { return 0 }
func all() uint32  { return 0xFFFFFFFF }

// TestRegisters has every register of every port, as the SVDs have them, with all
// pins non-secure and with all pins secure.
func TestRegisters(t *testing.T) {
	chips := map[string]struct {
		pins, out, cnf, config, secureConfig uint32
		modeSec                              bool
	}{
		"nrf5340 P0":  {32, 0x004, 0x200, 0x70030F0F, 0x70000000, true},
		"nrf5340 P1":  {16, 0x004, 0x200, 0x70030F0F, 0x70000000, true},
		"nrf9160 P0":  {32, 0x004, 0x200, 0x0003070F, 0, true},
		"nrf54l15 P0": {7, 0x000, 0x080, 0x70030F0F, 0, false},
		"nrf54l15 P1": {17, 0x000, 0x080, 0x70030F0F, 0, false},
		"nrf54l15 P2": {11, 0x000, 0x080, 0x70000F0F, 0, false},
	}
	for name, v := range variants() {
		for _, world := range []struct {
			name   string
			secure func() uint32
		}{{"non-secure", none}, {"secure", all}} {
			t.Run(name+"/"+world.name, func(t *testing.T) {
				c := chips[name]
				ns := world.name == "non-secure"
				pins := uint32(1<<c.pins - 1)
				row := func(name string, off, reset, ones, zeros uint32) regtest.Row {
					return regtest.Row{Name: name, Off: off, Reset: reset, Ones: ones, Zeros: zeros, NonSecure: ns}
				}
				rows := []regtest.Row{
					row("OUT", c.out, 0, pins, pins),
					row("OUTSET", c.out+4, 0, pins, 0),
					row("OUTCLR", c.out+8, 0, 0, 0),
					row("IN", c.out+0xC, 0, 0, 0),
					row("DIR", c.out+0x10, 0, pins, pins),
					row("DIRSET", c.out+0x14, 0, pins, 0),
					row("DIRCLR", c.out+0x18, 0, 0, 0),
					row("LATCH", 0x20, 0, 0, 0),
					{Name: "DETECTMODE", Off: 0x24, Ones: 1, Zeros: 1, NonSecure: true},
				}
				if c.modeSec {
					rows = append(rows, regtest.RW(regtest.Row{Name: "DETECTMODE_SEC", Off: 0x28}, 1))
				} else {
					rows = append(rows, regtest.Row{Name: "no DETECTMODE_SEC", Off: 0x28})
				}
				for n := range uint32(32) {
					r := regtest.Row{Name: fmt.Sprintf("no PIN_CNF[%d]", n), Off: c.cnf + 4*n}
					if n < c.pins {
						r = row(fmt.Sprintf("PIN_CNF[%d]", n), c.cnf+4*n, 2, c.config&^c.secureConfig, c.config&^c.secureConfig)
						r.Avoid = c.secureConfig
					}
					rows = append(rows, r)
				}
				for _, off := range []uint32{0x2C, 0x1FC, 0x280, c.cnf + 2} {
					rows = append(rows, regtest.Row{Name: fmt.Sprintf("nothing at 0x%03x", off), Off: off})
				}
				regtest.Run(t, func() bus.Peripheral { return New(v, world.secure) }, rows)
			})
		}
	}
}

func (p *Port) get(off uint32, view bus.Attribute) uint32 {
	v, _ := p.ReadRegister(off, view)
	return v
}

// TestMCUSelIsSecure: the nRF5340 lets secure code alone give pins away.
func TestMCUSelIsSecure(t *testing.T) {
	p := New(NRF5340()[0], none)
	p.WriteRegister(0x200, 0x50000002, bus.Secure)
	p.WriteRegister(0x200, 0x20000003, bus.NonSecure)
	if s, ns := p.get(0x200, bus.Secure), p.get(0x200, bus.NonSecure); s != 0x50000003 || ns != 3 {
		t.Errorf("PIN_CNF[0] 0x%08x, non-secure 0x%08x", s, ns)
	}
}

// TestMixedPins: in the non-secure view every register has the non-secure pins'
// bits and no others.
func TestMixedPins(t *testing.T) {
	const secure, pins = 0x0000F0F0, 0xFFFFFFFF
	out := func(reg uint32) uint32 { return 0x004 + reg }
	p := New(NRF5340()[0], func() uint32 { return secure })
	for i := range uint32(32) {
		p.WriteRegister(0x200+4*i, 2<<16, bus.Secure) // connected, sense high
	}
	p.WriteRegister(out(RegDir), pins, bus.NonSecure)
	p.WriteRegister(out(RegOut), pins, bus.NonSecure)
	for _, reg := range []uint32{out(RegOut), out(RegIn), out(RegDir), RegLatch} {
		if got := p.get(reg, bus.Secure); got != pins&^secure {
			t.Errorf("0x%02x: 0x%08x after non-secure ones", reg, got)
		}
	}
	p.WriteRegister(out(RegDirSet), pins, bus.Secure)
	p.WriteRegister(out(RegOutSet), pins, bus.Secure)
	for _, reg := range []uint32{out(RegOut), out(RegOutSet), out(RegOutClr), out(RegIn), out(RegDir), out(RegDirSet), out(RegDirClr), RegLatch} {
		if s, ns := p.get(reg, bus.Secure), p.get(reg, bus.NonSecure); s != pins || ns != pins&^secure {
			t.Errorf("0x%02x: 0x%08x, non-secure 0x%08x", reg, s, ns)
		}
	}
	p.WriteRegister(out(RegOutClr), pins, bus.NonSecure)
	p.WriteRegister(out(RegDirClr), pins, bus.NonSecure)
	p.WriteRegister(RegLatch, pins, bus.NonSecure)
	for _, reg := range []uint32{out(RegOut), out(RegDir), RegLatch} {
		if got := p.get(reg, bus.Secure); got != secure {
			t.Errorf("0x%02x: 0x%08x after a non-secure clear", reg, got)
		}
	}
	p.WriteRegister(0x200+4*4, 0, bus.NonSecure)
	if s, ns := p.get(0x200+4*4, bus.Secure), p.get(0x200+4*4, bus.NonSecure); s != 2<<16|1 || ns != 0 {
		t.Errorf("a secure pin's PIN_CNF 0x%x, non-secure 0x%x", s, ns)
	}
}

func TestLevels(t *testing.T) {
	p := New(NRF54L15()[1], none)
	in := func() uint32 { return p.get(RegIn, bus.Secure) & 1 }
	step := func(name string, want, level uint32, f func()) {
		t.Helper()
		f()
		if got := in(); got != want || p.Levels()&1 != level {
			t.Errorf("%s: IN %d, level %d", name, got, p.Levels()&1)
		}
	}
	cnf := func(v uint32) func() { return func() { p.WriteRegister(0x80, v, bus.Secure) } }
	step("driven, input disconnected", 0, 1, func() { p.Drive(0, true) })
	step("connected", 1, 1, cnf(0))
	step("driven low", 0, 0, func() { p.Drive(0, false) })
	step("against a pull-up", 0, 0, cnf(3<<2))
	step("released", 1, 1, func() { p.Release(0) })
	step("pull-down", 0, 0, cnf(1<<2))
	step("no pull", 0, 0, cnf(0))
	step("output", 1, 1, func() { p.WriteRegister(RegOut, 1, bus.Secure); cnf(1)() })
	step("output against outside", 1, 1, func() { p.Drive(0, false) })
	step("after reset", 0, 0, p.Reset)
}

func TestLatch(t *testing.T) {
	p := New(NRF9160()[0], none)
	latch := func() uint32 { return p.get(RegLatch, bus.Secure) }
	p.WriteRegister(0x200, 3<<16, bus.Secure) // sense low
	if latch() != 1 {
		t.Error("a pin that meets SENSE is not latched")
	}
	p.WriteRegister(RegLatch, 1, bus.Secure)
	if latch() != 1 {
		t.Error("LATCH is cleared while the pin still meets SENSE")
	}
	p.Drive(0, true)
	p.WriteRegister(RegLatch, 0, bus.Secure)
	if latch() != 1 {
		t.Error("a 0 cleared LATCH")
	}
	p.WriteRegister(RegLatch, 1, bus.Secure)
	if latch() != 0 {
		t.Error("LATCH is not cleared")
	}
	p.Drive(0, false)
	p.Drive(0, true)
	if latch() != 1 {
		t.Error("a short pulse is not latched")
	}
	p.WriteRegister(0x204, 3<<16|2, bus.Secure) // input disconnected
	if latch() != 1 {
		t.Error("SENSE without an input buffer")
	}
}

// TestConcurrent: the two worlds write their own pins, and neither loses a bit.
func TestConcurrent(t *testing.T) {
	var secure atomic.Uint32
	secure.Store(0x0000FFFF)
	p := New(NRF5340()[0], secure.Load)
	var wg sync.WaitGroup
	for view, pins := range map[bus.Attribute]uint32{bus.Secure: 0x0000FFFF, bus.NonSecure: 0xFFFF0000} {
		wg.Go(func() {
			for range 1000 {
				p.WriteRegister(0x004+RegOutSet, pins, view)
				if p.get(0x004+RegOut, view)&pins != pins {
					t.Errorf("%v lost bits", view)
				}
				p.WriteRegister(0x004+RegOutClr, pins, view)
				p.Drive(0, true)
				p.Levels()
			}
		})
	}
	wg.Wait()
}
