// Package keycells is non-volatile memory for key values: the VALUE words of the
// nRF53's and nRF91's key slots, which are flash in the UICR page, and the
// nRF54L's SICR, which is RRAM. The cells live in a file; in this process they
// are in secret memory (package secretmem) and nowhere else. The file is never
// mapped: it is read straight into the secret memory, and every change is
// written to it before the memory has it.
//
// Emulated: flash (Program: words, 1 to 0), RRAM (Write: in place, both ways),
// the erase of all, and the power that fails at any of them, as a point of
// package power. Not emulated: wear, and the time that operations take; the
// controllers count both.
//
// Called by the KMUs (packages kmu and kmu54l), whose rules decide who gets a
// value. The file is as secret as the keys: its mode, and the disk's encryption,
// are the device directory's matter. The kernel's page cache holds what is in it,
// and a file system or a disk that writes to another place keeps what was
// overwritten.
package keycells

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/platform/disk"
	"github.com/postern-spe/postern/platform/power"
	"github.com/postern-spe/postern/platform/secretmem"
)

// WordSize is the unit of Program in bytes.
const WordSize = 4

// page is how much one power point of EraseAll erases, in bytes, and what one
// Write does not cross: the kernel takes up a write within a page wholly or, if
// the process is killed, not at all.
const page = 4096

const erased = 0xFF

// ErrClosed is every operation's answer after Close.
var ErrClosed = errors.New("keycells: closed")

// Cells is a field of such memory. All methods are safe for concurrent use.
type Cells struct {
	file   *os.File // nil: in memory only
	supply *power.Supply
	size   int

	durable bool // each change is synced
	barrier disk.Barrier

	mu     sync.Mutex
	region *secretmem.Region // the cells, and a Value's worth of scratch
	mem    []byte            // the cells; nil after Close
	next   []byte            // scratch: what a word is about to become, or a Value on loan
}

// Open returns the cells that f holds, exactly size bytes, a multiple of 4. f is
// open for reading and writing, and is closed by Close; if Open fails it is
// still the caller's. A nil s is a supply that never fails.
//
// What a method has stored survives the death of this process at any
// instruction; Sync makes it survive that of the host, and Durable does so for
// all that comes after it.
func Open(f *os.File, size int, s *power.Supply) (*Cells, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("keycells: %w", err)
	}
	if st.Size() != int64(size) {
		return nil, fmt.Errorf("keycells: %s is %d bytes, not %d", f.Name(), st.Size(), size)
	}
	c, err := newCells(size, s)
	if err != nil {
		return nil, err
	}
	if _, err := f.ReadAt(c.mem, 0); err != nil {
		c.region.Destroy()
		return nil, fmt.Errorf("keycells: %w", err)
	}
	c.file = f
	return c, nil
}

// Memory returns erased cells that last as long as the value.
func Memory(size int) (*Cells, error) {
	c, err := newCells(size, nil)
	if err == nil {
		fill(c.mem)
	}
	return c, err
}

func newCells(size int, s *power.Supply) (*Cells, error) {
	if size <= 0 || size%WordSize != 0 {
		return nil, fmt.Errorf("keycells: %d bytes are not whole words", size)
	}
	if s == nil {
		s = new(power.Supply)
	}
	scratch := (size + ValueSize - 1) / ValueSize * ValueSize
	r, err := secretmem.Alloc(scratch + page)
	if err != nil {
		return nil, err
	}
	b := r.Bytes()
	return &Cells{supply: s, size: size, region: r, mem: b[:size:size], next: b[scratch:]}, nil
}

func fill(p []byte) {
	for i := range p {
		p[i] = erased
	}
}

// Size returns the number of cells in bytes.
func (c *Cells) Size() int { return c.size }

// Kind returns what kind of memory holds the cells: see secretmem.Region.Kind.
func (c *Cells) Kind() string { return c.region.Kind() }

// Format prints a fixed word and never the cells.
func (c *Cells) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[key cells]") }

// usable: n bytes at off are cells, aligned to unit, and there is power.
func (c *Cells) usable(op string, off, n, unit int) error {
	switch {
	case c.mem == nil:
		return ErrClosed
	case off < 0 || n < 0 || n > c.size || off > c.size-n || off%unit != 0 || n%unit != 0:
		return fmt.Errorf("keycells: %s of %d bytes at 0x%x in %d bytes", op, n, off, c.size)
	}
	if err := c.barrier.Err(); err != nil {
		return fmt.Errorf("keycells: %w", err)
	}
	return c.supply.Err()
}

// Durable has every change from here on be on the host's disk when the method
// that makes it returns. One that the host cannot write is a *disk.SyncError, and
// so is every operation's answer from then on.
func (c *Cells) Durable() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.durable = true
}

// Read copies the cells from off on into p. The copy is the caller's to wipe.
func (c *Cells) Read(off int, p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable("read", off, len(p), 1); err != nil {
		return err
	}
	copy(p, c.mem[off:])
	return nil
}

// Lend calls f with the Value at off, in secret memory: a copy that is wiped when
// f returns, which must not keep it. f's error is Lend's. Other calls wait until
// f is done, so f must not use c.
func (c *Cells) Lend(off int, f func(v *Value) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable("read", off, ValueSize, 1); err != nil {
		return err
	}
	// A Value is nothing but its bytes, and the scratch is aligned for it.
	v := (*Value)(unsafe.Pointer(&c.next[0]))
	defer v.Destroy()
	copy(v.b[:], c.mem[off:])
	return f(v)
}

// Erased reports whether n bytes from off on are all 0xFF. It is false, too, for
// cells that cannot be read, so that nobody takes them for empty.
func (c *Cells) Erased(off, n int) bool { return c.all(off, n, erased) }

// Zero reports whether n bytes from off on are all 0, as a revocation leaves
// them. It is false, too, for cells that cannot be read.
func (c *Cells) Zero(off, n int) bool { return c.all(off, n, 0) }

func (c *Cells) all(off, n int, want byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.usable("read", off, n, 1) != nil {
		return false
	}
	var diff byte
	for _, b := range c.mem[off : off+n] {
		diff |= b ^ want
	}
	return diff == 0
}

// Sync asks the host to put the file on its disk, and waits. Once that has failed
// it fails for good, with a *disk.SyncError.
func (c *Cells) Sync() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.mem == nil:
		return ErrClosed
	case c.file == nil:
		return nil
	}
	return c.sync()
}

// sync is Sync with the lock held. The size of the file never changes: its data is
// all there is to write.
func (c *Cells) sync() error {
	err := c.barrier.Sync(func() error { return unix.Fdatasync(int(c.file.Fd())) })
	if err != nil {
		return fmt.Errorf("keycells: %w", err)
	}
	return nil
}

// Close wipes the memory and closes the file. It may be called again.
func (c *Cells) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mem == nil {
		return nil
	}
	c.mem, c.next = nil, nil
	c.region.Destroy()
	if c.file == nil {
		return nil
	}
	if err := c.file.Close(); err != nil {
		return fmt.Errorf("keycells: %w", err)
	}
	return nil
}
