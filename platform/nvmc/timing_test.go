package nvmc

import (
	"testing"
	"time"

	"github.com/postern-spe/postern/platform/bus"
)

func TestPartialErase(t *testing.T) {
	d := newDevice(t, NRF5340())
	d.put(t, 0, 0)
	d.put(t, 0xFFC, 0)
	d.set(RegConfig, PEen)
	d.set(RegErasePagePartialCfg, 40)
	var last uint32
	for i, wear := range []uint32{0, 0, 1} { // 120 ms of 87.5 ms
		if f := d.Store(0, 4, 0xFFFFFFFF, bus.SecureCPU); f != bus.NoFault {
			t.Fatal(f)
		}
		if got, want := d.clock.Now(), time.Duration(i+1)*40*time.Millisecond; got != want {
			t.Errorf("step %d: %v, want %v", i, got, want)
		}
		got := d.word(t, 0xFFC)
		if got&last != last || got == last || (got == 0xFFFFFFFF) != (i == 2) {
			t.Errorf("step %d: 0x%08x after 0x%08x", i, got, last)
		}
		last = got
		if got := d.flash.Wear().Erases(0); got != wear {
			t.Errorf("step %d: %d erases", i, got)
		}
	}

	// A word programmed in between starts it anew, and so do an erase of the
	// page and a reset.
	for name, between := range map[string]func(){
		"program": func() { d.set(RegConfig, Wen); d.Store(0x10, 4, 0, bus.SecureCPU) },
		"erase":   func() { d.set(RegConfig, Een); d.Store(0, 4, 0xFFFFFFFF, bus.SecureCPU); d.put(t, 0x10, 0) },
		"all":     func() { d.set(RegConfig, Een); d.set(RegEraseAll, 1); d.put(t, 0x10, 0) },
		"reset":   func() { d.Reset(); d.put(t, 0x10, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := d.flash.Erase(0); err != nil {
				t.Fatal(err)
			}
			d.set(RegErasePagePartialCfg, 80)
			d.set(RegConfig, PEen)
			d.Store(0, 4, 0xFFFFFFFF, bus.SecureCPU)
			between()
			d.set(RegConfig, PEen)
			d.set(RegErasePagePartialCfg, 10) // 90 ms if it had gone on
			if f := d.Store(0, 4, 0xFFFFFFFF, bus.SecureCPU); f != bus.NoFault {
				t.Fatal(f)
			}
			if got := d.word(t, 0x10); got == 0xFFFFFFFF {
				t.Error("erased")
			}
		})
	}
}

func TestRunFromRAM(t *testing.T) {
	const write, erase = 43 * time.Microsecond, 87500 * time.Microsecond
	d := newDevice(t, NRF5340())
	d.SetRunFromRAM(true)
	d.set(RegConfig, Wen)
	status := func(name string, now time.Duration, ready, next uint32) {
		t.Helper()
		if got := d.clock.Now(); got != now {
			t.Errorf("%s: %v, want %v", name, got, now)
		}
		if r, n := d.read(t, RegReady), d.read(t, RegReadyNext); r != ready || n != next {
			t.Errorf("%s: READY %d READYNEXT %d, want %d %d", name, r, n, ready, next)
		}
	}
	store := func(addr, v uint32) {
		t.Helper()
		if f := d.Store(addr, 4, v, bus.SecureCPU); f != bus.NoFault {
			t.Fatal(f)
		}
	}
	store(0, 1)
	status("one write", 0, 0, 1)
	store(4, 2)
	status("one more waits", 0, 0, 0)
	store(8, 3)
	status("a third waited for the first", write, 0, 0)
	d.clock.Advance(write)
	status("the third has begun", 2*write, 0, 1)
	d.clock.Advance(write)
	status("all done", 3*write, 1, 1)
	store(12, 4)
	d.set(RegConfig, Een)
	store(0x1000, 0xFFFFFFFF)
	status("an erase waited", 4*write, 0, 1)
	if err := d.Area(0x2000, 0x1000).Program(0, make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	status("the driver waits for all of it", 4*write+erase+2*write, 1, 1)
	store(0x1000, 0xFFFFFFFF)
	d.Reset()
	status("reset", 4*write+erase+2*write, 1, 1)
	d.set(RegConfig, Wen)
	store(16, 4)
	status("from flash again", 4*write+erase+3*write, 1, 1)
}

// TestTimersMayCallBack: the clock moves with no lock held.
func TestTimersMayCallBack(t *testing.T) {
	d := newDevice(t, NRF5340())
	fired := uint32(0)
	d.clock.AfterFunc(time.Millisecond, func() { fired = d.read(t, RegReady) })
	if err := d.Area(0, 0x1000).Erase(0); err != nil {
		t.Fatal(err)
	}
	if fired != 1 {
		t.Error("the timer did not fire")
	}
}
