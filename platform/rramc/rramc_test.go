package rramc

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/clock"
	"github.com/postern-spe/postern/platform/internal/guardtest"
	"github.com/postern-spe/postern/platform/power"
)

const (
	write    = 65 * time.Microsecond
	buffered = 22 * time.Microsecond
	erased   = 0xFFFFFFFF
)

// device is a controller with what surrounds it.
type device struct {
	*Controller
	clock      *clock.Clock
	supply     *power.Supply
	interrupts int
	erasures   int
	refuse     error // of EraseAll
}

// newDevice returns a device whose RRAM is smaller than the chip's, for speed.
func newDevice(t testing.TB) *device {
	t.Helper()
	v := NRF54L15()
	v.Size = 64 << 10
	d := &device{clock: clock.Manual(), supply: new(power.Supply)}
	l, err := cells.NewLineWear(cells.Zeros(cells.LineWearSize(v.Size)), v.Size)
	if err != nil {
		t.Fatal(err)
	}
	d.Controller = New(cells.NewRRAM(cells.Memory(v.Size), v.Options(d.supply, l)), Config{
		Variant: v, Guard: guardtest.Standard(), Clock: d.clock,
		Interrupt: func() { d.interrupts++ },
		EraseAll: func() error {
			if d.refuse == nil {
				d.erasures++
				return d.EraseAll()
			}
			return d.refuse
		},
	})
	return d
}

func (d *device) reg(t testing.TB, off uint32) uint32 {
	t.Helper()
	v, f := d.ReadRegister(off, bus.Secure)
	if f != bus.NoFault {
		t.Fatal(f)
	}
	return v
}

func (d *device) set(off, v uint32) { d.WriteRegister(off, v, bus.Secure) }

func (d *device) store(t testing.TB, addr, v uint32) {
	t.Helper()
	if f := d.Store(addr, 4, v, bus.SecureCPU); f != bus.NoFault {
		t.Fatalf("store at 0x%x: %v", addr, f)
	}
}

// cell returns a word past the registers and the buffer.
func (d *device) cell(t testing.TB, off int) uint32 {
	t.Helper()
	v, err := d.rram.Word(off)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (d *device) load(t testing.TB, addr uint32) uint32 {
	t.Helper()
	var p [4]byte
	if f := d.Load(addr, p[:], bus.Read, bus.SecureCPU); f != bus.NoFault {
		t.Fatalf("load at 0x%x: %v", addr, f)
	}
	return binary.LittleEndian.Uint32(p[:])
}

func le(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }

func TestUnbuffered(t *testing.T) {
	d := newDevice(t)
	if f := d.Store(0, 4, 1, bus.SecureCPU); f != bus.BusFault {
		t.Errorf("without WEN: %v", f)
	}
	d.set(RegEventsAccessError, 0)
	d.set(RegConfig, 1)
	d.store(t, 0, 0)
	d.store(t, 0, 0xA5A5A5A5) // in place, both ways
	d.store(t, 4, 0x11223344)
	if f := d.Store(5, 1, 0xAB, bus.SecureCPU); f != bus.NoFault {
		t.Error(f)
	}
	if f := d.Store(6, 2, 0xCDEF, bus.SecureCPU); f != bus.NoFault {
		t.Error(f)
	}
	if d.cell(t, 0) != 0xA5A5A5A5 || d.cell(t, 4) != 0xCDEFAB44 {
		t.Errorf("0x%08x 0x%08x", d.cell(t, 0), d.cell(t, 4))
	}
	if got := d.clock.Now(); got != 5*write {
		t.Errorf("took %v", got)
	}
	if d.supply.Points() != 5 || d.rram.Lines().Writes(0) != 5 {
		t.Errorf("%d points, %d writes", d.supply.Points(), d.rram.Lines().Writes(0))
	}
	if d.reg(t, RegEventsReady) != 1 || d.reg(t, RegEventsReadyNext) != 1 || d.reg(t, RegEventsAccessError) != 0 {
		t.Error("events")
	}
}
