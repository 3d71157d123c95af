// Package flash is the non-secure driver of a device's memory: what loads,
// stores and instruction fetches of non-secure code do on the chip, done over
// the bus door of a running secure world. The SPU, or MPC, decides each access;
// one that it refuses is a *FaultError, as the processor's fault would be.
//
// It also programs and erases the non-secure part of the flash, in the way of
// the board behind the door (Program, Erase). And it maps that part into this
// process (Map), so that reading it costs no more than reading memory: as code
// that executes in place reads it.
//
//	f, err := flash.Open("DIR/run/bus.sock")
//	...
//	v, err := f.Load(0x50000, flash.Word) // over the door
//	w, err := f.Map()
//	...
//	image, err := w.Bytes(0x50000, 0x30000)
//	err = w.Do(func() error { return check(image) }) // at memory speed
//
// Nothing here is a wall. The walls are on the other side of the socket.
package flash

import (
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/postern-spe/postern/ipc/buslink"
)

// Width is the bytes of one access.
type Width uint8

const (
	Byte     Width = 1
	Halfword Width = 2
	Word     Width = 4
)

// Flash is a connection to a device's bus. It is safe for concurrent use.
type Flash struct {
	bus   *buslink.Client
	board *Board
	// mu keeps one Program or Erase of this program from closing the write
	// enable under another.
	mu sync.Mutex
}

var _ io.ReaderAt = (*Flash)(nil)

// Open connects to the bus door of a device, DIR/run/bus.sock. A board that
// Boards does not have is an *UnknownBoardError.
func Open(socketPath string) (*Flash, error) {
	c, err := buslink.Dial(socketPath)
	if err != nil {
		return nil, err
	}
	board := boardOf(c.Board())
	if board == nil {
		c.Close()
		return nil, &UnknownBoardError{c.Board()}
	}
	return &Flash{bus: c, board: board}, nil
}

// Close ends the connection. Windows stay.
func (f *Flash) Close() error { return f.bus.Close() }

// Board returns what is behind the door.
func (f *Flash) Board() Board { return *f.board }

// ReadAt fills p from the bus address off on, 4 KiB at a time: io.ReaderAt. On
// a *FaultError the block that holds the refused address is zero in p, as the
// bus drives it, and n counts the blocks before it.
func (f *Flash) ReadAt(p []byte, off int64) (n int, err error) {
	if err := inAddressSpace(p, off); err != nil {
		return 0, err
	}
	for n < len(p) {
		block := p[n:min(len(p), n+buslink.MaxBlock)]
		at, o, err := f.bus.ReadBlock(buslink.MemoryAP, uint32(off)+uint32(n), block)
		if err := outcome(o, err, Read, at); err != nil {
			return n, err
		}
		n += len(block)
	}
	return n, nil
}

func inAddressSpace(p []byte, off int64) error {
	if off < 0 || off > math.MaxUint32 || int64(len(p)) > math.MaxUint32+1-off {
		return fmt.Errorf("flash: %d bytes from 0x%x on are not in the address space", len(p), off)
	}
	return nil
}

// Load reads at addr, a multiple of the width.
func (f *Flash) Load(addr uint32, w Width) (uint32, error) {
	v, o, err := f.bus.Load(buslink.MemoryAP, addr, int(w))
	return v, outcome(o, err, Read, addr)
}

// Store writes the low bytes of v at addr, a multiple of the width: to RAM, or
// to a register, which takes words alone. Flash takes words, while its
// controller is enabled; Program does that.
func (f *Flash) Store(addr uint32, w Width, v uint32) error {
	o, err := f.bus.Store(buslink.MemoryAP, addr, int(w), v)
	return outcome(o, err, Write, addr)
}

// Fetch reads at addr, a multiple of the width, as the processor reads
// instructions: Halfword or Word.
func (f *Flash) Fetch(addr uint32, w Width) (uint32, error) {
	v, o, err := f.bus.Fetch(buslink.MemoryAP, addr, int(w))
	return v, outcome(o, err, Fetch, addr)
}
