// Package gpio emulates a GPIO port (Product Specifications of nRF5340 and
// nRF9160 and nRF54L15 datasheet, chapter GPIO; registers from the SVDs): a split
// peripheral, whose pins belong each to one world.
//
// Through the non-secure view the bits and the PIN_CNF of a secure pin read 0 and
// ignore writes, without a fault or an event. Which pins are secure the SPU says.
//
// Emulated: all registers, the pins' levels from outputs, pulls and what is
// connected, and LATCH. Not emulated: DETECT and what hangs on it (GPIOTE, wake-up),
// so that DETECTMODE is only kept; drive strengths, analog, and peripherals that
// take pins over, so that MCUSEL and CTRLSEL are only kept, too.
//
// Registers are reached over the bus, the non-secure view by non-secure programs.
//
// # Decisions
//
//   - Bits of pins that do not exist read 0 and ignore writes.
//   - An output wins over what is connected from outside.
//   - SENSE needs the input buffer connected, as IN does.
//   - MCUSEL of the nRF5340 is for secure code alone, also at a non-secure pin: in
//     the non-secure view it reads 0 and keeps its value.
package gpio

import (
	"sync"

	"github.com/postern-spe/postern/platform/bus"
)

// Register offsets from a port's base. Those of the first group are from the
// offset of OUT, which chips differ in, as in that of PIN_CNF.
const (
	RegOut    = 0x00
	RegOutSet = 0x04
	RegOutClr = 0x08
	RegIn     = 0x0C
	RegDir    = 0x10
	RegDirSet = 0x14
	RegDirClr = 0x18

	RegLatch         = 0x20
	RegDetectMode    = 0x24 // of non-secure pins
	RegDetectModeSec = 0x28 // of secure pins; nRF53 and nRF91
)

// The fields of PIN_CNF that have an effect here.
const (
	cnfDir       uint32 = 1 << 0
	cnfInput     uint32 = 1 << 1 // 1: disconnected
	cnfPull      uint32 = 3 << 2
	cnfPullUp    uint32 = 3 << 2
	cnfSense     uint32 = 3 << 16
	cnfSenseHigh uint32 = 2 << 16
	cnfSenseLow  uint32 = 3 << 16
	cnfReset            = cnfInput
)

// maxPins is how many pins a port can have.
const maxPins = 32

// Variant is one port, as data.
type Variant struct {
	Name string
	// Pins is how many there are, from pin 0 on.
	Pins int
	// Out and PinCnf are the offsets of OUT and of PIN_CNF[0].
	Out, PinCnf uint32
	// Config is which bits of PIN_CNF exist, and SecureConfig which of them
	// only secure code has.
	Config, SecureConfig uint32
	// DetectModeSec says whether there is a DETECTMODE_SEC.
	DetectModeSec bool
}

// NRF5340 returns P0 and P1 of the nRF5340.
func NRF5340() []Variant {
	const config, mcusel = 0x70030F0F, 0x70000000
	return []Variant{
		{"P0", 32, 0x004, 0x200, config, mcusel, true},
		{"P1", 16, 0x004, 0x200, config, mcusel, true},
	}
}

// NRF9160 returns P0 of the nRF9160.
func NRF9160() []Variant {
	return []Variant{{"P0", 32, 0x004, 0x200, 0x0003070F, 0, true}}
}

// NRF54L15 returns P0, P1 and P2 of the nRF54L15. P2 has no SENSE.
func NRF54L15() []Variant {
	const config = 0x70030F0F
	return []Variant{
		{"P0", 7, 0x000, 0x080, config, 0, false},
		{"P1", 17, 0x000, 0x080, config, 0, false},
		{"P2", 11, 0x000, 0x080, config &^ cnfSense, 0, false},
	}
}

// Port is one GPIO port. It is a bus.Peripheral. All methods are safe for
// concurrent use.
type Port struct {
	v      Variant
	secure func() uint32

	mu              sync.Mutex
	out, latch      uint32
	cnf             [maxPins]uint32
	mode, modeSec   uint32
	driven, outside uint32 // which pins are connected outside, and to what
}

var _ bus.Peripheral = (*Port)(nil)

// New returns a port as a reset leaves it, with nothing connected. securePins says
// which pins are secure, pin p in bit p; it is asked at every access, and takes no
// part in the port.
func New(v Variant, securePins func() uint32) *Port {
	if v.Pins > maxPins {
		panic("gpio: impossible variant")
	}
	p := &Port{v: v, secure: securePins}
	p.Reset()
	return p
}

// Reset puts all registers back. What is connected stays.
func (p *Port) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out, p.latch, p.mode, p.modeSec = 0, 0, 0, 0
	for i := range p.v.Pins {
		p.cnf[i] = cnfReset
	}
}

// Drive connects a pin to a level, as a button or another chip does.
func (p *Port) Drive(pin int, high bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	bit := uint32(1) << pin
	p.driven |= bit
	p.outside &^= bit
	if high {
		p.outside |= bit
	}
	p.sense()
}

// Release disconnects a pin: its pull decides, and without one it is low.
func (p *Port) Release(pin int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.driven &^= 1 << pin
	p.sense()
}

// Levels returns the pins as they can be measured, pin p in bit p.
func (p *Port) Levels() uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.levels()
}

func (p *Port) levels() (levels uint32) {
	for i := range p.v.Pins {
		bit := uint32(1) << i
		high := p.cnf[i]&cnfPull == cnfPullUp
		switch {
		case p.cnf[i]&cnfDir != 0:
			high = p.out&bit != 0
		case p.driven&bit != 0:
			high = p.outside&bit != 0
		}
		if high {
			levels |= bit
		}
	}
	return levels
}

// in is what the connected input buffers see.
func (p *Port) in() uint32 {
	in := p.levels()
	for i := range p.v.Pins {
		if p.cnf[i]&cnfInput != 0 {
			in &^= 1 << i
		}
	}
	return in
}

// sense latches the pins that meet their SENSE. It is called after every change.
func (p *Port) sense() {
	in := p.in()
	for i := range p.v.Pins {
		high := in>>i&1 != 0
		switch s := p.cnf[i] & cnfSense; {
		case p.cnf[i]&cnfInput != 0:
		case s == cnfSenseHigh && high, s == cnfSenseLow && !high:
			p.latch |= 1 << i
		}
	}
}

// dir gathers the DIR bits, which PIN_CNF holds.
func (p *Port) dir() (dir uint32) {
	for i := range p.v.Pins {
		dir |= p.cnf[i] & cnfDir << i
	}
	return dir
}

func (p *Port) setDir(pins, v uint32) {
	for i := range p.v.Pins {
		if pins>>i&1 != 0 {
			p.cnf[i] = p.cnf[i]&^cnfDir | v>>i&1
		}
	}
}
