// Package flash is the non-secure driver of a device's memory: what loads,
// stores and instruction fetches of non-secure code do on the chip, done over
// the bus door of a running secure world. The SPU decides each access; one that
// it refuses is a *FaultError, as the processor's fault would be.
//
// It also drives the flash controller through its non-secure view, so that an
// application can program and erase the non-secure part of the flash. As on the
// chip the controller has one write enable for all of the non-secure world: two
// programs that write at the same time disturb each other unless they agree.
//
// Nothing here is a wall. The walls are on the other side of the socket.
package flash

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/postern-spe/postern/ipc/buslink"
)

// PageSize is the unit of erasing and WordSize that of programming, in bytes
// (nRF5340 Product Specification, chapter NVMC).
const (
	PageSize = 4096
	WordSize = 4
)

// CONFIGNS of the NVMC at the non-secure alias, and its values.
const (
	configNS uint32 = 0x40039584
	readOnly uint32 = 0
	writable uint32 = 1
	erasable uint32 = 2
)

// Kind is a processor's fault.
type Kind uint8

const (
	// SecureFault: the address is the secure world's.
	SecureFault = Kind(buslink.SecureFault)
	// BusFault: nothing is there, or it does not permit this access.
	BusFault = Kind(buslink.BusFault)
)

func (k Kind) String() string { return buslink.Outcome(k).String() }

// Access is what was tried.
type Access string

const (
	Read  Access = "read"
	Write Access = "write"
	Fetch Access = "fetch"
)

// FaultError is an access that the hardware refused.
type FaultError struct {
	Kind   Kind
	Addr   uint32
	Access Access
}

func (e *FaultError) Error() string {
	return fmt.Sprintf("%v: non-secure %s at 0x%08x", e.Kind, e.Access, e.Addr)
}

// Flash is a connection to a device's bus. It is safe for concurrent use.
type Flash struct {
	bus *buslink.Client
	// mu keeps one Program or Erase of this program from closing the write
	// enable under another.
	mu sync.Mutex
}

var _ io.ReaderAt = (*Flash)(nil)

// Open connects to the bus door of a device, DIR/run/bus.sock.
func Open(socketPath string) (*Flash, error) {
	c, err := buslink.Dial(socketPath)
	if err != nil {
		return nil, err
	}
	return &Flash{bus: c}, nil
}

// Close ends the connection.
func (f *Flash) Close() error { return f.bus.Close() }

// ReadAt fills p from the bus address off on, 4 KiB at a time: io.ReaderAt. On
// a *FaultError the block that holds the refused address is zero in p, as the
// bus drives it, and n counts the blocks before it.
func (f *Flash) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off > math.MaxUint32 || int64(len(p)) > math.MaxUint32+1-off {
		return 0, fmt.Errorf("flash: [0x%x, 0x%x) is not in the address space", off, off+int64(len(p)))
	}
	for n < len(p) {
		block := p[n:min(len(p), n+buslink.MaxBlock)]
		at, o, err := f.bus.ReadBlock(uint32(off)+uint32(n), block)
		if err := outcome(o, err, Read, at); err != nil {
			return n, err
		}
		n += len(block)
	}
	return n, nil
}

// Load reads the word at addr, a multiple of 4.
func (f *Flash) Load(addr uint32) (uint32, error) {
	v, o, err := f.bus.Load(addr, WordSize)
	return v, outcome(o, err, Read, addr)
}

// Store writes the word at addr, a multiple of 4: RAM, or a register. Flash
// takes it only while the controller is enabled; Program does that.
func (f *Flash) Store(addr, v uint32) error {
	o, err := f.bus.Store(addr, WordSize, v)
	return outcome(o, err, Write, addr)
}

// Fetch reads the 32-bit instruction at addr.
func (f *Flash) Fetch(addr uint32) (uint32, error) {
	v, o, err := f.bus.Fetch(addr, WordSize)
	return v, outcome(o, err, Fetch, addr)
}

// Program programs the words of p from addr on; addr and len(p) are multiples
// of 4. Bits can only go from 1 to 0: what is 0 already stays 0, and nobody
// says so.
func (f *Flash) Program(addr uint32, p []byte) error {
	if addr%WordSize != 0 || len(p)%WordSize != 0 {
		return fmt.Errorf("flash: %d bytes at 0x%08x are not whole words", len(p), addr)
	}
	return f.enabled(writable, func() error {
		for i := 0; i < len(p); i += WordSize {
			if err := f.Store(addr+uint32(i), binary.LittleEndian.Uint32(p[i:])); err != nil {
				return err
			}
		}
		return nil
	})
}

// Erase erases the page at addr, a multiple of PageSize.
func (f *Flash) Erase(addr uint32) error {
	if addr%PageSize != 0 {
		return fmt.Errorf("flash: no page begins at 0x%08x", addr)
	}
	return f.enabled(erasable, func() error { return f.Store(addr, 0xFFFFFFFF) })
}

// enabled runs do with CONFIGNS in a mode, and puts it back.
func (f *Flash) enabled(mode uint32, do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.Store(configNS, mode); err != nil {
		return err
	}
	err := do()
	if back := f.Store(configNS, readOnly); err == nil {
		err = back
	}
	return err
}

func outcome(o buslink.Outcome, err error, access Access, addr uint32) error {
	switch {
	case err != nil:
		return err
	case o == buslink.OK:
		return nil
	case o == buslink.SecureFault || o == buslink.BusFault:
		return &FaultError{Kind: Kind(o), Addr: addr, Access: access}
	}
	return fmt.Errorf("flash: the device answers %v", o)
}
