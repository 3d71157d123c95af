package rramc

import (
	"fmt"
	"testing"
	"time"
)

func TestReadyNextTimeout(t *testing.T) {
	const cycles128 = time.Microsecond // 128 cycles of 128 MHz
	d := newDevice(t)
	d.set(RegReadyNextTimeout, 0x80000080)
	d.set(RegConfig, 0x2001)
	d.store(t, 0, 1)
	d.clock.Advance(cycles128 - 1)
	d.store(t, 4, 2) // starts it anew
	d.clock.Advance(cycles128 - 1)
	if d.cell(t, 0) != erased {
		t.Fatal("committed too soon")
	}
	d.clock.Advance(1)
	if d.cell(t, 0) != 1 || d.cell(t, 4) != 2 {
		t.Fatal("not committed")
	}
	d.set(RegReadyNextTimeout, 0x80000000)
	d.store(t, 8, 3)
	d.clock.Advance(1)
	if d.cell(t, 8) != 3 {
		t.Error("a timeout of 0 is due at once")
	}
}

func TestRunFromRAM(t *testing.T) {
	d := newDevice(t)
	d.SetRunFromRAM(true)
	d.set(RegIntenSet, IntReady)
	d.set(RegConfig, 1)
	status := func(name string, now time.Duration, ready uint32, interrupts int) {
		t.Helper()
		got := fmt.Sprint(d.clock.Now(), d.reg(t, RegReady), d.reg(t, RegReadyNext), d.interrupts)
		if want := fmt.Sprint(now, ready, ready, interrupts); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	d.store(t, 0, 1)
	status("one write", 0, 0, 0)
	d.store(t, 4, 2)
	status("the second waited", write, 0, 1)
	d.set(RegEventsReady, 0)
	d.clock.Advance(write)
	status("done", 2*write, 1, 2)
	d.set(RegConfig, 0x101)
	d.store(t, 8, 2)
	status("into the buffer", 2*write, 1, 2)
	d.set(RegTasksCommitWriteBuf, 1)
	status("a commit", 2*write, 0, 2)
	if err := d.Area(0x1000, 0x1000).Program(0, le(1)); err != nil {
		t.Fatal(err)
	}
	status("the driver waits for all of it", 2*write+2*buffered, 1, 2)
}

func TestEvents(t *testing.T) {
	d := newDevice(t)
	d.set(RegTasksWakeup, 1)
	if d.reg(t, RegEventsWokenUp) != 1 || d.interrupts != 0 || d.reg(t, RegIntPend) != 0 {
		t.Error("WOKENUP")
	}
	d.set(RegIntenSet, IntWokenUp)
	if d.interrupts != 1 || d.reg(t, RegIntPend) != IntWokenUp {
		t.Error("enabling an event that is there")
	}
	d.set(RegTasksWakeup, 1)
	if d.interrupts != 1 {
		t.Error("the event was there already")
	}
	d.set(RegIntenSet, IntReady)
	d.set(RegIntenClr, IntWokenUp)
	if got := d.reg(t, RegInten); got != IntReady || d.reg(t, RegIntPend) != 0 {
		t.Errorf("INTEN 0x%x", got)
	}
	d.set(RegConfig, 1)
	d.store(t, 0, 0)
	if d.interrupts != 2 || d.reg(t, RegIntPend) != IntReady {
		t.Errorf("READY: %d interrupts", d.interrupts)
	}
	d.set(RegEventsReady, 0)
	d.store(t, 0, 0)
	if d.interrupts != 3 {
		t.Errorf("READY again: %d interrupts", d.interrupts)
	}
}
