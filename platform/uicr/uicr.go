// Package uicr emulates the User Information Configuration Registers (Product
// Specifications of nRF5340 and nRF9160, datasheet of nRF54L15, chapters UICR
// and NVMC or RRAMC; offsets from the devices' SVDs): one page of non-volatile
// memory that only the secure world sees and that no page erase reaches. It
// holds the debug port's protection, the one-time programmable memory (OTP), and
// on nRF53 and nRF91 the key slots of the KMU.
//
// Emulated: loads of any width, stores of words, which the controller must have
// enabled; programming from 1 to 0, the write-once rules, the three protections,
// and the erase of all. Not emulated: what the other registers switch.
//
// Decided here, because the manuals do not say: a word without a name reads as
// erased and ignores stores; an instruction fetch is a BusFault; a store of a
// byte or halfword is a BusFault, as in flash. A store of a word of which one
// half has been written before programs the other half. Every word that is
// programmed is one power point: one halfword of it, where OTP is written by the
// driver.
//
// Trust: the secure world's stores, and those of a debugger whom the protection
// lets in, come through Load and Store; non-secure ones never pass. Key values
// are not in the page's cells at all, but in the KMU's (package keycells): the
// page may be mapped and copied like any file.
//
// Lock order: kmu.KMU, then UICR.
package uicr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/postern-spe/postern/platform/bus"
)

// ErrWriteOnce is a driver's write to a unit that has been written before.
// Nothing of it has been done.
var ErrWriteOnce = errors.New("uicr: it has been written before")

// ErrKeySlot is a driver's access to the key slots that does not go through the
// KMU.
var ErrKeySlot = errors.New("uicr: key slots are reached through the KMU only")

// Cells is the page: flash of Size bytes (cells.Flash).
type Cells interface {
	Size() int
	Read(off int, p []byte) error
	Word(off int) (uint32, error)
	Program(off int, p []byte) error
	EraseAll() error
}

// UICR is the page. All methods are safe for concurrent use.
type UICR struct {
	layout *Layout
	cells  Cells
	enable func() bus.Fault

	mu  sync.Mutex // makes a write-once check and its write one step
	kmu KeyUnit    // nil until a KMU has claimed the key slots
}

var _ bus.Memory = (*UICR)(nil)

// New returns the UICR of a chip whose cells are c. The caller closes them.
//
// enable asks the controller about each store over the bus, once per store: with
// NoFault it lets it pass, and counts the time of it; any other fault is how the
// store ends. Nil lets none pass.
func New(l *Layout, c Cells, enable func() bus.Fault) (*UICR, error) {
	if c.Size() != Size {
		return nil, fmt.Errorf("uicr: a page of %d bytes, not %d", c.Size(), Size)
	}
	if enable == nil {
		enable = func() bus.Fault { return bus.BusFault }
	}
	return &UICR{layout: l, cells: c, enable: enable}, nil
}

// Layout returns what was given to New. It is not to be changed.
func (u *UICR) Layout() *Layout { return u.layout }

// Format prints a fixed word.
func (u *UICR) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[UICR]") }

// Word returns the word at off, a multiple of 4, outside the key slots.
func (u *UICR) Word(off int) (uint32, error) {
	if u.layout.inSlots(off) {
		return 0, ErrKeySlot
	}
	return u.cells.Word(off)
}

// ProgramWord programs the word at off, a multiple of 4, outside the key slots:
// the secure driver's store. In write-once memory each unit of v that is not all
// ones must not have been written: ErrWriteOnce. The other words only lose bits.
func (u *UICR) ProgramWord(off int, v uint32) error {
	switch {
	case u.layout.inSlots(off):
		return ErrKeySlot
	case off%4 != 0 || !u.layout.inOTP(off) && !u.layout.named(off):
		return fmt.Errorf("uicr: no register at 0x%03x", off)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.layout.WriteOnce || u.layout.inOTP(off) {
		return u.writeOnce(off, u.layout.Unit, v)
	}
	return u.and(off, v)
}

// and programs the word at off to old AND v. All ones would change nothing, and
// use up one of the writes that a word takes.
func (u *UICR) and(off int, v uint32) error {
	if v == erasedWord {
		return nil
	}
	old, err := u.cells.Word(off)
	if err != nil {
		return err
	}
	var p [4]byte
	binary.LittleEndian.PutUint32(p[:], v&old)
	return u.cells.Program(off, p[:])
}

// writeOnce programs v to a word whose units (2 or 4 bytes) are write-once, or
// nothing.
func (u *UICR) writeOnce(off, unit int, v uint32) error {
	accepted, err := u.accepted(off, unit, v)
	switch {
	case err != nil:
		return err
	case accepted != v:
		return ErrWriteOnce
	}
	return u.and(off, v)
}

// accepted returns what of v a write-once word takes: the units that have not
// been written, and all ones in the others.
func (u *UICR) accepted(off, unit int, v uint32) (uint32, error) {
	old, err := u.cells.Word(off)
	if err != nil {
		return 0, err
	}
	masks := []uint32{0x0000FFFF, 0xFFFF0000}
	if unit == 4 {
		masks = []uint32{erasedWord}
	}
	for _, m := range masks {
		if old&m != m {
			v |= m
		}
	}
	return v, nil
}

// EraseAll erases the page and, before it, the values of the key slots: power
// that fails in between must not leave keys behind an open debug port. It belongs
// at the end of an ERASEALL for the same reason.
func (u *UICR) EraseAll() error {
	if k := u.keyUnit(); k != nil {
		if err := k.EraseValues(); err != nil {
			return err
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.cells.EraseAll()
}

// Blank reports whether nothing has been written, the key slots included.
func (u *UICR) Blank() (bool, error) {
	p := make([]byte, Size)
	if err := u.cells.Read(0, p); err != nil {
		return false, err
	}
	for _, b := range p {
		if b != 0xFF {
			return false, nil
		}
	}
	if k := u.keyUnit(); k != nil {
		return k.BlankValues(), nil
	}
	return true, nil
}

func (u *UICR) keyUnit() KeyUnit {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.kmu
}
