package spe

import (
	"github.com/postern-spe/postern/ipc/buslink"
	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/bus"
)

// nonSecureBus is the bus as door 2 shows it: every access is one of the
// processor in its non-secure state, which is the door's and not the client's to
// choose, and there are no access ports beside the memory.
type nonSecureBus struct{ soc *platform.SoC }

func (d nonSecureBus) Board() string { return d.soc.Board.Name }

func (d nonSecureBus) Load(ap uint8, addr uint32, width int) (uint32, buslink.Outcome) {
	if ap != buslink.MemoryAP {
		return 0, buslink.Protected
	}
	return load(d.soc.Bus, addr, width, bus.NonSecureCPU)
}

func (d nonSecureBus) Store(ap uint8, addr uint32, width int, value uint32) buslink.Outcome {
	if ap != buslink.MemoryAP {
		return buslink.Protected
	}
	return outcome(d.soc.Bus.Store(addr, width, value, bus.NonSecureCPU))
}

func (d nonSecureBus) Fetch(ap uint8, addr uint32, width int) (uint32, buslink.Outcome) {
	if ap != buslink.MemoryAP {
		return 0, buslink.Protected
	}
	v, f := d.soc.Bus.Fetch(addr, width, bus.NonSecureCPU)
	return v, outcome(f)
}

func (d nonSecureBus) ReadBlock(ap uint8, addr uint32, p []byte) (uint32, buslink.Outcome) {
	if ap != buslink.MemoryAP {
		return addr, buslink.Protected
	}
	at, f := d.soc.Bus.ReadBlock(addr, p, bus.NonSecureCPU)
	return at, outcome(f)
}

// Windows are where non-secure code reads flash without asking.
func (d nonSecureBus) Windows() ([]buslink.Window, error) {
	var ws []buslink.Window
	for _, w := range d.soc.Windows() {
		ws = append(ws, buslink.Window{Addr: w.Addr, Size: w.Size, File: w.File, Off: w.Off})
	}
	return ws, nil
}

// debugPort is the connector as door 3 shows it: the CTRL-AP, whose registers are
// words, and the memory access port, which the CTRL-AP opens and closes.
type debugPort struct{ soc *platform.SoC }

func (d debugPort) Board() string { return d.soc.Board.Name }

// memory is where the memory access port's transactions come from, unless it is
// closed.
func (d debugPort) memory(ap uint8) (bus.Origin, bool) {
	if ap != buslink.MemoryAP {
		return bus.Origin{}, false
	}
	return d.soc.CtrlAP.MemoryAccess()
}

func (d debugPort) Load(ap uint8, addr uint32, width int) (uint32, buslink.Outcome) {
	if ap == d.soc.DebugAP() {
		if width != wordWidth {
			return 0, buslink.BusFault
		}
		return d.soc.CtrlAP.Read(addr), buslink.OK
	}
	from, open := d.memory(ap)
	if !open {
		return 0, buslink.Protected
	}
	return load(d.soc.Bus, addr, width, from)
}

func (d debugPort) Store(ap uint8, addr uint32, width int, value uint32) buslink.Outcome {
	if ap == d.soc.DebugAP() {
		if width != wordWidth {
			return buslink.BusFault
		}
		d.soc.CtrlAP.Write(addr, value)
		return buslink.OK
	}
	from, open := d.memory(ap)
	if !open {
		return buslink.Protected
	}
	return outcome(d.soc.Bus.Store(addr, width, value, from))
}

// Fetch: a probe loads and stores; instructions are the processor's.
func (d debugPort) Fetch(uint8, uint32, int) (uint32, buslink.Outcome) { return 0, buslink.BusFault }

func (d debugPort) ReadBlock(ap uint8, addr uint32, p []byte) (uint32, buslink.Outcome) {
	from, open := d.memory(ap)
	if !open {
		return addr, buslink.Protected
	}
	at, f := d.soc.Bus.ReadBlock(addr, p, from)
	return at, outcome(f)
}

const wordWidth = 4

func load(b *bus.Bus, addr uint32, width int, from bus.Origin) (uint32, buslink.Outcome) {
	v, f := b.Load(addr, width, from)
	return v, outcome(f)
}

func outcome(f bus.Fault) buslink.Outcome {
	switch f {
	case bus.NoFault:
		return buslink.OK
	case bus.SecureFault:
		return buslink.SecureFault
	}
	return buslink.BusFault
}
