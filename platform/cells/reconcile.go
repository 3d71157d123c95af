package cells

import "encoding/binary"

// Reconcile takes back the counted writes of words that read erased, and leaves
// the counts of erases as they are. It is for flash whose cells and counts may be
// of different moments, as when the host has lost its power and had written the
// one and not the other: a word would be refused else that the chip takes. What
// it forgets is a write of all ones.
func (f *Flash) Reconcile() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.usable("reconcile", 0, 0, 1); err != nil || f.wear == nil {
		return err
	}
	counts := f.wear.img.mem[4*(f.size/f.page):][:f.size/(4*WordSize)]
	for i, c := range counts {
		if c == 0 {
			continue
		}
		for off := i * 4 * WordSize; off < (i+1)*4*WordSize; off += WordSize {
			if binary.LittleEndian.Uint32(f.img.mem[off:]) == 0xFFFFFFFF && f.wear.writes(off) > 0 {
				f.wear.fresh(off)
			}
		}
	}
	return nil
}
