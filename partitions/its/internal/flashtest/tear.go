package flashtest

import "encoding/binary"

// tearLine leaves the old line in the middle of becoming the new one.
func (f *Flash) tearLine(old, line []byte) {
	if f.Kind == RRAM {
		if f.rng.IntN(2) == 0 {
			copy(old, line)
		}
		return
	}
	for i := 0; i < len(old); i += 4 {
		was, will := binary.LittleEndian.Uint32(old[i:]), binary.LittleEndian.Uint32(line[i:])
		mask := f.torn()
		binary.LittleEndian.PutUint32(old[i:], was&mask|will&^mask)
	}
}

// tearErase sets some of the bits of a page: in each quarter of it, and in
// places of its header, all, none or a random share, so that every mixture of
// intact and erased places comes up.
func (f *Flash) tearErase(page []byte) {
	borders := []int{0, 8, 32, 64, 68, len(page) / 4, len(page) / 2, len(page)}
	for b := range len(borders) - 1 {
		part := page[borders[b]:borders[b+1]]
		mode := f.rng.IntN(4)
		for i := 0; i < len(part); i += 4 {
			cell := binary.LittleEndian.Uint32(part[i:])
			switch mode {
			case 0:
			case 1:
				cell = ^uint32(0)
			case 2:
				cell |= f.rng.Uint32()
			case 3:
				cell |= f.rng.Uint32() & f.rng.Uint32() & f.rng.Uint32() & f.rng.Uint32()
			}
			binary.LittleEndian.PutUint32(part[i:], cell)
		}
	}
}

// torn returns the bits that a word that is being programmed has not changed
// yet.
func (f *Flash) torn() uint32 {
	switch f.rng.IntN(5) {
	case 0:
		return 0 // all done
	case 1:
		return ^uint32(0) // nothing done
	case 2:
		return f.rng.Uint32()
	case 3:
		return 1 << f.rng.IntN(32) // one bit to go
	default:
		return ^(1 << f.rng.IntN(32)) // one bit done
	}
}
