package wdt

import (
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/regtest"
)

func TestRegisters(t *testing.T) {
	row := func(name string, off, reset, mask uint32) regtest.Row {
		return regtest.RW(regtest.Row{Name: name, Off: off, Reset: reset, NonSecure: true}, mask)
	}
	table := func(events, config uint32) []regtest.Row {
		rows := []regtest.Row{
			{Name: "TASKS_START", Off: 0x000, NonSecure: true},
			row("SUBSCRIBE_START", 0x080, 0, 0x800000FF),
			row("EVENTS_TIMEOUT", 0x100, 0, 1),
			row("PUBLISH_TIMEOUT", 0x180, 0, 0x800000FF),
			{Name: "INTENSET", Off: 0x304, NonSecure: true, Ones: events},
			{Name: "INTENCLR", Off: 0x308, NonSecure: true},
			{Name: "RUNSTATUS", Off: 0x400, NonSecure: true},
			{Name: "REQSTATUS", Off: 0x404, Reset: 1, NonSecure: true},
			row("CRV", 0x504, 0xFFFFFFFF, 0xFFFFFFFF), // and TestRunning
			row("RREN", 0x508, 1, 0xFF),               // and TestRunning
			row("CONFIG", 0x50C, 1, config),           // and TestRunning
		}
		for n := range uint32(8) {
			rows = append(rows, regtest.Row{Name: "RR", Off: 0x600 + 4*n, NonSecure: true})
		}
		return rows
	}
	stoppable := append(table(3, 0x49),
		regtest.Row{Name: "TASKS_STOP", Off: 0x004, NonSecure: true},
		row("SUBSCRIBE_STOP", 0x084, 0, 0x800000FF),
		row("EVENTS_STOPPED", 0x104, 0, 1),
		row("PUBLISH_STOPPED", 0x184, 0, 0x800000FF),
		regtest.Row{Name: "NMIENSET", Off: 0x324, NonSecure: true, Ones: 3},
		regtest.Row{Name: "NMIENCLR", Off: 0x328, NonSecure: true},
		regtest.Row{Name: "TSEN", Off: 0x520, NonSecure: true},
	)
	tables := map[string][]regtest.Row{
		"nrf5340": stoppable,
		"nrf9160": table(1, 0x09),
		"nrf54l15": append(stoppable[:len(stoppable):len(stoppable)],
			row("INTEN", 0x300, 0, 3),
			regtest.Row{Name: "INTPEND", Off: 0x30C, NonSecure: true},
			row("NMIEN", 0x320, 0, 3),
		),
	}
	for name, v := range variants() {
		t.Run(name, func(t *testing.T) {
			regtest.Run(t, func() bus.Peripheral { return newRig(v).WDT }, tables[name])
			known := map[uint32]bool{}
			for _, r := range tables[name] {
				known[r.Off] = true
			}
			if len(known) != len(v.Registers) {
				t.Errorf("%d rows for %d registers", len(known), len(v.Registers))
			}
			r := newRig(v)
			for off := uint32(0); off < 0x1000; off += 4 {
				if known[off] {
					continue
				}
				r.set(off, 0xFFFFFFFF)
				if got := r.get(off); got != 0 {
					t.Errorf("0x%03x, which is none, reads 0x%x", off, got)
				}
			}
		})
	}
}

// TestRunning: a watchdog that runs cannot be set up anew.
func TestRunning(t *testing.T) {
	for name, v := range variants() {
		for _, off := range []uint32{RegCRV, RegRREN, RegConfig} {
			r := newRig(v)
			before := r.get(off)
			r.set(RegTasksStart, 1)
			for _, x := range []uint32{0, 0xFFFFFFFF, ^before} {
				if r.set(off, x); r.get(off) != before {
					t.Errorf("%s: 0x%03x was 0x%x and is 0x%x", name, off, before, r.get(off))
				}
			}
		}
	}
}
