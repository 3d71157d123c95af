package wdt

import (
	"sync"
	"testing"
	"time"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/clock"
)

var _ bus.Peripheral = (*WDT)(nil)

type rig struct {
	*WDT
	clk              *clock.Clock
	resets, irq, nmi int
}

func newRig(v Variant) *rig {
	r := &rig{clk: clock.Manual()}
	r.WDT = New(Config{Variant: v, Clock: r.clk, Reset: func() { r.resets++ },
		Interrupt: func() { r.irq++ }, NonMaskable: func() { r.nmi++ }})
	return r
}

func (r *rig) set(off, v uint32) { r.WriteRegister(off, v, bus.Secure) }

func (r *rig) get(off uint32) uint32 {
	v, _ := r.ReadRegister(off, bus.Secure)
	return v
}

// second is a count of a second, after which the watchdog resets.
const second = frequency - 1

func variants() map[string]Variant {
	return map[string]Variant{"nrf5340": NRF5340(), "nrf9160": NRF9160(), "nrf54l15": NRF54L15()}
}

func TestTimeout(t *testing.T) {
	for name, v := range variants() {
		t.Run(name, func(t *testing.T) {
			r := newRig(v)
			r.clk.Advance(time.Hour)
			r.set(RegCRV, second)
			r.set(RegTasksStart, 0)
			if r.get(RegRunStatus) != 0 {
				t.Fatal("runs without being started")
			}
			r.set(RegTasksStart, 1)
			r.clk.Advance(time.Second / 2)
			r.set(RegTasksStart, 1) // no second start
			r.clk.Advance(time.Second/2 - 1)
			if r.resets != 0 || r.get(RegRunStatus) != 1 || r.get(RegEventsTimeout) != 0 {
				t.Fatalf("%d resets before the time", r.resets)
			}
			r.clk.Advance(1)
			if r.resets != 1 || r.get(RegEventsTimeout) != 1 || r.irq != 0 {
				t.Errorf("%d resets, event %d", r.resets, r.get(RegEventsTimeout))
			}
			r.set(RegRR, Reload)
			r.clk.Advance(time.Hour)
			if r.resets != 1 {
				t.Errorf("%d resets", r.resets)
			}
		})
	}
}

// TestGrace: with its interrupt on, TIMEOUT comes two cycles before the reset,
// and nothing takes the reset back.
func TestGrace(t *testing.T) {
	for name, off := range map[string]uint32{"interrupt": RegIntenSet, "non-maskable": RegNMIenSet} {
		t.Run(name, func(t *testing.T) {
			r := newRig(NRF5340())
			r.set(RegCRV, second)
			r.set(RegConfig, ConfigStopEn)
			r.set(RegTSEN, Reload)
			r.set(off, EventTimeout)
			r.set(RegTasksStart, 1)
			r.clk.Advance(time.Second)
			if r.resets != 0 || r.irq+r.nmi != 1 || (r.nmi == 1) != (off == RegNMIenSet) {
				t.Fatalf("%d resets, %d interrupts, %d non-maskable", r.resets, r.irq, r.nmi)
			}
			r.set(RegEventsTimeout, 0)
			r.set(RegRR, Reload)
			r.set(RegTasksStop, 1)
			r.set(off+4, EventTimeout)
			r.clk.Advance(duration(grace) - 1)
			if r.resets != 0 {
				t.Fatal("reset too early")
			}
			r.clk.Advance(1)
			if r.resets != 1 {
				t.Errorf("%d resets", r.resets)
			}
		})
	}
}

func TestReload(t *testing.T) {
	r := newRig(NRF9160())
	r.set(RegCRV, second)
	r.set(RegRREN, 0x85)
	r.set(RegRR, Reload) // before the start: nothing
	r.set(RegTasksStart, 1)
	rr := func(n uint32) uint32 { return RegRR + 4*n }
	steps := []struct {
		name string
		off  uint32
		v    uint32
		want uint32 // REQSTATUS
	}{
		{"one of three", rr(0), Reload, 0x84},
		{"again", rr(0), Reload, 0x84},
		{"not enabled", rr(1), Reload, 0x84},
		{"wrong value", rr(2), Reload + 1, 0x84},
		{"two of three", rr(7), Reload, 0x04},
		{"three of three", rr(2), Reload, 0x85},
	}
	if r.get(RegReqStatus) != 0x85 {
		t.Fatalf("REQSTATUS is 0x%x at first", r.get(RegReqStatus))
	}
	for _, s := range steps {
		r.clk.Advance(time.Second / 10)
		r.set(s.off, s.v)
		if got := r.get(RegReqStatus); got != s.want {
			t.Errorf("%s: REQSTATUS is 0x%x, want 0x%x", s.name, got, s.want)
		}
	}
	r.clk.Advance(time.Second - 1)
	if r.resets != 0 {
		t.Fatal("the count did not begin again")
	}
	r.clk.Advance(1)
	if r.resets != 1 {
		t.Errorf("%d resets", r.resets)
	}
}

