package rramc

import (
	"errors"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
)

func TestAccessError(t *testing.T) {
	for _, tt := range []struct {
		name    string
		config  uint32
		address uint32
		window  uint32
		from    bus.Origin
		access  bus.Access
		addr    uint32
		fault   bus.Fault
	}{
		{"write without WEN", 0, 0, 0, bus.SecureCPU, bus.Write, 8, bus.BusFault},
		{"write with WEN", 1, 0, 0, bus.SecureCPU, bus.Write, 8, bus.NoFault},
		{"window of no size", 1, 0, RegionLock, bus.SecureCPU, bus.Write, 8, bus.NoFault},
		{"before the window", 1, 0x1000, 1 << 16, bus.SecureCPU, bus.Write, 0xFFC, bus.NoFault},
		{"its first word", 1, 0x1000, 1 << 16, bus.SecureCPU, bus.Write, 0x1000, bus.BusFault},
		{"its last word", 1, 0x1000, 31 << 16, bus.SecureCPU, bus.Write, 0x1000 + 31<<10 - 4, bus.BusFault},
		{"behind the window", 1, 0x1000, 1 << 16, bus.SecureCPU, bus.Write, 0x1400, bus.NoFault},
		{"address inside a KiB", 1, 0x13FF, 1 << 16, bus.SecureCPU, bus.Write, 0x1000, bus.BusFault},
		{"no write", 1, 0, 1<<16 | RegionRead | RegionExecute, bus.SecureCPU, bus.Write, 8, bus.BusFault},
		{"write", 1, 0, 1<<16 | RegionWrite, bus.SecureCPU, bus.Write, 8, bus.NoFault},
		{"no read", 0, 0, 1<<16 | RegionWrite | RegionExecute, bus.SecureCPU, bus.Read, 8, bus.BusFault},
		{"read", 0, 0, 1<<16 | RegionRead, bus.NonSecureCPU, bus.Read, 8, bus.NoFault},
		{"no execute", 0, 0, 1<<16 | RegionRead | RegionWrite, bus.SecureCPU, bus.Execute, 8, bus.BusFault},
		{"execute", 0, 0, 1<<16 | RegionExecute, bus.SecureCPU, bus.Execute, 8, bus.NoFault},
		{"secure window, non-secure", 0, 0, 1<<16 | RegionRead | RegionSecure, bus.NonSecureCPU, bus.Read, 8, bus.BusFault},
		{"secure window, secure", 0, 0, 1<<16 | RegionRead | RegionSecure, bus.SecureCPU, bus.Read, 8, bus.NoFault},
		{"owner, another domain", 0, 0, 1<<16 | RegionRead | 1<<4, bus.Origin{Master: bus.External, Attr: bus.Secure}, bus.Read, 8, bus.BusFault},
		{"owner, DMA", 0, 0, 1<<16 | RegionRead | 1<<4, bus.Origin{Master: bus.DMA, Attr: bus.Secure}, bus.Read, 8, bus.NoFault},
		{"no owner, another domain", 0, 0, 1<<16 | RegionRead, bus.Origin{Master: bus.External}, bus.Read, 8, bus.NoFault},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDevice(t)
			d.set(RegIntenSet, IntAccessError)
			d.set(RegConfig, tt.config)
			d.set(RegRegion, tt.address)
			d.set(RegRegion+4, tt.window)
			try := func(addr uint32) bus.Fault {
				if tt.access == bus.Write {
					return d.Store(addr, 4, 5, tt.from)
				}
				return d.Load(addr, make([]byte, 4), tt.access, tt.from)
			}
			if f := try(tt.addr); f != tt.fault {
				t.Errorf("%v, want %v", f, tt.fault)
			}
			refused := tt.fault != bus.NoFault
			if refused && tt.access == bus.Write && d.cell(t, int(tt.addr)) != erased {
				t.Error("written")
			}
			wantAddr := uint32(0x00FFFFFF)
			if refused {
				wantAddr = tt.addr
			}
			if d.reg(t, RegEventsAccessError) == 1 != refused || d.reg(t, RegAccessErrorAddr) != wantAddr || d.interrupts == 1 != refused {
				t.Errorf("event %d at 0x%x, %d interrupts", d.reg(t, RegEventsAccessError), d.reg(t, RegAccessErrorAddr), d.interrupts)
			}
			if !refused {
				return
			}
			// The first address stays until the event is cleared.
			second := tt.addr - 4
			if tt.addr == 0x1000 {
				second = tt.addr + 4
			}
			try(second)
			if got := d.reg(t, RegAccessErrorAddr); got != tt.addr {
				t.Errorf("the second error changed the address to 0x%x", got)
			}
			d.set(RegEventsAccessError, 0)
			try(second)
			if got := d.reg(t, RegAccessErrorAddr); got != second {
				t.Errorf("after clearing the event: 0x%x", got)
			}
		})
	}
	d := newDevice(t)
	if f := d.Load(0xFFFC, make([]byte, 8), bus.Read, bus.SecureCPU); f != bus.BusFault {
		t.Errorf("load past the end: %v", f)
	}
	d.set(RegConfig, 1)
	if f := d.Store(0x10000, 1, 0, bus.SecureCPU); f != bus.BusFault {
		t.Errorf("store past the end: %v", f)
	}
}

