package platform

import (
	"fmt"
	"testing"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/bus"
)

// The fault matrix: every master, security attribute, kind of access and
// permission, on flash and RAM of every board, over the bus and through the
// registers that software has. The expectations are the manual's rules written
// out here, not the emulation's.

var (
	masters  = []bus.Master{bus.CPU, bus.DMA, bus.External, bus.Debugger}
	attrs    = []bus.Attribute{bus.NonSecure, bus.Secure}
	accesses = []bus.Access{bus.Read, bus.Write, bus.Execute}
)

// target is one memory of the matrix: a protected region of it.
type target struct {
	name   string
	region uint32 // number, for the SPU
	base   uint32
	size   uint32
}

func targets(b *board.Board) []target {
	its, _ := b.Area(board.ITS)
	flash, ram := b.Flash.Region, b.RAM.Region
	if b.Flash.Kind == board.RRAM {
		flash, ram = its.Size, its.Size // the MPC's units are small: take several
	}
	// The middle of the RAM: nothing of the emulation is there.
	at := b.RAM.Base + b.RAM.Size/2
	return []target{
		{"flash", its.Base / flash, its.Base &^ (flash - 1), flash},
		{"RAM", (at - b.RAM.Base) / ram, at, ram},
	}
}

func TestFaultMatrix(t *testing.T) {
	for _, name := range board.Names() {
		t.Run(name, func(t *testing.T) {
			b, _ := board.Lookup(name)
			for _, m := range targets(b) {
				t.Run(m.name, func(t *testing.T) {
					s := open(t, provision(t, ProvisionOptions{Board: name}).Dir)
					x := &matrix{T: t, s: s, m: m}
					x.enableWrites()
					if b.Flash.Kind == board.RRAM {
						x.mpc()
					} else {
						x.spu()
					}
					t.Logf("%d accesses", x.tried)
				})
			}
		})
	}
}

type matrix struct {
	*testing.T
	s     *SoC
	m     target
	next  uint32 // the next word that has not been written
	tried int
}

// reg stores to a register as secure software does.
func (x *matrix) reg(addr, v uint32) {
	x.Helper()
	if f := x.s.Bus.Store(addr, 4, v, bus.SecureCPU); f != bus.NoFault {
		x.Fatalf("register 0x%08x: %v", addr, f)
	}
}

func (x *matrix) peek(addr uint32) uint32 {
	x.Helper()
	v, f := x.s.Bus.Load(addr, 4, bus.SecureCPU)
	if f != bus.NoFault {
		x.Fatalf("0x%08x: %v", addr, f)
	}
	return v
}

// enableWrites lets stores to flash, of both worlds, program.
func (x *matrix) enableWrites() {
	if x.s.Board.Flash.Kind == board.RRAM {
		x.reg(0x5004B500, 1) // RRAMC.CONFIG.WEN, unbuffered
		return
	}
	x.reg(0x50039504, 1) // NVMC.CONFIG
	x.reg(0x50039584, 1) // NVMC.CONFIGNS
}

// try makes one access to a fresh word that holds what an erased word, or RAM,
// holds, and checks what the master sees, what the memory holds afterwards, and
// whether the event came.
func (x *matrix) try(from bus.Origin, access bus.Access, want bus.Fault, event uint32, open func()) {
	x.Helper()
	x.tried++
	addr := x.m.base + x.next%x.m.size
	x.next += 16 // a line of RRAM
	x.reg(event, 0)
	var got bus.Fault
	var v uint32
	switch access {
	case bus.Read:
		v, got = x.s.Bus.Load(addr, 4, from)
	case bus.Execute:
		v, got = x.s.Bus.Fetch(addr, 4, from)
	case bus.Write:
		got = x.s.Bus.Store(addr, 4, 0x600DF00D, from)
	}
	raised := x.peek(event) != 0
	where := fmt.Sprintf("%v %v at 0x%08x", from, access, addr)
	if got != want {
		x.Errorf("%s: %v, want %v", where, got, want)
	}
	if raised != (want != bus.NoFault) {
		x.Errorf("%s, %v: event %v", where, want, raised)
	}
	open()
	cell, _ := x.s.Bus.Load(addr, 4, bus.SecureCPU)
	if wrote := cell == 0x600DF00D; wrote != (access == bus.Write && want == bus.NoFault) {
		x.Errorf("%s, %v: the cell holds 0x%08x", where, want, cell)
	}
	if access != bus.Write {
		expect := cell
		if want != bus.NoFault {
			expect = 0 // reads as zero
		}
		if v != expect {
			x.Errorf("%s, %v: read 0x%08x, want 0x%08x", where, want, v, expect)
		}
	}
}

