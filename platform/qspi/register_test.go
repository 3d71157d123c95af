package qspi

import (
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/regtest"
)

func TestRegisters(t *testing.T) {
	for name, variant := range map[string]func() Variant{"nrf5340": NRF5340, "virt": Virt} {
		t.Run(name, func(t *testing.T) {
			rw := func(name string, off, reset, mask uint32) regtest.Row {
				return regtest.RW(regtest.Row{Name: name, Off: off, Reset: reset, NonSecure: true}, mask)
			}
			ro := func(name string, off uint32) regtest.Row {
				return regtest.Row{Name: name, Off: off, NonSecure: true}
			}
			set := ro("INTENSET", 0x304)
			set.Ones = 1
			rows := []regtest.Row{
				ro("TASKS_ACTIVATE", 0x000), ro("TASKS_READSTART", 0x004), ro("TASKS_WRITESTART", 0x008),
				ro("TASKS_ERASESTART", 0x00C), ro("TASKS_DEACTIVATE", 0x010),
				rw("EVENTS_READY", 0x100, 0, 1),
				rw("INTEN", 0x300, 0, 1), set, ro("INTENCLR", 0x308),
				rw("ENABLE", 0x500, 0, 1),
				rw("READ.SRC", 0x504, 0, 0xFFFFFFFF), rw("READ.DST", 0x508, 0, 0xFFFFFFFF), rw("READ.CNT", 0x50C, 0, 0x1FFFFF),
				rw("WRITE.DST", 0x510, 0, 0xFFFFFFFF), rw("WRITE.SRC", 0x514, 0, 0xFFFFFFFF), rw("WRITE.CNT", 0x518, 0, 0x1FFFFF),
				rw("ERASE.PTR", 0x51C, 0, 0xFFFFFFFF), rw("ERASE.LEN", 0x520, 0, 3),
				rw("PSEL.SCK", 0x524, 0xFFFFFFFF, 0x8000003F), rw("PSEL.CSN", 0x528, 0xFFFFFFFF, 0x8000003F),
				rw("PSEL.IO0", 0x530, 0xFFFFFFFF, 0x8000003F), rw("PSEL.IO1", 0x534, 0xFFFFFFFF, 0x8000003F),
				rw("PSEL.IO2", 0x538, 0xFFFFFFFF, 0x8000003F), rw("PSEL.IO3", 0x53C, 0xFFFFFFFF, 0x8000003F),
				rw("XIPOFFSET", 0x540, 0, 0xFFFFFFFF), rw("IFCONFIG0", 0x544, 0, 0x10FF), rw("XIPEN", 0x54C, 1, 1),
				rw("IFCONFIG1", 0x600, 0x00040480, 0xF30000FF), ro("STATUS", 0x604),
				rw("DPMDUR", 0x614, 0xFFFFFFFF, 0xFFFFFFFF), rw("ADDRCONF", 0x624, 0xB7, 0x0FFFFFFF),
				rw("CINSTRCONF", 0x634, 0x2000, 0x1FFFF),
				rw("CINSTRDAT0", 0x638, 0, 0xFFFFFFFF), rw("CINSTRDAT1", 0x63C, 0, 0xFFFFFFFF),
				rw("IFTIMING", 0x640, 0x600, 0x700),
			}
			for off := uint32(0x560); off < 0x5A0; off += 4 {
				rows = append(rows, ro("XIP_ENC and DMA_ENC, not emulated", off))
			}
			regtest.Run(t, func() bus.Peripheral { return newDevice(t, variant()) }, rows)
		})
	}
}

func TestInterrupt(t *testing.T) {
	d := active(t)
	d.set(RegTasksActivate, 1)
	if d.interrupts != 0 {
		t.Error("not enabled")
	}
	d.set(RegInten, 1)
	if d.interrupts != 1 {
		t.Error("enabled with the event there")
	}
	d.set(RegTasksActivate, 1)
	d.set(RegEventsReady, 0)
	d.set(RegTasksActivate, 1)
	if d.interrupts != 2 {
		t.Errorf("%d interrupts", d.interrupts)
	}
	d.set(RegIntenClr, 1)
	if d.reg(t, RegInten) != 0 {
		t.Error("INTENCLR")
	}
}