// TestWindowsOverlap: each window has to permit an access, and of a long one the
// first address that is refused counts.
func TestWindowsOverlap(t *testing.T) {
	d := newDevice(t)
	d.set(RegRegion, 0)
	d.set(RegRegion+4, 31<<16|RegionRead)
	d.set(RegRegion+8*4, 0x1400)
	d.set(RegRegion+8*4+4, 1<<16|RegionExecute|RegionLock)
	if f := d.Load(0x1000, make([]byte, 0x1000), bus.Read, bus.SecureCPU); f != bus.BusFault {
		t.Error(f)
	}
	if got := d.reg(t, RegAccessErrorAddr); got != 0x1400 {
		t.Errorf("refused at 0x%x", got)
	}
	d.set(RegRegion+8*4+4, 0) // locked
	if f := d.Load(0x17FC, make([]byte, 4), bus.Read, bus.SecureCPU); f != bus.BusFault {
		t.Error(f)
	}
	d.Reset()
	if f := d.Load(0x17FC, make([]byte, 4), bus.Read, bus.SecureCPU); f != bus.NoFault {
		t.Errorf("after reset: %v", f)
	}
}

func TestWriteOnce(t *testing.T) {
	d := newDevice(t)
	d.set(RegRegion+4, 1<<16|RegionRead|RegionWrite|RegionWriteOnce)
	for _, size := range []uint32{0, 2} {
		d.set(RegConfig, 1|size<<8)
		addr := 64 * (size + 1)
		d.store(t, addr, 5)
		for _, a := range []uint32{addr, addr + 3} {
			if f := d.Store(a, 1, 5, bus.SecureCPU); f != bus.BusFault {
				t.Errorf("second write at 0x%x: %v", a, f)
			}
		}
		d.store(t, addr+4, 6)
		d.set(RegTasksCommitWriteBuf, 1)
		if f := d.Store(addr+4, 4, 7, bus.SecureCPU); f != bus.BusFault || d.load(t, addr+4) != 6 {
			t.Errorf("after the commit: %v", f)
		}
		d.store(t, 1024+addr, 1)
		d.store(t, 1024+addr, 2)
	}
	var ae *bus.AccessError
	a := d.Area(0, 0x1000)
	if err := a.Program(60, append(le(1), le(1)...)); !errors.As(err, &ae) || ae.Addr != 64 {
		t.Errorf("driver: %v", err)
	}
	if err := a.Program(56, append(le(1), le(1)...)); err != nil {
		t.Errorf("driver: %v", err)
	}
	if err := a.Erase(0); !errors.As(err, &ae) || ae.Addr != 56 {
		t.Errorf("driver erases: %v", err)
	}
}