// ends is what a refusal by security (or by permission) is for a master.
func ends(m bus.Master, security bool) bus.Fault {
	switch {
	case m == bus.DMA:
		return bus.Blocked
	case m == bus.CPU && security:
		return bus.SecureFault
	}
	return bus.BusFault
}

// spu walks FLASHREGION[n].PERM or RAMREGION[n].PERM: EXECUTE 0, WRITE 1, READ 2,
// SECATTR 4.
func (x *matrix) spu() {
	perms, event := uint32(0x50003600), uint32(0x50003104)
	if x.m.name == "RAM" {
		perms, event = 0x50003700, 0x50003100
	}
	perms += 4 * x.m.region
	for perm := range uint32(32) {
		if perm&8 != 0 {
			continue
		}
		for _, master := range masters {
			for _, attr := range attrs {
				for _, access := range accesses {
					x.reg(perms, perm)
					want := bus.NoFault
					switch {
					case attr == bus.NonSecure && perm&0x10 != 0:
						want = ends(master, true)
					case access == bus.Execute && perm&1 == 0, access == bus.Write && perm&2 == 0, access == bus.Read && perm&4 == 0:
						want = ends(master, false)
					}
					x.try(bus.Origin{Master: master, Attr: attr}, access, want, event, func() { x.reg(perms, 0x17) })
				}
			}
		}
	}
}

// mpc walks OVERRIDE[0].PERM with all of PERMMASK (READ 0, WRITE 1, EXECUTE 2,
// SECATTR 3), under each attribution that the SAU can give the region.
func (x *matrix) mpc() {
	const override, event = 0x50041800, 0x50041100
	const sau = 0xE000EDD0
	x.reg(sau+0x8, 0)         // RNR
	x.reg(sau+0xC, x.m.base)  // RBAR
	x.reg(override+0x14, 0xF) // PERMMASK
	x.reg(override+0x4, x.m.base)
	x.reg(override+0x8, x.m.base+x.m.size)
	open := func() {
		x.reg(override, 0) // disabled: the base map is secure and open
		x.reg(sau, 0)
	}
	for _, attribution := range []string{"secure", "non-secure"} {
		for perm := range uint32(16) {
			for _, master := range masters {
				for _, attr := range attrs {
					for _, access := range accesses {
						x.reg(override+0x10, perm)
						x.reg(override, 1<<9)
						rlar := (x.m.base + x.m.size - 32) &^ 0x1F
						if attribution == "non-secure" {
							rlar |= 1
						}
						x.reg(sau+0x10, rlar)
						x.reg(sau, 1)

						goesOut := attr
						want := bus.NoFault
						if master == bus.CPU && attribution == "non-secure" {
							goesOut = bus.NonSecure // secure software reaches it as such
						}
						switch {
						case master == bus.CPU && attr == bus.NonSecure && attribution == "secure":
							want = bus.SecureFault
						case goesOut == bus.NonSecure && perm&8 != 0:
							want = ends(master, false) // the MPC's refusal is a bus error
						case access == bus.Read && perm&1 == 0, access == bus.Write && perm&2 == 0, access == bus.Execute && perm&4 == 0:
							want = ends(master, false)
						}
						x.try(bus.Origin{Master: master, Attr: attr}, access, want, event, open)
					}
				}
			}
		}
	}
}