// TestReloadJustInTime: a reload and the end of the count come due in one step of
// the clock, the reload first.
func TestReloadJustInTime(t *testing.T) {
	r := newRig(NRF5340())
	r.set(RegCRV, second)
	r.set(RegTasksStart, 1)
	r.clk.AfterFunc(time.Second-1, func() { r.set(RegRR, Reload) })
	r.clk.Advance(time.Second)
	if r.resets != 0 || r.get(RegEventsTimeout) != 0 {
		t.Fatal("reset in spite of the reload")
	}
	r.clk.Advance(time.Second)
	if r.resets != 1 {
		t.Errorf("%d resets after the next count", r.resets)
	}
}

func TestStop(t *testing.T) {
	tests := []struct {
		name   string
		v      Variant
		config uint32
		tsen   uint32
		stops  bool
	}{
		{"nrf5340", NRF5340(), ConfigStopEn, Reload, true},
		{"nrf54l15", NRF54L15(), ConfigStopEn, Reload, true},
		{"nrf9160 has none", NRF9160(), ConfigStopEn, Reload, false},
		{"STOPEN not set", NRF5340(), ConfigSleep, Reload, false},
		{"TSEN not written", NRF5340(), ConfigStopEn, 0, false},
		{"TSEN wrong", NRF5340(), ConfigStopEn, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(tt.v)
			r.set(RegIntenSet, EventStopped)
			r.set(RegTasksStop, 1) // not running
			r.set(RegCRV, second)
			r.set(RegConfig, tt.config)
			r.set(RegTasksStart, 1)
			r.set(RegConfig, ConfigStopEn) // too late
			r.set(RegTSEN, tt.tsen)
			r.set(RegTasksStop, 0)
			r.set(RegTasksStop, 1)
			running := uint32(1)
			if tt.stops {
				running = 0
			}
			if r.get(RegRunStatus) != running || r.get(RegEventsStopped) != 1-running || r.irq != int(1-running) {
				t.Errorf("RUNSTATUS %d, STOPPED %d, %d interrupts", r.get(RegRunStatus), r.get(RegEventsStopped), r.irq)
			}
			r.clk.Advance(time.Minute)
			if r.resets != int(running) {
				t.Errorf("%d resets", r.resets)
			}
			if !tt.stops {
				return
			}
			// Stopped, it can be set up again, and TSEN is used up.
			r.set(RegCRV, 2*frequency-1)
			r.set(RegTasksStart, 1)
			r.set(RegTasksStop, 1)
			r.clk.Advance(2*time.Second - 1)
			if r.resets != 0 || r.get(RegRunStatus) != 1 {
				t.Error("the second run is not as set up")
			}
			r.clk.Advance(1)
			if r.resets != 1 {
				t.Error("the second run does not end")
			}
		})
	}
}

func TestCounts(t *testing.T) {
	for crv, want := range map[uint32]time.Duration{
		0:          duration(16),
		0xF:        duration(16),
		0x10:       duration(17),
		0x7FFF:     time.Second,
		0xFFFFFFFF: 131072 * time.Second,
	} {
		r := newRig(NRF54L15())
		r.set(RegCRV, crv)
		r.set(RegTasksStart, 1)
		r.clk.Advance(want - 1)
		if r.resets != 0 {
			t.Errorf("CRV 0x%x: reset before %v", crv, want)
		}
		r.clk.Advance(1)
		if r.resets != 1 {
			t.Errorf("CRV 0x%x: no reset after %v", crv, want)
		}
	}
}

// TestLateInterrupt: INTEN set while the event waits raises the line, and INTPEND
// shows it.
func TestLateInterrupt(t *testing.T) {
	r := newRig(NRF54L15())
	r.set(RegEventsStopped, 1)
	r.set(RegInten, EventStopped)
	r.set(RegInten, EventStopped)
	r.set(RegNMIen, EventStopped)
	if r.irq != 1 || r.nmi != 1 || r.get(RegIntPend) != EventStopped {
		t.Errorf("%d interrupts, %d non-maskable, INTPEND %d", r.irq, r.nmi, r.get(RegIntPend))
	}
}

func TestReset(t *testing.T) {
	r := newRig(NRF5340())
	r.set(RegCRV, second)
	r.set(RegTasksStart, 1)
	r.Reset()
	if r.get(RegRunStatus) != 0 || r.get(RegCRV) != 0xFFFFFFFF {
		t.Error("Reset left it running")
	}
	r.clk.Advance(time.Hour)
	if r.resets != 0 {
		t.Error("a watchdog that was reset has reset the device")
	}
}

// TestConcurrent feeds a watchdog from two sides on a clock that runs.
func TestConcurrent(t *testing.T) {
	clk := clock.New()
	w := New(Config{Variant: NRF5340(), Clock: clk, Reset: func() { t.Error("reset in spite of reloads") }})
	w.WriteRegister(RegCRV, 0xFFFFFFFF, bus.Secure)
	w.WriteRegister(RegTasksStart, 1, bus.Secure)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 500 {
				w.WriteRegister(RegRR, Reload, bus.Secure)
				w.ReadRegister(RegReqStatus, bus.NonSecure)
				clk.Advance(time.Minute)
			}
		})
	}
	wg.Wait()
	w.Reset()
}
