package mpc

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/sau"
	"github.com/postern-spe/postern/platform/spu"
)

type blocks struct {
	*Guard
	sau  *sau.SAU
	mpc  *MPC
	spus map[string]*spu.APB
}

// peripherals is what the tests need of the chip's.
var peripherals = map[string]map[uint8]uint32{
	"SPU00": {0x01: spu.MapSecure | spu.PermSecure, 0x05: spu.MapSecure | spu.PermSecure},
	"SPU10": {0x0A: spu.MapUserSelectable | spu.PermSecure},
	"SPU20": {0x06: spu.MapUserSelectable | spu.PermSecure, 0x07: spu.MapUserSelectable | spu.PermSecure},
	"SPU30": {0x0A: spu.MapSplit | spu.PermSecure},
}

// newBlocks returns the guard of an nRF54L15 after reset.
func newBlocks(t testing.TB, irq bus.Interrupt) blocks {
	b := blocks{sau: sau.New(), mpc: New(NRF54L15(), irq), spus: map[string]*spu.APB{}}
	var all []*spu.APB
	for _, v := range spu.NRF54L15() {
		v.Peripherals = peripherals[v.Name]
		b.spus[v.Name] = spu.NewAPB(v, nil)
		all = append(all, b.spus[v.Name])
	}
	b.Guard = NewGuard(b.sau, b.mpc, all...)
	return b
}

// asTFM programs it as TF-M does: the non-secure half of RRAM and RAM, the
// veneers, and everything above.
func (b blocks) asTFM(t testing.TB) {
	if err := errors.Join(
		b.sau.SetRegion(0, 0x80000, 0xFFCFFF, false),
		b.sau.SetRegion(2, 0x7FC00, 0x7FFFF, true),
		b.sau.SetRegion(3, 0x20020000, 0xFFFFFFFF, false),
		b.sau.Enable(),
		b.mpc.SetOverride(0, NonSecure(0x80000, 0xFFD000), true, true),
		b.mpc.SetOverride(1, NonSecure(0x20020000, 0x20040000), true, true),
	); err != nil {
		t.Fatal(err)
	}
	for n := 2; n < 6; n++ {
		if err := b.mpc.SetOverride(n, Override{}, false, true); err != nil {
			t.Fatal(err)
		}
	}
}

var accesses = []bus.Access{bus.Read, bus.Write, bus.Execute}

// TestDecisionTable walks every PERM and PERMMASK, under every attribution of the
// SAU, for every access, attribute and master, against the rules written out.
func TestDecisionTable(t *testing.T) {
	const addr = 0x20001000
	for _, attribution := range []sau.Attribution{sau.Secure, sau.NonSecure, sau.Callable} {
		t.Run(attribution.String(), func(t *testing.T) {
			b := newBlocks(t, nil)
			if err := b.sau.Enable(); err != nil {
				t.Fatal(err)
			}
			if attribution != sau.Secure {
				if err := b.sau.SetRegion(1, addr, addr+0xFFF, attribution == sau.Callable); err != nil {
					t.Fatal(err)
				}
			}
			for perm := range uint32(16) {
				for mask := range uint32(16) {
					if err := b.mpc.SetOverride(3, Override{addr, addr + 0x1000, perm, mask}, true, false); err != nil {
						t.Fatal(err)
					}
					for _, master := range []bus.Master{bus.CPU, bus.DMA, bus.External, bus.Debugger} {
						for _, attr := range []bus.Attribute{bus.NonSecure, bus.Secure} {
							for _, access := range accesses {
								who := bus.Origin{Master: master, Attr: attr}
								want := rule(perm, mask, attribution, access, who)
								b.mpc.WriteRegister(RegEventsMemAccErr, 0, bus.Secure)
								for _, at := range []uint32{addr, addr + 0xFFF} {
									if got := b.Check(at, access, who); got != want {
										t.Fatalf("PERM %x, PERMMASK %x: %v %v: %v, want %v", perm, mask, who, access, got, want)
									}
								}
								if got := read(b.mpc, RegEventsMemAccErr) == 1; got != (want != bus.NoFault) {
									t.Fatalf("PERM %x, PERMMASK %x: %v %v: event %v", perm, mask, who, access, got)
								}
							}
						}
					}
					if b.Check(addr-1, bus.Read, bus.SecureCPU) != bus.NoFault || b.Check(addr+0x1000, bus.Read, bus.SecureCPU) != bus.NoFault {
						t.Fatal("a neighbour changed")
					}
				}
			}
		})
	}
}

