package cells

// Part is a run of whole pages of a memory, at an address of the bus: what the
// secure driver of an area is for. The drivers of the controllers embed it.
type Part struct {
	addr            uint32
	off, size, page int
}

// NewPart returns the size bytes at addr of a memory of all bytes at base. Both
// are multiples of the page size and the part is inside the memory, which is a
// property of the board: it panics otherwise.
func NewPart(addr, size, base uint32, all, page int) Part {
	off, n := int(addr-base), int(size)
	if off%page != 0 || n == 0 || n%page != 0 || off > all || n > all-off {
		panic("cells: a part outside the memory or off its pages")
	}
	return Part{addr, off, n, page}
}

// Addr returns the bus address at which the part begins.
func (p Part) Addr() uint32 { return p.addr }

// Size returns the size of the part in bytes.
func (p Part) Size() int { return p.size }

// PageSize returns the unit of Erase in bytes.
func (p Part) PageSize() int { return p.page }

// Offset returns where off of the part is in the memory.
func (p Part) Offset(off int) int { return p.off + off }

// Check reports what is wrong with n bytes at off of the part: a *RangeError, or
// an *AlignError where off or n is no multiple of unit.
func (p Part) Check(op string, off, n, unit int) error { return checkRange(op, off, n, unit, p.size) }
