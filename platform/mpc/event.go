package mpc

import "github.com/postern-spe/postern/platform/bus"

// The state of the one event, in a word: ADDRESS, the bits of INFO, whether the
// event is set, and INTEN, so that ADDRESS and INFO are always of one access, and
// are frozen exactly while the event is set.
const (
	stateInfo         = 32 // where INFO's bits 12 to 16 are
	stateEvent uint64 = 1 << 40
	stateIntEn uint64 = 1 << 41

	infoShift               = 12
	infoRead         uint32 = 1 << 12
	infoWrite        uint32 = 1 << 13
	infoExecute      uint32 = 1 << 14
	infoSecure       uint32 = 1 << 15
	infoSourceMPC    uint32 = 1 << 16
	infoSourceMemory uint32 = 0
)

// raise sets MEMACCERR. source is ERRORSOURCE.
func (m *MPC) raise(addr uint32, access bus.Access, attr bus.Attribute, source uint32) {
	if m.state.Load()&stateEvent != 0 {
		return // ADDRESS and INFO are frozen
	}
	info := source
	switch access {
	case bus.Read:
		info |= infoRead
	case bus.Write:
		info |= infoWrite
	case bus.Execute:
		info |= infoExecute
	}
	if attr == bus.Secure {
		info |= infoSecure
	}
	now := stateEvent | uint64(info>>infoShift)<<stateInfo | uint64(addr)
	for {
		old := m.state.Load()
		if old&stateEvent != 0 {
			return
		}
		if m.state.CompareAndSwap(old, old&stateIntEn|now) {
			if old&stateIntEn != 0 {
				m.interrupt()
			}
			return
		}
	}
}

// change sets the bits of the state in mask to those of v, and interrupts when
// the event is set and enabled where it was not.
func (m *MPC) change(mask, v uint64) {
	const both = stateEvent | stateIntEn
	for {
		old := m.state.Load()
		now := old&^mask | v&mask
		if !m.state.CompareAndSwap(old, now) {
			continue
		}
		if now&both == both && old&both != both {
			m.interrupt()
		}
		return
	}
}

func (m *MPC) interrupt() {
	if m.irq != nil {
		m.irq()
	}
}