// rule is the decision as the documents have it, one override covering the
// address.
func rule(perm, mask uint32, a sau.Attribution, access bus.Access, who bus.Origin) bus.Fault {
	attr := who.Attr
	if who.Master == bus.CPU {
		if attr == bus.NonSecure && a != sau.NonSecure {
			return bus.SecureFault
		}
		if a == sau.NonSecure {
			attr = bus.NonSecure // what the core sends
		}
	}
	bit := map[bus.Access]uint32{bus.Read: 1 << 0, bus.Write: 1 << 1, bus.Execute: 1 << 2}[access]
	has := func(bit uint32) bool { return mask&bit == 0 || perm&bit != 0 }
	if attr == bus.NonSecure && has(1<<3) || !has(bit) {
		return bus.BusFault
	}
	return bus.NoFault
}

// TestReset: everything is secure, for every master.
func TestReset(t *testing.T) {
	b := newBlocks(t, nil)
	for _, addr := range []uint32{0, 0x17CFFF, 0xFFC000, 0xFFDFFF, 0x20000000, 0x2003FFFF} {
		for _, access := range accesses {
			if got := b.Check(addr, access, bus.SecureCPU); got != bus.NoFault {
				t.Errorf("secure %v at 0x%x: %v", access, addr, got)
			}
			if got := b.Check(addr, access, bus.NonSecureCPU); got != bus.SecureFault {
				t.Errorf("non-secure %v at 0x%x: %v", access, addr, got)
			}
			if got := b.Check(addr, access, bus.Origin{Master: bus.DMA}); got != bus.BusFault {
				t.Errorf("non-secure DMA %v at 0x%x: %v", access, addr, got)
			}
		}
		if !b.Secure(addr) {
			t.Errorf("0x%x is not secure", addr)
		}
	}
	b.mpc.Reset()
	for _, addr := range []uint32{0x17D000, 0xFFE000, 0x1FFFFFFF, 0x20040000, 0xFFFFFFFF} {
		if got := b.Check(addr, bus.Read, bus.SecureCPU); got != bus.BusFault || b.Secure(addr) {
			t.Errorf("nothing at 0x%x: %v", addr, got)
		}
	}
	if read(b.mpc, RegEventsMemAccErr) != 0 {
		t.Error("an event where nothing is")
	}
}

func TestAsTFM(t *testing.T) {
	b := newBlocks(t, nil)
	b.asTFM(t)
	for _, tt := range []struct {
		addr   uint32
		ns, s  bus.Fault
		secure bool
	}{
		{0x00000000, bus.SecureFault, bus.NoFault, true},
		{0x0007FBFF, bus.SecureFault, bus.NoFault, true},
		{0x0007FC00, bus.SecureFault, bus.NoFault, true}, // the veneers: Callable
		{0x00080000, bus.NoFault, bus.NoFault, false},
		{0x0017CFFF, bus.NoFault, bus.NoFault, false},
		{0x00FFC000, bus.NoFault, bus.NoFault, false}, // FICR
		{0x00FFD000, bus.SecureFault, bus.NoFault, true},
		{0x2001FFFF, bus.SecureFault, bus.NoFault, true},
		{0x20020000, bus.NoFault, bus.NoFault, false},
	} {
		if ns, s := b.Check(tt.addr, bus.Read, bus.NonSecureCPU), b.Check(tt.addr, bus.Read, bus.SecureCPU); ns != tt.ns || s != tt.s {
			t.Errorf("0x%08x: non-secure %v, secure %v", tt.addr, ns, s)
		}
		if got := b.Secure(tt.addr); got != tt.secure {
			t.Errorf("0x%08x: Secure %v", tt.addr, got)
		}
		if got := b.Callable(tt.addr); got != (tt.addr == 0x7FC00) {
			t.Errorf("0x%08x: Callable %v", tt.addr, got)
		}
	}
	if b.Callable(0x50000000) {
		t.Error("the secure alias is callable")
	}
}

