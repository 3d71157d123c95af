package cells

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/postern-spe/postern/platform/power"
)

// Options is what a memory has besides its bytes.
type Options struct {
	// Page is the unit of erasing in bytes: a multiple of 16 and a divisor of
	// the size.
	Page int
	// Supply is the device's power. Nil: one that never fails.
	Supply *power.Supply
	// Wear counts erases and writes of flash. Nil: they are not counted.
	Wear *Wear
	// MaxWrites is how many writes a word of flash takes between two erases
	// (nWRITE), 1 to 3, which needs Wear; 0: no limit.
	MaxWrites int
	// Lines counts the writes of RRAM. Nil: they are not counted.
	Lines *LineWear
	// Durable: each change of flash is on the host's disk when the operation
	// returns, for a memory that nobody syncs. Counts are not waited for.
	Durable bool
}

// Flash is NOR flash: programmed from 1 to 0 by aligned words, erased to 1 by
// pages. All methods are safe for concurrent use. After a power failure they
// return power.ErrLost until the supply is back, and after Close, ErrClosed.
type Flash struct {
	size, page int
	supply     *power.Supply
	wear       *Wear // may be nil
	max        int   // 0: no limit
	durable    bool

	// mu lets the cells be used by one at a time, like the one port that they
	// have. It also keeps Close from pulling the mapping from under a reader. It
	// is the wear's, where there is one. Reads are short: a lock for readers
	// together would cost more than it gains.
	mu     *sync.Mutex
	img    *Image
	closed bool
}

// NewFlash returns the flash whose cells are img. Image and wear are the flash's
// from there on, and closed with it. It panics on a geometry that is impossible,
// which is a property of the board.
func NewFlash(img *Image, o Options) *Flash {
	checkGeometry(img.size, o.Page)
	if o.MaxWrites < 0 || o.MaxWrites > maxWrites || o.MaxWrites > 0 && o.Wear == nil {
		panic("cells: a limit of writes that nothing counts")
	}
	f := &Flash{size: img.size, page: o.Page, supply: o.Supply, wear: o.Wear, max: o.MaxWrites, durable: o.Durable, img: img, mu: new(sync.Mutex)}
	if f.supply == nil {
		f.supply = new(power.Supply)
	}
	if w := f.wear; w != nil {
		if w.size != f.size || w.page != f.page {
			panic("cells: the wear of another flash")
		}
		f.mu = &w.mu
	}
	return f
}

func checkGeometry(size, page int) {
	if page <= 0 || page%(4*WordSize) != 0 || size <= 0 || size%page != 0 {
		panic("cells: impossible geometry")
	}
}

// Format prints the size and never the cells, which may hold keys.
func (f *Flash) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "[%d bytes of flash]", f.size) }

// Size returns the number of cells in bytes.
func (f *Flash) Size() int { return f.size }

// PageSize returns the unit of erasing in bytes.
func (f *Flash) PageSize() int { return f.page }

// Wear returns the counts, or nil where nothing is counted.
func (f *Flash) Wear() *Wear { return f.wear }

// Read copies the cells from off on into p. On an error p is as it was.
func (f *Flash) Read(off int, p []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.usable("read", off, len(p), 1); err != nil {
		return err
	}
	copy(p, f.img.mem[off:])
	return nil
}

// Word returns the word at off, a multiple of 4, in little-endian order.
func (f *Flash) Word(off int) (uint32, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.usable("read", off, WordSize, WordSize); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(f.img.mem[off:]), nil
}

