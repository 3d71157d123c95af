package cells

import (
	"encoding/binary"
	"math/rand/v2"
)

// tearWord leaves the word at off in the middle of being programmed with v, in
// the host's order: any of the bits that were on their way to 0 may have got
// there. A word whose cells are all as they were has not been written: the power
// failed before the pulse, and nobody can see a difference.
func (f *Flash) tearWord(off int, v uint32, rng *rand.Rand) {
	cell := f.img.word(off)
	old := *cell
	torn := old & (v | rng.Uint32())
	if torn == old {
		return
	}
	*cell = torn
	if f.wear != nil {
		f.wear.wrote(off)
	}
}

// tearPage leaves the page at off in the middle of its erase. Cells only ever
// move towards 1 in an erase, but in no order that the manual promises. A word
// that reads erased counts as erased, as its reader will take it.
func (f *Flash) tearPage(off int, rng *rand.Rand) {
	page := f.img.mem[off : off+f.page]
	switch rng.IntN(4) {
	case 0: // up to some byte
		fill(page[:rng.IntN(len(page))], Erased)
	case 1: // from some byte on
		fill(page[rng.IntN(len(page)):], Erased)
	case 2: // some of the words
		for i := 0; i < len(page); i += WordSize {
			if rng.IntN(2) == 0 {
				fill(page[i:i+WordSize], Erased)
			}
		}
	case 3: // some of the bits
		for i := range page {
			page[i] |= byte(rng.Uint32())
		}
	}
	if f.wear == nil {
		return
	}
	f.wear.erased(off)
	for i := 0; i < len(page); i += WordSize {
		if binary.LittleEndian.Uint32(page[i:]) == 0xFFFFFFFF {
			f.wear.fresh(off + i)
		}
	}
}
