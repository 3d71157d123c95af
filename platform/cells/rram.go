package cells

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/postern-spe/postern/platform/power"
)

// LineSize is the unit in which RRAM is written, in bytes: 128 bits, with one
// error-correcting code.
const LineSize = 16

// erasedLine is what Erase writes. It is never changed.
var erasedLine = [LineSize]byte{
	Erased, Erased, Erased, Erased, Erased, Erased, Erased, Erased,
	Erased, Erased, Erased, Erased, Erased, Erased, Erased, Erased,
}

// PowerFail is what RRAM does with the line that is being written when the power
// fails (POWER.CONFIG.POF).
type PowerFail uint8

const (
	// Wait finishes a write that has begun: the line is wholly old or new.
	Wait PowerFail = iota
	// Abort gives up at once: each 32-bit unit that was to change is old, new,
	// or a mix of the bits of both.
	Abort
)

// RRAM is resistive memory: its lines of 16 bytes are overwritten in place. All
// methods are safe for concurrent use. After a power failure they return
// power.ErrLost until the supply is back, and after Close, ErrClosed.
type RRAM struct {
	size, page int
	supply     *power.Supply
	lines      *LineWear // may be nil

	mu     *sync.Mutex // the lines' one, where they are counted
	img    *Image
	fail   PowerFail
	closed bool
}

// NewRRAM returns the RRAM whose cells are img; o.Page is the unit
// of Erase and the step of EraseAll.
// Image and counts are the RRAM's from there on, and closed with it. It panics
// on a geometry that is impossible, which is a property of the board.
func NewRRAM(img *Image, o Options) *RRAM {
	checkGeometry(img.size, o.Page)
	r := &RRAM{size: img.size, page: o.Page, supply: o.Supply, lines: o.Lines, img: img, mu: new(sync.Mutex)}
	if r.supply == nil {
		r.supply = new(power.Supply)
	}
	if l := r.lines; l != nil {
		if l.size != r.size {
			panic("cells: the wear of another RRAM")
		}
		r.mu = &l.mu
	}
	return r
}

// Format prints the size and never the cells, which may hold keys.
func (r *RRAM) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "[%d bytes of RRAM]", r.size) }

// Size returns the number of cells in bytes.
func (r *RRAM) Size() int { return r.size }

// PageSize returns the unit of Erase in bytes.
func (r *RRAM) PageSize() int { return r.page }

// Lines returns the counts, or nil where nothing is counted.
func (r *RRAM) Lines() *LineWear { return r.lines }

// SetPowerFail decides what a power failure leaves of a line from here on.
func (r *RRAM) SetPowerFail(f PowerFail) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = f
}

// Read copies the cells from off on into p. On an error p is as it was.
func (r *RRAM) Read(off int, p []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.usable("read", off, len(p), 1); err != nil {
		return err
	}
	copy(p, r.img.mem[off:])
	return nil
}

// Word returns the word at off, a multiple of 4, in little-endian order.
func (r *RRAM) Word(off int) (uint32, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.usable("read", off, WordSize, WordSize); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(r.img.mem[off:]), nil
}

// Write overwrites the cells from off on with p, line after line in ascending
// order. off and len(p) may be any: the rest of a line stays. Each line is one
// point; one that holds its new value already is not written, which wears
// nothing, but has its point all the same.
func (r *RRAM) Write(off int, p []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.usable("write", off, len(p), 1); err != nil {
		return err
	}
	if len(p) == 0 {
		return nil
	}
	whole, torn := r.supply.PointsOf((off+len(p)-1)/LineSize - off/LineSize + 1)
	for ; whole >= 0 && len(p) > 0; whole-- {
		at, from := off&^(LineSize-1), off%LineSize
		line := r.line(at)
		now := *line
		n := copy(now[from:], p)
		if whole == 0 { // the line at which the power fails
			return r.tear(at, line, now, torn)
		}
		r.write(at, line, now)
		off, p = off+n, p[n:]
	}
	return nil
}

// tear leaves of a line what a power failure does, and returns power.ErrLost.
func (r *RRAM) tear(at int, line *[LineSize]byte, now [LineSize]byte, torn *rand.Rand) error {
	old := *line
	tearLine(&now, &old, r.fail, torn)
	r.write(at, line, now)
	return power.ErrLost
}

// write makes a line what it is to be now.
func (r *RRAM) write(at int, line *[LineSize]byte, now [LineSize]byte) {
	old := *line
	if now != old {
		// One assignment, which is one instruction where the host has stores of
		// 16 bytes: there, a process that is killed leaves a whole line.
		*line = now
		if r.lines != nil {
			r.lines.wrote(at)
		}
	}
}

// tearLine makes of the new line what a power failure leaves of it.
func tearLine(now, old *[LineSize]byte, fail PowerFail, rng *rand.Rand) {
	if fail == Wait {
		if rng.IntN(2) == 0 {
			*now = *old
		}
		return
	}
	for i := 0; i < LineSize; i += WordSize {
		var mask uint32 // of the bits that have changed
		switch rng.IntN(3) {
		case 0:
			mask = 0xFFFFFFFF
		case 1:
			mask = rng.Uint32()
		}
		o, n := binary.LittleEndian.Uint32(old[i:]), binary.LittleEndian.Uint32(now[i:])
		binary.LittleEndian.PutUint32(now[i:], o&^mask|n&mask)
	}
}

// Erase writes 0xFF to the page at off, a multiple of the page size, line after
// line in ascending order, each as by Write.
func (r *RRAM) Erase(off int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.usable("erase", off, r.page, r.page); err != nil {
		return err
	}
	whole, torn := r.supply.PointsOf(r.page / LineSize)
	end := off + whole*LineSize
	for at := off; at < end; at += LineSize {
		r.write(at, r.line(at), erasedLine)
	}
	if torn != nil {
		return r.tear(end, r.line(end), erasedLine, torn)
	}
	return nil
}

// EraseAll writes 0xFF everywhere, page after page, each a point, also when the
// device is halted: what a cut leaves of its page is erased up to some line.
func (r *RRAM) EraseAll() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for off := 0; off < r.size; off += r.page {
		if r.closed {
			return ErrClosed
		}
		if err := r.supply.EraseErr(); err != nil {
			return err
		}
		n, rng := r.page, r.supply.Point()
		if rng != nil {
			n = rng.IntN(r.page/LineSize) * LineSize
		}
		for i := off; i < off+n; i += LineSize {
			if line := r.line(i); *line != erasedLine {
				*line = erasedLine
				if r.lines != nil {
					r.lines.wrote(i)
				}
			}
		}
		if rng != nil {
			return power.ErrLost
		}
	}
	return nil
}

func (r *RRAM) line(off int) *[LineSize]byte {
	return (*[LineSize]byte)(r.img.mem[off : off+LineSize])
}

func (r *RRAM) usable(op string, off, n, unit int) error {
	if r.closed {
		return ErrClosed
	}
	if err := r.supply.Err(); err != nil {
		return err
	}
	if err := r.img.barrier.Err(); err != nil {
		return err
	}
	return checkRange(op, off, n, unit, r.size)
}

// Close unmaps cells and counts. Closing again does nothing.
func (r *RRAM) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	err := r.img.Close()
	if r.lines != nil {
		if e := r.lines.img.Close(); err == nil {
			err = e
		}
	}
	return err
}
