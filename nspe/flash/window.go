package flash

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/ipc/buslink"
)

// Window is a device's flash in the memory of this process, read-only: its
// pieces that non-secure code may read, at their distances from each other, and
// between them addresses that are nobody's. What the secure world keeps is not
// in the mapping, so touching it is a page fault, which Do turns into the
// processor's.
//
// Programming and erasing show in a window at once. Permissions do not: it has
// the pieces that could be read when it was made, until it is closed. A reset of
// the device closes the door and leaves the window as the flash was.
//
// A Window is safe for concurrent use, but for Close, which nobody may be using
// it during or after.
type Window struct {
	flash  *Flash // is asked why an access is refused
	spans  []span
	pieces []Range
}

var _ io.ReaderAt = (*Window)(nil)

// span is one of the board's memories: addresses of this process that are
// reserved for it.
type span struct {
	base uint32
	mem  []byte
}

// ErrNotMapped is a device whose flash cannot be mapped. It can be read with
// ReadAt all the same.
var ErrNotMapped = errors.New("flash: the device does not offer its flash for mapping")

// ErrNowReadable is an address that was not readable when the window was made
// and is now: a new window has it.
var ErrNowReadable = errors.New("flash: not in the window, but readable by now")

// Map maps the flash. The caller closes the window.
func (f *Flash) Map() (*Window, error) {
	offered, o, err := f.bus.Windows()
	switch {
	case err != nil:
		return nil, err
	case o == buslink.UnknownOp:
		return nil, ErrNotMapped
	case o != buslink.OK:
		return nil, fmt.Errorf("flash: the device answers %v", o)
	}
	// A mapping outlives the descriptor that it was made with.
	defer buslink.CloseWindows(offered)
	w := &Window{flash: f}
	for _, m := range f.board.Memory {
		if err := w.reserve(m); err != nil {
			w.Close()
			return nil, err
		}
	}
	for _, piece := range offered {
		if err := w.add(piece); err != nil {
			w.Close()
			return nil, err
		}
	}
	return w, nil
}

// reserve takes addresses for a memory, none of which can be touched.
func (w *Window) reserve(m Range) error {
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(m.Size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	w.spans = append(w.spans, span{m.Base, unsafe.Slice((*byte)(p), m.Size)})
	return nil
}

// add maps a piece where its memory's addresses are reserved.
func (w *Window) add(piece buslink.Window) error {
	mem, ok := w.find(piece.Addr, uint64(piece.Size))
	if !ok {
		return fmt.Errorf("flash: the device maps 0x%x bytes at 0x%08x, where its board has no flash", piece.Size, piece.Addr)
	}
	_, err := unix.MmapPtr(int(piece.File.Fd()), piece.Off, unsafe.Pointer(unsafe.SliceData(mem)), uintptr(piece.Size),
		unix.PROT_READ, unix.MAP_SHARED|unix.MAP_FIXED)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	if last := len(w.pieces) - 1; last >= 0 && w.pieces[last].Base+w.pieces[last].Size == piece.Addr {
		w.pieces[last].Size += piece.Size
	} else {
		w.pieces = append(w.pieces, Range{piece.Addr, piece.Size})
	}
	return nil
}

// find returns the memory of n addresses, if all of them are of one span.
func (w *Window) find(addr uint32, n uint64) ([]byte, bool) {
	for _, s := range w.spans {
		if addr >= s.base && uint64(addr-s.base)+n <= uint64(len(s.mem)) {
			return s.mem[addr-s.base:][:n:n], true
		}
	}
	return nil, false
}

// Close takes the flash out of this process's memory. Slices that came from
// Bytes are of no more use: touching one ends the program.
func (w *Window) Close() error {
	var err error
	for _, s := range w.spans {
		if e := unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(s.mem)), uintptr(len(s.mem))); err == nil {
			err = os.NewSyscallError("munmap", e)
		}
	}
	w.spans, w.pieces = nil, nil
	return err
}

// Pieces returns what can be read, in the order of addresses; neighbours are one.
func (w *Window) Pieces() []Range { return slices.Clone(w.pieces) }

// Bytes returns the n bytes from addr on, which have to be the board's flash, and
// need not be readable: whoever is not sure of that touches them inside Do. The
// slice is good until Close; it cannot be written to.
func (w *Window) Bytes(addr uint32, n int) ([]byte, error) {
	mem, ok := w.find(addr, uint64(max(n, 0)))
	if n < 0 || !ok {
		return nil, fmt.Errorf("flash: %d bytes at 0x%08x are not in the board's flash", n, addr)
	}
	return mem, nil
}

// ReadAt fills p from the bus address off on: io.ReaderAt. On an address that
// cannot be read it returns the *FaultError of a non-secure load there, and n
// counts the bytes before it; the rest of p is zero.
func (w *Window) ReadAt(p []byte, off int64) (n int, err error) {
	if err := inAddressSpace(p, off); err != nil {
		return 0, err
	}
	err = w.catch(Read, func() error {
		for n < len(p) {
			addr := uint32(off) + uint32(n)
			piece, ok := w.piece(addr)
			if !ok {
				return w.why(addr)
			}
			left := uint64(piece.Base) + uint64(piece.Size) - uint64(addr)
			mem, _ := w.find(addr, min(left, uint64(len(p)-n)))
			n += copy(p[n:], mem)
		}
		return nil
	})
	clear(p[n:])
	return n, err
}

// piece returns the piece that an address is in.
func (w *Window) piece(addr uint32) (Range, bool) {
	i, exact := slices.BinarySearchFunc(w.pieces, addr, func(r Range, addr uint32) int { return cmp.Compare(r.Base, addr) })
	if !exact {
		i--
	}
	if i < 0 || addr-w.pieces[i].Base >= w.pieces[i].Size {
		return Range{}, false
	}
	return w.pieces[i], true
}

// Do calls do, which may touch what Bytes has returned. If that is an address of
// the window that cannot be read, do ends there, and Do returns the *FaultError
// that non-secure code gets for a load of it; the load is made, through the door,
// so that the hardware notes it. Writing to an address that can be read is a
// BusFault. Any other panic or fault is do's own, and goes on.
//
// What do has locked or left half done stays so, as with any panic. Goroutines
// that do starts are not covered.
func (w *Window) Do(do func() error) error { return w.catch(Write, do) }

// catch is Do. access is what a fault in a readable piece must have been.
func (w *Window) catch(access Access, do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		addr, ok := w.faulted(r)
		if !ok {
			panic(r)
		}
		if _, readable := w.piece(addr); readable {
			err = &FaultError{Kind: BusFault, Addr: addr, Access: access}
		} else {
			err = w.why(addr)
		}
	}()
	return do()
}

// faulted returns the bus address of what was recovered, if that is the page
// fault of an address of the window (SIGSEGV, or SIGBUS where the device has cut
// a file short).
func (w *Window) faulted(r any) (uint32, bool) {
	fault, ok := r.(interface {
		runtime.Error
		Addr() uintptr
	})
	if !ok {
		return 0, false
	}
	for _, s := range w.spans {
		start := uintptr(unsafe.Pointer(unsafe.SliceData(s.mem)))
		if at := fault.Addr(); at >= start && at-start < uintptr(len(s.mem)) {
			return s.base + uint32(at-start), true
		}
	}
	return 0, false
}

// why makes the access that the mapping refuses through the door.
func (w *Window) why(addr uint32) error {
	if _, err := w.flash.Load(addr, Byte); err != nil {
		return err
	}
	return fmt.Errorf("0x%08x: %w", addr, ErrNowReadable)
}
