package cells

import (
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/platform/disk"
)

// Image is the bytes of a memory. It belongs to the Flash, RRAM or Wear that it
// is given to, whose lock also guards it.
type Image struct {
	size   int
	mem    []byte // nil when closed
	mapped bool

	// life keeps Close from pulling the mapping from under Sync, which takes as
	// long as the disk does and lets the cells be used meanwhile.
	life    sync.RWMutex
	barrier disk.Barrier
}

// Piece is a part of a file.
type Piece struct {
	File *os.File
	// Off and Size are in bytes, multiples of the host's page size.
	Off  int64
	Size int
}

// Memory returns size erased bytes in memory, which last as long as the value.
func Memory(size int) *Image {
	mem := make([]byte, size)
	fill(mem, Erased)
	return &Image{size: size, mem: mem}
}

// Zeros returns size bytes of zeros in memory: the counts of a new chip.
func Zeros(size int) *Image { return &Image{size: size, mem: make([]byte, size)} }

// Map returns the bytes of pieces, one after the other, as one image: what is
// stored to it is in the files at once. Each file reaches at least to the end of
// its piece, and stays that long. The blocks of it should exist, so that a full
// disk cannot stop a store. The files can be closed afterwards.
func Map(pieces []Piece) (*Image, error) {
	size := 0
	for _, p := range pieces {
		if err := p.check(); err != nil {
			return nil, err
		}
		size += p.Size
	}
	if size == 0 {
		return nil, fmt.Errorf("cells: nothing to map")
	}
	// Reserve the addresses first: a piece then replaces a part of what is
	// ours already, and nothing else's.
	base, err := unix.MmapPtr(-1, 0, nil, uintptr(size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("cells: reserve %d bytes: %w", size, err)
	}
	at := 0
	for _, p := range pieces {
		if _, err := unix.MmapPtr(int(p.File.Fd()), p.Off, unsafe.Add(base, at), uintptr(p.Size),
			unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
			unix.MunmapPtr(base, uintptr(size))
			return nil, fmt.Errorf("cells: map %s: %w", p.File.Name(), err)
		}
		at += p.Size
	}
	mem := unsafe.Slice((*byte)(base), size)
	// Cells may hold keys: keep them out of core dumps. A kernel without the
	// advice still maps the files.
	_ = unix.Madvise(mem, unix.MADV_DONTDUMP)
	return &Image{size: size, mem: mem, mapped: true}, nil
}

// check: whole pages of the host, inside the file. A mapping that passes the
// end of its file kills the process that touches it there.
func (p Piece) check() error {
	page := os.Getpagesize()
	if p.Off < 0 || p.Off%int64(page) != 0 || p.Size <= 0 || p.Size%page != 0 {
		return fmt.Errorf("cells: %d bytes at %d of %s are not whole pages of %d", p.Size, p.Off, p.File.Name(), page)
	}
	st, err := p.File.Stat()
	if err != nil {
		return fmt.Errorf("cells: %w", err)
	}
	if st.Size()-int64(p.Size) < p.Off {
		return fmt.Errorf("cells: %s is %d bytes, too short for %d at %d", p.File.Name(), st.Size(), p.Size, p.Off)
	}
	return nil
}

// Format prints the size and never the cells, which may hold keys.
func (i *Image) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[%d bytes of cells]", i.size) }

// Size returns the size in bytes.
func (i *Image) Size() int { return i.size }

// Sync asks the host to write the files to its disk, and waits.
func (i *Image) Sync() error {
	if err := i.syncRange(0, i.size); err != ErrClosed {
		return err
	}
	return nil
}

// syncRange is Sync of the bytes from..to, rounded to pages of the host. Once it
// has failed it fails for good, with a *disk.SyncError. In memory it does nothing.
//
// msync of a range, because what is asked for is one page of the host most of the
// time: fdatasync takes everything that is dirty in the file along, and was the
// slower one, too (docs/benchmarks.md).
func (i *Image) syncRange(from, to int) error {
	i.life.RLock()
	defer i.life.RUnlock()
	switch {
	case i.mem == nil:
		return ErrClosed
	case !i.mapped || from == to:
		return nil
	}
	return i.barrier.Sync(func() error {
		return unix.Msync(i.mem[from&^(os.Getpagesize()-1):to], unix.MS_SYNC)
	})
}

// Close unmaps the files. Closing again does nothing.
func (i *Image) Close() error {
	i.life.Lock()
	defer i.life.Unlock()
	mem, mapped := i.mem, i.mapped
	i.mem, i.mapped = nil, false
	if !mapped {
		return nil
	}
	return unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(mem)), uintptr(len(mem)))
}

// word returns the word at off, so that a store to it is one. off is a multiple of 4 inside
// the image, which the caller has checked, and mem begins on a page or, in
// memory, on the alignment of a large allocation.
func (i *Image) word(off int) *uint32 {
	return (*uint32)(unsafe.Pointer(&i.mem[off]))
}

// fill sets all of p to b, at the speed of copy.
func fill(p []byte, b byte) {
	if len(p) == 0 {
		return
	}
	p[0] = b
	for n := 1; n < len(p); n *= 2 {
		copy(p[n:], p[:n])
	}
}