// TestOverlap: PERM and PERMMASK of overlapping overrides are or-ed.
func TestOverlap(t *testing.T) {
	b := newBlocks(t, nil)
	dma := bus.Origin{Master: bus.DMA}
	set := func(n int, start, end, perm, mask uint32) {
		t.Helper()
		if err := b.mpc.SetOverride(n, Override{start, end, perm, mask}, true, false); err != nil {
			t.Fatal(err)
		}
	}
	set(0, 0x1000, 0x4000, 0, PermSecure)
	set(1, 0x2000, 0x5000, PermSecure, PermSecure)
	set(2, 0x3000, 0x6000, 0, PermWrite)
	for addr, want := range map[uint32][2]bus.Fault{ // read, write
		0x1000: {bus.NoFault, bus.NoFault},
		0x2000: {bus.BusFault, bus.BusFault}, // secure or non-secure is secure
		0x3000: {bus.BusFault, bus.BusFault},
		0x5000: {bus.BusFault, bus.BusFault},
	} {
		if r, w := b.Check(addr, bus.Read, dma), b.Check(addr, bus.Write, dma); r != want[0] || w != want[1] {
			t.Errorf("0x%x: read %v, write %v", addr, r, w)
		}
	}
	if b.Check(0x5000, bus.Read, bus.SecureCPU) != bus.NoFault || b.Check(0x5000, bus.Write, bus.SecureCPU) != bus.BusFault {
		t.Error("a lone override does not take WRITE away")
	}
	set(3, 0x5000, 0x6000, PermWrite, 0)
	if b.Check(0x5000, bus.Write, bus.SecureCPU) != bus.NoFault {
		t.Error("a PERM bit of another override does not give WRITE back")
	}
	// Nothing opens the fixed one.
	set(4, 0x51810000, 0x51811000, PermRead|PermWrite, permMask)
	for _, access := range accesses {
		if got := b.CheckPeripheral(0x51810000, access, bus.SecureCPU); got != bus.BusFault {
			t.Errorf("%v of CRACEN's protected RAM: %v", access, got)
		}
	}
	if got := b.CheckPeripheral(0x51803000, bus.Read, bus.SecureCPU); got != bus.NoFault {
		t.Errorf("CRACEN's core: %v", got)
	}
	if got := b.CheckPeripheral(0x51803000, bus.Read, bus.NonSecureCPU); got != bus.SecureFault {
		t.Errorf("CRACEN's core, non-secure: %v", got)
	}
}

func TestCheckRange(t *testing.T) {
	b := newBlocks(t, nil)
	b.asTFM(t)
	for _, tt := range []struct {
		name    string
		addr, n uint32
		who     bus.Origin
		at      uint32 // of the refusal; 0: none
	}{
		{"all of the non-secure RRAM", 0x80000, 0x17D000 - 0x80000, bus.NonSecureCPU, 0},
		{"past its end", 0x80000, 0x17D000 - 0x80000 + 1, bus.NonSecureCPU, 0x17D000},
		{"from before it", 0x7FFFF, 2, bus.NonSecureCPU, 0x7FFFF},
		{"all of RRAM, secure", 0, 0x17D000, bus.SecureCPU, 0},
		{"out of the non-secure RAM", 0x2003FFFF, 2, bus.NonSecureCPU, 0x20040000},
		{"down to secure RAM, by DMA", 0x2001FFFE, 4, bus.Origin{Master: bus.DMA}, 0x2001FFFE},
		{"everything", 0x80000, 0xFFFFFFFF, bus.SecureCPU, 0x17D000},
		{"the last byte there is", 0xFFFFFFFF, 0xFFFFFFFF, bus.SecureCPU, 0xFFFFFFFF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := b.CheckRange(tt.addr, tt.n, bus.Read, tt.who)
			var refused *bus.AccessError
			switch {
			case tt.at == 0:
				if err != nil {
					t.Error(err)
				}
			case !errors.As(err, &refused) || refused.Addr != tt.at || refused.From != tt.who:
				t.Errorf("%v, want a refusal at 0x%x", err, tt.at)
			}
		})
	}
}

