package platform

import (
	"fmt"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/mpc"
	"github.com/postern-spe/postern/platform/spu"
)

// AccessError is an interrupt about a blocked access.
type AccessError struct {
	Block string // the unit that blocked it: SPU, SPU00, MPC00 ...
	Event string // the event's name in the manual: FLASHACCERR ...
	// Addr is the address, where the unit says it.
	Addr  uint32
	Known bool
}

// Where returns the address in words.
func (e AccessError) Where() string {
	if !e.Known {
		return "unknown" // the SPU does not say
	}
	return fmt.Sprintf("0x%08x", e.Addr)
}

// accessEvent is an event of a guarding unit, and the register with the address
// that goes with it; 0 where there is none.
type accessEvent struct {
	name      string
	off, addr uint32
}

func spuEvents() []accessEvent {
	return []accessEvent{
		{"RAMACCERR", spu.RegEventsRAMAccErr, 0},
		{"FLASHACCERR", spu.RegEventsFlashAccErr, 0},
		{"PERIPHACCERR", spu.RegEventsPeriphAccErr, 0},
	}
}

func apbEvents() []accessEvent {
	return []accessEvent{{"PERIPHACCERR", spu.RegAPBEventsPeriphAccErr, spu.RegPeriphAccErrAddress}}
}

func mpcEvents() []accessEvent {
	return []accessEvent{{"MEMACCERR", mpc.RegEventsMemAccErr, mpc.RegMemAccErrAddress}}
}

// handler is the interrupt handler of a guarding unit: it clears what is pending
// and reports it. On the chip TF-M's panics; here whoever was refused has its
// fault, and the secure world goes on.
func (s *SoC) handler(name string, unit func() bus.Peripheral, events []accessEvent) bus.Interrupt {
	return func() {
		for _, e := range events {
			v, _ := unit().ReadRegister(e.off, bus.Secure)
			if v == 0 {
				continue
			}
			report := AccessError{Block: name, Event: e.name}
			if e.addr != 0 {
				report.Addr, _ = unit().ReadRegister(e.addr, bus.Secure)
				report.Known = true
			}
			unit().WriteRegister(e.off, 0, bus.Secure)
			if s.onRefusal != nil {
				s.onRefusal(report)
			}
		}
	}
}
