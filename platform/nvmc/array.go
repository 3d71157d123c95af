package nvmc

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// WordSize is the unit of programming in bytes.
const WordSize = 4

// Erased is the value of a byte after an erase.
const Erased = 0xFF

// Array is a field of flash cells: programmed from 1 to 0 by aligned words,
// erased to 1 by pages. It knows no security and no addresses, only offsets.
//
// Each word programmed and each page erased is a numbered point at which the
// power may fail: see CutAt. All methods are safe for concurrent use.
type Array struct {
	size, page int

	// mu lets the cells be read together and changed alone, like the one
	// controller that they belong to. It also keeps Close from pulling the
	// mapping from under a reader.
	mu     sync.RWMutex
	mem    []byte
	mapped bool
	down   error
	points uint64
	cut    uint64 // the point that fails; 0: none
	rng    *rand.Rand
}

// NewArray returns erased cells in memory, size and page in bytes. They last as
// long as the value.
func NewArray(size, page int) *Array {
	checkGeometry(size, page)
	mem := make([]byte, size)
	for i := range mem {
		mem[i] = Erased
	}
	return &Array{size: size, page: page, mem: mem}
}

// MapArray returns the cells that f holds. The file is exactly size bytes, and
// its blocks exist, so that a full disk cannot stop a store. A programmed word
// is in the page cache when Program returns: it survives the death of this
// process at any instruction. What survives the death of the host is up to the
// host; Sync asks it to write. f can be closed afterwards.
func MapArray(f *os.File, size, page int) (*Array, error) {
	checkGeometry(size, page)
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	// A shorter file would be a mapping whose end kills the process.
	if st.Size() != int64(size) {
		return nil, fmt.Errorf("nvmc: %s is %d bytes, not %d", f.Name(), st.Size(), size)
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("nvmc: map %s: %w", f.Name(), err)
	}
	// Cells may hold keys: keep them out of core dumps. A kernel without the
	// advice still maps the file.
	_ = unix.Madvise(mem, unix.MADV_DONTDUMP)
	return &Array{size: size, page: page, mem: mem, mapped: true}, nil
}

func checkGeometry(size, page int) {
	if page <= 0 || page%WordSize != 0 || size <= 0 || size%page != 0 {
		panic("nvmc: impossible flash geometry")
	}
}

// Format prints the size and never the cells, which may hold keys.
func (a *Array) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[%d bytes of flash]", a.size) }

// Size returns the number of cells in bytes.
func (a *Array) Size() int { return a.size }

// PageSize returns the unit of erasing in bytes.
func (a *Array) PageSize() int { return a.page }

// Read copies the cells from off on into p.
func (a *Array) Read(off int, p []byte) error {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if err := a.usable("read", off, len(p), 1); err != nil {
		return err
	}
	copy(p, a.mem[off:])
	return nil
}

// Word returns the word at off, a multiple of 4, in little-endian order.
func (a *Array) Word(off int) (uint32, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if err := a.usable("read", off, WordSize, WordSize); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(a.mem[off:]), nil
}

// Program programs the words of p from off on, in ascending order; off and
// len(p) are multiples of 4. Each word is one atomic store of old AND new.
// Where p has a 1 in a bit that is 0 already, the bit stays 0, the rest is
// programmed all the same, and the error is a *ProgramError for the first such
// word. The limit of two writes per word between erases is not enforced.
func (a *Array) Program(off int, p []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.usable("program", off, len(p), WordSize); err != nil {
		return err
	}
	bad := -1
	for i := 0; i < len(p); i += WordSize {
		cell := a.cell(off + i)
		old, v := atomic.LoadUint32(cell), binary.NativeEndian.Uint32(p[i:])
		if a.point() {
			// Any of the bits that were on their way to 0 may have got there.
			atomic.StoreUint32(cell, old&(v|a.rng.Uint32()))
			return a.down
		}
		if old&v != v && bad < 0 {
			bad = off + i
		}
		if old&v != old {
			atomic.StoreUint32(cell, old&v)
		}
	}
	if bad >= 0 {
		return &ProgramError{Off: bad}
	}
	return nil
}

// Erase erases the page at off, a multiple of the page size.
func (a *Array) Erase(off int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.usable("erase", off, a.page, a.page); err != nil {
		return err
	}
	page := a.mem[off : off+a.page]
	if a.point() {
		a.tearPage(page)
		return a.down
	}
	for i := range page {
		page[i] = Erased
	}
	return nil
}

// usable checks that the power is on, and that [off, off+n) lies in the array
// and on the unit's border.
func (a *Array) usable(op string, off, n, unit int) error {
	switch {
	case a.down != nil:
		return a.down
	case off < 0 || n > a.size || off > a.size-n:
		return &RangeError{Op: op, Off: off, Len: n, Size: a.size}
	case off%unit != 0 || n%unit != 0:
		return &AlignError{Op: op, Off: off, Len: n, Unit: unit}
	}
	return nil
}

// cell returns the word at off for atomic access. off is a multiple of 4 inside
// mem, which usable has checked, and mem begins on a page or, in memory, on the
// alignment of a large allocation.
func (a *Array) cell(off int) *uint32 {
	return (*uint32)(unsafe.Pointer(&a.mem[off]))
}

// Sync asks the host to write the cells to its disk, and waits.
func (a *Array) Sync() error {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if !a.mapped {
		return nil
	}
	return unix.Msync(a.mem, unix.MS_SYNC)
}

// Close unmaps the cells. Every later operation returns ErrClosed.
func (a *Array) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.down == ErrClosed {
		return nil
	}
	a.down = ErrClosed
	if !a.mapped {
		return nil
	}
	mem := a.mem
	a.mem, a.mapped = nil, false
	return unix.Munmap(mem)
}