// Program programs the words of p from off on, in ascending order; off and
// len(p) are multiples of 4. Each word is one point and one store of old AND new,
// which is whole for whoever else has the file mapped, and when this process is
// killed. Where p has a 1 in a bit that is 0 already, the bit stays 0, the rest
// is programmed all the same, and the error is a *ProgramError for the first
// such word. Where one of the words has had MaxWrites writes, the error is a
// *WearError and nothing has been done; a word of all ones is a write too.
func (f *Flash) Program(off int, p []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.usable("program", off, len(p), WordSize); err != nil {
		return err
	}
	if f.max > 0 {
		for i := 0; i < len(p); i += WordSize {
			if n := f.wear.writes(off + i); n >= f.max {
				return &WearError{Off: off + i, Writes: n}
			}
		}
	}
	bad := -1
	whole, torn := f.supply.PointsOf(len(p) / WordSize)
	for i := 0; i < whole*WordSize; i += WordSize {
		cell := f.img.word(off + i)
		old, v := *cell, binary.NativeEndian.Uint32(p[i:])
		if old&v != v && bad < 0 {
			bad = off + i
		}
		if old&v != old {
			*cell = old & v
		}
		// Counted after the store: a process that is killed in between has
		// written once more than is counted, and never once less, which would
		// refuse a write that the chip would take.
		if f.wear != nil {
			f.wear.wrote(off + i)
		}
	}
	if torn != nil {
		f.tearWord(off+whole*WordSize, binary.NativeEndian.Uint32(p[whole*WordSize:]), torn)
		return power.ErrLost
	}
	if err := f.written(off, len(p)); err != nil {
		return err
	}
	if bad >= 0 {
		return &ProgramError{Off: bad}
	}
	return nil
}

// Erase erases the page at off, a multiple of the page size: one point.
func (f *Flash) Erase(off int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.usable("erase", off, f.page, f.page); err != nil {
		return err
	}
	return f.erase(off)
}

// EraseAll erases page after page, each a point, also when the device is halted.
func (f *Flash) EraseAll() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for off := 0; off < f.size; off += f.page {
		if f.closed {
			return ErrClosed
		}
		if err := f.supply.EraseErr(); err != nil {
			return err
		}
		if err := f.erase(off); err != nil {
			return err
		}
	}
	return nil
}

func (f *Flash) erase(off int) error {
	if rng := f.supply.Point(); rng != nil {
		f.tearPage(off, rng)
		return power.ErrLost
	}
	if f.wear != nil {
		f.wear.erased(off)
		f.wear.freshPage(off)
	}
	fill(f.img.mem[off:off+f.page], Erased)
	return f.written(off, f.page)
}

// ErasePartly puts the page at off, a multiple of the page size, into the state
// that it has after done of the whole time of its erase: one point. The manual
// leaves open which cells have moved by then, only never towards 0. Here the low
// 32 × done / whole bits of every word are 1. The page is erased, and counted as
// erased, once done reaches whole.
func (f *Flash) ErasePartly(off int, done, whole uint) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.usable("erase", off, f.page, f.page); err != nil {
		return err
	}
	if done >= whole {
		return f.erase(off)
	}
	mask := uint32(1)<<(uint64(done)*32/uint64(whole)) - 1
	rng := f.supply.Point()
	if rng != nil {
		mask &= rng.Uint32()
	}
	for i := off; i < off+f.page; i += WordSize {
		cell := f.img.word(i)
		*cell |= littleEndian(mask)
	}
	if rng != nil {
		return power.ErrLost
	}
	return f.written(off, f.page)
}

// usable checks that the memory is open, has power and a host that keeps it, and
// that [off, off+n) lies in it and on the unit's border.
func (f *Flash) usable(op string, off, n, unit int) error {
	if f.closed {
		return ErrClosed
	}
	if err := f.supply.Err(); err != nil {
		return err
	}
	if err := f.img.barrier.Err(); err != nil {
		return err
	}
	return checkRange(op, off, n, unit, f.size)
}

func checkRange(op string, off, n, unit, size int) error {
	switch {
	case off < 0 || n < 0 || n > size || off > size-n:
		return &RangeError{Op: op, Off: off, Len: n, Size: size}
	case off%unit != 0 || n%unit != 0:
		return &AlignError{Op: op, Off: off, Len: n, Unit: unit}
	}
	return nil
}

// littleEndian returns the host's word whose bytes are v in the chip's order.
func littleEndian(v uint32) uint32 {
	var p [WordSize]byte
	binary.LittleEndian.PutUint32(p[:], v)
	return binary.NativeEndian.Uint32(p[:])
}

// Close unmaps cells and counts. Closing again does nothing.
func (f *Flash) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	err := f.img.Close()
	if f.wear != nil {
		if e := f.wear.img.Close(); err == nil {
			err = e
		}
	}
	return err
}
