package spu

import (
	"sync/atomic"

	"github.com/postern-spe/postern/platform/bus"
)

// event is an index of EVENTS_RAMACCERR, EVENTS_FLASHACCERR and
// EVENTS_PERIPHACCERR, in the order of their registers and of INTEN's bits.
type event uint

const (
	ramAccErr event = iota
	flashAccErr
	periphAccErr
	numEvents
)

// intMask is INTEN's bits.
const (
	intMask  = 1<<numEvents - 1
	intShift = 8
)

// events is the event registers and INTEN in one word, so that an event that is
// raised while its interrupt is being enabled interrupts exactly once.
type events struct {
	word atomic.Uint32 // events, and INTEN above intShift
	irq  bus.Interrupt
}

// raise sets an event and reports whether it was not set before.
func (e *events) raise(n event) bool {
	bit := uint32(1) << n
	if e.word.Load()&bit != 0 {
		return false // nothing changes: the usual case under attack
	}
	old := e.word.Or(bit)
	if old&bit == 0 && old>>intShift&bit != 0 {
		e.interrupt()
	}
	return old&bit == 0
}

func (e *events) clear(n event) { e.word.And(^(uint32(1) << n)) }

func (e *events) get(n event) uint32 { return e.word.Load() >> n & 1 }

func (e *events) enabled() uint32 { return e.word.Load() >> intShift }

// enable changes INTEN's bits in mask to those of v.
func (e *events) enable(mask, v uint32) {
	mask &= intMask
	for {
		old := e.word.Load()
		w := old&^(mask<<intShift) | v&mask<<intShift
		if !e.word.CompareAndSwap(old, w) {
			continue
		}
		if w&^old>>intShift&w != 0 {
			e.interrupt()
		}
		return
	}
}

func (e *events) interrupt() {
	if e.irq != nil {
		e.irq()
	}
}

func (e *events) reset() { e.word.Store(0) }
