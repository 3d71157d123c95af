package rramc

import "github.com/postern-spe/postern/platform/cells"

const (
	// unitSize is the data unit in which the buffer knows what has been stored.
	unitSize  = 4
	maxBuffer = 32 * cells.LineSize
)

// buffer is the write buffer: stores to an area of whole lines, until they are
// committed. The zero value is empty.
type buffer struct {
	base, size int // of the buffered area; size 0: there is none
	units      int // stored to
	data       [maxBuffer]byte
	set        [maxBuffer]bool
}

func (b *buffer) empty() bool { return b.units == 0 }

// full reports whether each unit of the area has been stored to.
func (b *buffer) full() bool { return b.units == b.size/unitSize }

// open lets the area begin, in an empty buffer.
func (b *buffer) open(base, size int) { b.base, b.size = base, size }

// covers reports whether [off, off+n) is in the area.
func (b *buffer) covers(off, n int) bool { return off >= b.base && off+n <= b.base+b.size }

// put stores p, which lies in one unit of the area.
func (b *buffer) put(off int, p []byte) {
	if !b.hit(off, len(p)) {
		b.units++
	}
	at := off - b.base
	copy(b.data[at:], p)
	for i := range p {
		b.set[at+i] = true
	}
}

// hit reports whether a unit that has been stored to is in [off, off+n).
func (b *buffer) hit(off, n int) bool {
	if b.empty() {
		return false
	}
	lo := max(off&^(unitSize-1)-b.base, 0)
	hi := min((off+n+unitSize-1)&^(unitSize-1)-b.base, b.size)
	for i := lo; i < hi; i++ {
		if b.set[i] {
			return true
		}
	}
	return false
}

// write writes what has been stored, line after line, and leaves the buffer
// empty whether it succeeds or not.
func (b *buffer) write(r *cells.RRAM) error {
	defer b.clear()
	for at := 0; at < b.size; at += cells.LineSize {
		var line [cells.LineSize]byte
		if err := r.Read(b.base+at, line[:]); err != nil {
			return err
		}
		changed := false
		for i := range line {
			if b.set[at+i] {
				line[i], changed = b.data[at+i], true
			}
		}
		if !changed {
			continue
		}
		if err := r.Write(b.base+at, line[:]); err != nil {
			return err
		}
	}
	return nil
}

func (b *buffer) clear() {
	clear(b.data[:b.size])
	clear(b.set[:b.size])
	b.base, b.size, b.units = 0, 0, 0
}
