package spu

import "sync/atomic"

// Register offsets from the SPU's base, as the SVD of the nRF5340 names them.
const (
	RegEventsRAMAccErr    = 0x100
	RegEventsFlashAccErr  = 0x104
	RegEventsPeriphAccErr = 0x108
	RegIntEn              = 0x300
	RegIntEnSet           = 0x304
	RegIntEnClr           = 0x308
	RegCap                = 0x400
	RegCPULock            = 0x404
	RegFlashNSC           = 0x500 // REGION at +8n, SIZE at +8n+4
	RegRAMNSC             = 0x540
	RegFlashRegion        = 0x600 // PERM at +4n
	RegRAMRegion          = 0x700
	RegPeriphID           = 0x800

	nscSizeMask   = 0xf
	nscRegionMask = MaxRegions - 1
	intMask       = 0x7
	cpulockMask   = 0x1f
	capTZM        = 1
)

// ReadRegister is a secure load of the word at offset off. A register that is
// not emulated reads 0.
func (s *SPU) ReadRegister(off uint32) uint32 {
	switch off {
	case RegIntEn, RegIntEnSet, RegIntEnClr:
		return s.inten.Load()
	case RegCap:
		return capTZM
	case RegCPULock:
		return s.cpulock.Load()
	}
	if r, _ := s.cell(off); r != nil {
		return r.Load()
	}
	return 0
}

// WriteRegister is a secure store of the word at offset off. A write to a
// locked register, to a read-only field or to a register that is not emulated
// is ignored, as the chip ignores it.
func (s *SPU) WriteRegister(off, v uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch off {
	case RegIntEn:
		s.inten.Store(v & intMask)
		return
	case RegIntEnSet:
		s.inten.Store(s.inten.Load() | v&intMask)
		return
	case RegIntEnClr:
		s.inten.Store(s.inten.Load() &^ v)
		return
	case RegCPULock:
		s.cpulock.Store(s.cpulock.Load() | v&cpulockMask)
		return
	}
	r, writable := s.cell(off)
	if r == nil {
		return
	}
	old := r.Load()
	// An event has no bit 8, so the test of the lock fits every cell.
	if old&PermLock != 0 {
		return
	}
	r.Store(old&^writable | v&writable)
}

// cell returns the register at an offset and its writable bits, nil where there
// is none.
func (s *SPU) cell(off uint32) (r *atomic.Uint32, writable uint32) {
	if off%4 != 0 {
		return nil, 0
	}
	switch {
	case off >= RegEventsRAMAccErr && off <= RegEventsPeriphAccErr:
		return &s.events[(off-RegEventsRAMAccErr)/4], 1
	case off >= RegFlashNSC && off < RegFlashNSC+16:
		return s.flash.nscCell(off - RegFlashNSC)
	case off >= RegRAMNSC && off < RegRAMNSC+16:
		return s.ram.nscCell(off - RegRAMNSC)
	case off >= RegFlashRegion && off < RegFlashRegion+4*s.flash.regions():
		return &s.flash.perm[(off-RegFlashRegion)/4], permMask
	case off >= RegRAMRegion && off < RegRAMRegion+4*s.ram.regions():
		return &s.ram.perm[(off-RegRAMRegion)/4], permMask
	case off >= RegPeriphID && off < RegPeriphID+4*uint32(peripheralIDs):
		return s.periphCell((off - RegPeriphID) / 4)
	}
	return nil, 0
}

func (m *memory) regions() uint32 { return m.size >> m.shift }

func (m *memory) nscCell(off uint32) (*atomic.Uint32, uint32) {
	n := &m.nsc[off/8]
	if off%8 == 0 {
		return &n.region, nscRegionMask | PermLock
	}
	return &n.size, nscSizeMask | PermLock
}

// periphCell: SECATTR means nothing where the mapping is fixed, and stays as
// the mapping says.
func (s *SPU) periphCell(id uint32) (*atomic.Uint32, uint32) {
	r := &s.periph[id]
	perm := r.Load()
	switch {
	case perm&periphPresent == 0:
		return nil, 0
	case perm&mapMask == uint32(MapNonSecure), perm&mapMask == uint32(MapSecure):
		return r, periphWritable &^ PermSecure
	}
	return r, periphWritable
}
