package fprotect

import "github.com/postern-spe/postern/platform/bus"

// FLASHREGION[n].PERM of the SPU: at 0x600+4n.
const (
	regFlashRegion = 0x600

	// Secure, readable, executable, not writable, locked.
	permProtected uint32 = permExecute | permRead | permSecure | permLock
	permExecute   uint32 = 1 << 0
	permWrite     uint32 = 1 << 1
	permRead      uint32 = 1 << 2
	permSecure    uint32 = 1 << 4
	permLock      uint32 = 1 << 8
)

// Blocks protects by the SPU's flash regions.
type Blocks struct {
	spu               bus.Peripheral
	base, size, block uint32
}

// OnSPU returns the protection of a flash of size bytes at base, whose regions in
// the SPU are block bytes each.
func OnSPU(spu bus.Peripheral, base, size, block uint32) *Blocks {
	return &Blocks{spu, base, size, block}
}

// BlockSize returns the unit of protection in bytes.
func (b *Blocks) BlockSize() int { return int(b.block) }

// Protect makes n bytes from start on, both multiples of BlockSize, secure and
// read-only until reset. On an error nothing has changed; *Error with ErrInvalid
// or ErrNotApplied.
func (b *Blocks) Protect(start uint32, n int) error {
	if !inside(start, n, b.base, b.size, b.block) {
		return &Error{start, n, ErrInvalid}
	}
	first := (start - b.base) / b.block
	end := first + uint32(n)/b.block
	for r := first; r < end; r++ {
		if perm := b.perm(r); perm&permLock != 0 && perm != permProtected {
			return &Error{start, n, ErrNotApplied}
		}
	}
	for r := first; r < end; r++ {
		b.spu.WriteRegister(regFlashRegion+4*r, permProtected, bus.Secure)
		if b.perm(r) != permProtected {
			return &Error{start, n, ErrNotApplied}
		}
	}
	return nil
}

// IsProtected reports whether nothing can write at addr until reset.
func (b *Blocks) IsProtected(addr uint32) bool {
	off := addr - b.base
	if off >= b.size {
		return false
	}
	perm := b.perm(off / b.block)
	return perm&permLock != 0 && perm&permWrite == 0
}

func (b *Blocks) perm(region uint32) uint32 {
	v, _ := b.spu.ReadRegister(regFlashRegion+4*region, bus.Secure)
	return v
}