func TestPeripherals(t *testing.T) {
	b := newBlocks(t, nil)
	if got := b.CheckPeripheral(0x400C6000, bus.Read, bus.NonSecureCPU); got != bus.SecureFault {
		t.Errorf("with the SAU disabled everything is secure: %v", got)
	}
	b.asTFM(t)
	if err := errors.Join(
		b.spus["SPU20"].SetPeripheral(6, false, false, true),
		b.spus["SPU30"].SetPeripheral(0x0A, false, false, true),
	); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		addr   uint32
		ns, s  bus.Fault
		raises string // the SPU with the event; "": MPC or none
	}{
		{"serial 20, non-secure", 0x400C6500, bus.NoFault, bus.NoFault, ""},
		{"its secure alias", 0x500C6500, bus.SecureFault, bus.BusFault, "SPU20"},
		{"serial 21, secure", 0x500C7500, bus.SecureFault, bus.NoFault, "SPU20"},
		{"its non-secure alias", 0x400C7500, bus.BusFault, bus.BusFault, "SPU20"},
		{"P0, split", 0x4010A004, bus.NoFault, bus.NoFault, ""},
		{"P0's secure half", 0x5010A004, bus.SecureFault, bus.NoFault, "SPU30"},
		{"the MPC", 0x50041800, bus.SecureFault, bus.NoFault, "SPU00"},
		{"RADIO", 0x5008A000, bus.SecureFault, bus.NoFault, "SPU10"},
		{"no slave", 0x400C1000, bus.BusFault, bus.BusFault, ""},
		{"no bus", 0x40200000, bus.BusFault, bus.BusFault, ""},
		{"no bus, secure alias", 0x50200000, bus.SecureFault, bus.BusFault, ""},
		{"not a peripheral", 0x20000000, bus.BusFault, bus.BusFault, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, a := range b.spus {
				a.WriteRegister(spu.RegAPBEventsPeriphAccErr, 0, bus.Secure)
			}
			if got := b.CheckPeripheral(tt.addr, bus.Write, bus.NonSecureCPU); got != tt.ns {
				t.Errorf("non-secure: %v, want %v", got, tt.ns)
			}
			if got := b.CheckPeripheral(tt.addr, bus.Write, bus.Origin{Master: bus.Debugger}); got != tt.ns {
				t.Errorf("non-secure debugger: %v, want %v", got, tt.ns)
			}
			if got := b.CheckPeripheral(tt.addr, bus.Write, bus.SecureCPU); got != tt.s {
				t.Errorf("secure: %v, want %v", got, tt.s)
			}
			for name, a := range b.spus {
				event, _ := a.ReadRegister(spu.RegAPBEventsPeriphAccErr, bus.Secure)
				addr, _ := a.ReadRegister(spu.RegPeriphAccErrAddress, bus.Secure)
				if (event == 1) != (name == tt.raises) || event == 1 && addr != tt.addr&0xFFFF {
					t.Errorf("%s: event %d, ADDRESS 0x%04x", name, event, addr)
				}
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	b := newBlocks(t, nil)
	b.Refuse(0x1000, bus.Write, bus.SecureCPU)
	if a, i := read(b.mpc, RegMemAccErrAddress), read(b.mpc, RegMemAccErrInfo); a != 0x1000 || i != 0x0A000 {
		t.Errorf("ADDRESS 0x%x, INFO 0x%05x", a, i)
	}
	b.Refuse(0x50045000, bus.Read, bus.NonSecureCPU)
	if got, _ := b.spus["SPU00"].ReadRegister(spu.RegPeriphAccErrAddress, bus.Secure); got != 0x5000 {
		t.Errorf("ADDRESS 0x%x", got)
	}
}

// TestConcurrent asks while registers are written: ADDRESS and INFO are always of
// one access, and each event interrupts once.
func TestConcurrent(t *testing.T) {
	var irqs atomic.Int64
	b := newBlocks(t, func() { irqs.Add(1) })
	b.mpc.EnableInterrupts()
	var wg sync.WaitGroup
	for i := range uint32(3) {
		wg.Go(func() {
			access := accesses[i]
			for range 2000 {
				b.mpc.Check(0x1000*(i+1), access, bus.NonSecure)
				if b.Check(0x20000000, bus.Write, bus.SecureCPU) != bus.NoFault {
					t.Error("refused")
				}
				b.CheckRange(0, 0x17D000, bus.Read, bus.SecureCPU)
			}
		})
	}
	cleared := int64(0)
	wg.Go(func() {
		info := map[uint32]uint32{0x1000: 0x11000, 0x2000: 0x12000, 0x3000: 0x14000}
		for i := range uint32(2000) {
			if err := b.mpc.SetOverride(0, NonSecure(0x10000, 0x11000+i%8<<12), true, false); err != nil {
				t.Error(err)
			}
			if read(b.mpc, RegEventsMemAccErr) == 1 {
				if a, i := read(b.mpc, RegMemAccErrAddress), read(b.mpc, RegMemAccErrInfo); info[a] != i {
					t.Errorf("ADDRESS 0x%x with INFO 0x%05x", a, i)
				}
				b.mpc.WriteRegister(RegEventsMemAccErr, 0, bus.Secure)
				cleared++
			}
		}
	})
	wg.Wait()
	if got, want := irqs.Load(), cleared+int64(read(b.mpc, RegEventsMemAccErr)); got != want {
		t.Errorf("%d interrupts for %d events", got, want)
	}
}

func TestDecisionsDoNotAllocate(t *testing.T) {
	b := newBlocks(t, nil)
	b.asTFM(t)
	for name, f := range map[string]func(){
		"Check":           func() { b.Check(0x100, bus.Read, bus.NonSecureCPU) },
		"CheckRange":      func() { b.CheckRange(0, 0x17D000, bus.Read, bus.SecureCPU) },
		"CheckPeripheral": func() { b.CheckPeripheral(0x500C6500, bus.Read, bus.NonSecureCPU) },
		"Callable":        func() { b.Callable(0x7FC00) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkCheck(bench *testing.B) {
	b := newBlocks(bench, nil)
	b.asTFM(bench)
	for name, addr := range map[string]uint32{"passes": 0x20020000, "refused": 0x20000000} {
		bench.Run(name, func(bench *testing.B) {
			bench.ReportAllocs()
			for bench.Loop() {
				b.Check(addr, bus.Read, bus.NonSecureCPU)
			}
		})
	}
}

func BenchmarkCheckPeripheral(bench *testing.B) {
	b := newBlocks(bench, nil)
	b.asTFM(bench)
	bench.ReportAllocs()
	for bench.Loop() {
		b.CheckPeripheral(0x500C6500, bus.Read, bus.SecureCPU)
	}
}
