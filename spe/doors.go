package spe

import (
	"github.com/postern-spe/postern/ipc/buslink"
	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/ctrlap"
	"github.com/postern-spe/postern/platform/spu"
)

// nonSecureBus is the bus as door 2 shows it: every access has the non-secure
// attribute, which is the door's and not the client's to choose.
type nonSecureBus struct{ bus *bus.Bus }

func (b nonSecureBus) Load(addr uint32, width int) (uint32, buslink.Outcome) {
	v, f := b.bus.Load(addr, width, spu.NonSecure)
	return v, outcome(f)
}

func (b nonSecureBus) Store(addr uint32, width int, value uint32) buslink.Outcome {
	return outcome(b.bus.Store(addr, width, value, spu.NonSecure))
}

func (b nonSecureBus) Fetch(addr uint32, width int) (uint32, buslink.Outcome) {
	v, f := b.bus.Fetch(addr, width, spu.NonSecure)
	return v, outcome(f)
}

func (b nonSecureBus) ReadBlock(addr uint32, p []byte) (uint32, buslink.Outcome) {
	at, f := b.bus.ReadBlock(addr, p, spu.NonSecure)
	return at, outcome(f)
}

func outcome(f spu.Fault) buslink.Outcome {
	switch f {
	case spu.NoFault:
		return buslink.OK
	case spu.SecureFault:
		return buslink.SecureFault
	}
	return buslink.BusFault
}

// debugPort is the CTRL-AP as door 3 shows it: its registers, by offset, as
// words. There is no other access port while the device is protected.
type debugPort struct{ ap *ctrlap.CtrlAP }

const wordWidth = 4

func (d debugPort) Load(addr uint32, width int) (uint32, buslink.Outcome) {
	if width != wordWidth {
		return 0, buslink.BusFault
	}
	return d.ap.Read(addr), buslink.OK
}

func (d debugPort) Store(addr uint32, width int, value uint32) buslink.Outcome {
	if width != wordWidth {
		return buslink.BusFault
	}
	d.ap.Write(addr, value)
	return buslink.OK
}

func (d debugPort) Fetch(uint32, int) (uint32, buslink.Outcome) { return 0, buslink.BusFault }

func (d debugPort) ReadBlock(addr uint32, _ []byte) (uint32, buslink.Outcome) {
	return addr, buslink.BusFault
}
