package qspi

import "github.com/postern-spe/postern/platform/bus"

// Load fills p from the window's address addr on, as bus.Memory has it.
func (q *QSPI) Load(addr uint32, p []byte, _ bus.Access, _ bus.Origin) bus.Fault {
	q.mu.Lock()
	open := q.active && q.value(RegXIPEn) != 0
	off := addr - q.env.Variant.XIP + q.value(RegXIPOffset)
	q.mu.Unlock()
	if !open || q.flash.Read(int(off), p) != nil {
		return bus.BusFault
	}
	return bus.NoFault
}

// Store is a BusFault: the window is for reading.
func (q *QSPI) Store(uint32, int, uint32, bus.Origin) bus.Fault { return bus.BusFault }
