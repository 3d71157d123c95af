package qspi

import (
	"testing"
	"time"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/clock"
	"github.com/postern-spe/postern/platform/power"
)

const (
	ramBase = 0x20000000
	xip     = 0x10000000
	size    = 256 << 10
)

// ram is the RAM that EasyDMA reaches. From blocked on the bus refuses it.
type ram struct {
	data    [16 << 10]byte
	blocked uint32
}

func (r *ram) ReadBlock(addr uint32, p []byte) {
	for i := range p {
		p[i] = 0
		if at := addr + uint32(i) - ramBase; at < r.blocked {
			p[i] = r.data[at]
		}
	}
}

func (r *ram) WriteBlock(addr uint32, p []byte) {
	for i := range p {
		if at := addr + uint32(i) - ramBase; at < r.blocked {
			r.data[at] = p[i]
		}
	}
}

// device is a QSPI with what surrounds it.
type device struct {
	*QSPI
	ram        *ram
	clock      *clock.Clock
	supply     *power.Supply
	interrupts int
}

// newDevice returns a device whose flash is smaller than the board's, for speed.
func newDevice(t testing.TB, v Variant) *device {
	t.Helper()
	v.Size = size
	d := &device{ram: &ram{blocked: 16 << 10}, clock: clock.Manual(), supply: new(power.Supply)}
	w, err := cells.NewWear(cells.Zeros(cells.WearSize(size, sector)), size, sector)
	if err != nil {
		t.Fatal(err)
	}
	d.QSPI = New(cells.NewFlash(cells.Memory(size), v.Options(d.supply, w)), Config{
		Variant: v, Clock: d.clock, DMA: d.ram, Interrupt: func() { d.interrupts++ },
	})
	return d
}

// active returns a device whose interface is active, with no event.
func active(t testing.TB) *device {
	d := newDevice(t, NRF5340())
	d.set(RegEnable, 1)
	d.set(RegTasksActivate, 1)
	d.set(RegEventsReady, 0)
	return d
}

func (d *device) reg(t testing.TB, off uint32) uint32 {
	t.Helper()
	v, f := d.ReadRegister(off, bus.NonSecure)
	if f != bus.NoFault {
		t.Fatal(f)
	}
	return v
}

func (d *device) set(off, v uint32) { d.WriteRegister(off, v, bus.NonSecure) }

// start sets three registers from off on, and starts a task.
func (d *device) start(task, off uint32, v ...uint32) {
	for i, v := range v {
		d.set(off+4*uint32(i), v)
	}
	d.set(task, 1)
}

func (d *device) cells(t testing.TB, off, n int) []byte {
	t.Helper()
	p := make([]byte, n)
	if err := d.flash.Read(off, p); err != nil {
		t.Fatal(err)
	}
	return p
}

func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7 + i>>8)
	}
	return p
}

// TestState: which states answer the tasks.
func TestState(t *testing.T) {
	d := newDevice(t, NRF5340())
	erase := func(want bool) {
		t.Helper()
		d.set(RegEventsReady, 0)
		if err := d.flash.Program(0, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		d.start(RegTasksEraseStart, RegErasePtr, 0, Erase4KB)
		got, _ := d.flash.Word(0)
		if (got != 0) != want || (d.reg(t, RegEventsReady) == 1) != want {
			t.Errorf("erased: %v, READY %d", got != 0, d.reg(t, RegEventsReady))
		}
	}
	erase(false)
	d.set(RegTasksActivate, 1)
	erase(false) // not enabled
	d.set(RegEnable, 1)
	erase(false) // not active
	d.set(RegTasksActivate, 1)
	if d.reg(t, RegEventsReady) != 1 || d.reg(t, RegStatus) != StatusReady {
		t.Error("ACTIVATE")
	}
	erase(true)
	d.set(RegTasksDeactivate, 0)
	erase(true)
	d.set(RegTasksEraseStart, 0xFFFFFFFE)
	d.set(RegTasksDeactivate, 1)
	if d.reg(t, RegStatus) != 0 {
		t.Error("DEACTIVATE")
	}
	erase(false)
	d.set(RegTasksActivate, 1)
	d.set(RegEnable, 0)
	d.set(RegEnable, 1)
	erase(false)
	d.set(RegTasksActivate, 1)
	d.Reset()
	erase(false)
}

func TestConcurrent(t *testing.T) {
	d := active(t)
	d.SetConcurrent(true)
	d.set(RegIntenSet, 1)
	d.start(RegTasksEraseStart, RegErasePtr, 0, Erase4KB)
	if d.clock.Now() != 0 || d.reg(t, RegStatus) != 0 || d.reg(t, RegEventsReady) != 0 {
		t.Error("it is over at once")
	}
	points := d.supply.Points()
	d.start(RegTasksEraseStart, RegErasePtr, 0x1000, Erase4KB)
	if d.supply.Points() != points {
		t.Error("two operations at once")
	}
	d.clock.Advance(40*time.Millisecond - 1)
	if d.reg(t, RegStatus) != 0 || d.interrupts != 0 {
		t.Error("too soon")
	}
	d.clock.Advance(1)
	if d.reg(t, RegStatus) != StatusReady || d.reg(t, RegEventsReady) != 1 || d.interrupts != 1 {
		t.Error("it does not end")
	}
	d.start(RegTasksEraseStart, RegErasePtr, 0x1000, Erase4KB)
	d.Reset()
	d.clock.Advance(time.Second)
	if d.reg(t, RegEventsReady) != 0 || d.interrupts != 1 {
		t.Error("an operation outlived the reset")
	}
}
