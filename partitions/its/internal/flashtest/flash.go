// Package flashtest is the working twin of the flash that Internal Trusted
// Storage is tested on: NOR flash in memory that programs and erases by the
// rules, refuses what the rules forbid, and loses power where a test says.
package flashtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
)

// PageSize is the usual size of a page in bytes, that of the nRF5340's flash.
const PageSize = 4096

var (
	// ErrPower is the answer to everything while power is off.
	ErrPower = errors.New("flashtest: no power")
	// ErrInjected is the answer to an access that Fail picks.
	ErrInjected = errors.New("flashtest: injected failure")
	// ErrRule is the answer to what the flash does not allow.
	ErrRule = errors.New("flashtest: against the rules of the flash")
)

// Flash is an area of flash in memory.
type Flash struct {
	mem      []byte
	pageSize int
	erases   []int

	points int // word programs and page erases so far
	cut    int // the point at which power fails, -1 for none
	off    bool
	rng    *rand.Rand

	// Fail, if set, decides for each access whether it fails; op is "read",
	// "program" or "erase". What fails changes nothing.
	Fail func(op string, off int) bool
}

// New returns a blank flash of some pages of the usual size.
func New(pages int) *Flash {
	return FromImage(slices.Repeat([]byte{0xff}, pages*PageSize), PageSize)
}

// FromImage returns a flash that holds image, which it takes over, in pages of
// some size.
func FromImage(image []byte, pageSize int) *Flash {
	return &Flash{mem: image, pageSize: pageSize, erases: make([]int, len(image)/pageSize), cut: -1}
}

// Image returns a copy of the contents.
func (f *Flash) Image() []byte { return slices.Clone(f.mem) }

// Points returns how many words were programmed and pages erased so far: the
// moments at which power may fail.
func (f *Flash) Points() int { return f.points }

// Erases returns how often each page was erased.
func (f *Flash) Erases() []int { return f.erases }

// CutAt makes power fail at point n, counted from now on from 0; the seed picks
// which bits of the word or page have changed by then. Power is on afterwards,
// until that point.
func (f *Flash) CutAt(n int, seed uint64) {
	f.points, f.cut, f.off = 0, n, false
	f.rng = rand.New(rand.NewPCG(seed, uint64(n)))
}

// PowerOn ends a power cut, and forgets one that has not come yet.
func (f *Flash) PowerOn() { f.off, f.cut = false, -1 }

// Off reports whether power has failed.
func (f *Flash) Off() bool { return f.off }

// Flip flips one bit.
func (f *Flash) Flip(bit int) { f.mem[bit/8] ^= 1 << (bit % 8) }

// Size returns the size in bytes.
func (f *Flash) Size() int { return len(f.mem) }

// PageSize returns the size of a page in bytes.
func (f *Flash) PageSize() int { return f.pageSize }

// Read fills p from off.
func (f *Flash) Read(off int, p []byte) error {
	if err := f.access("read", off, len(p)); err != nil {
		return err
	}
	copy(p, f.mem[off:])
	return nil
}

// Program clears bits, word by word. A word that is not blank may not be
// programmed.
func (f *Flash) Program(off int, p []byte) error {
	if err := f.access("program", off, len(p)); err != nil {
		return err
	}
	if off%4 != 0 || len(p)%4 != 0 {
		return fmt.Errorf("%w: program %d bytes at 0x%x", ErrRule, len(p), off)
	}
	for i := 0; i < len(p); i += 4 {
		cell := f.mem[off+i:]
		old, word := binary.LittleEndian.Uint32(cell), binary.LittleEndian.Uint32(p[i:])
		if old != ^uint32(0) {
			return fmt.Errorf("%w: program the word at 0x%x twice", ErrRule, off+i)
		}
		cut := f.point()
		if cut {
			word |= f.torn()
		}
		binary.LittleEndian.PutUint32(cell, old&word)
		if cut {
			return ErrPower
		}
	}
	return nil
}

// Erase sets the bits of a page.
func (f *Flash) Erase(off int) error {
	if err := f.access("erase", off, f.pageSize); err != nil {
		return err
	}
	if off%f.pageSize != 0 {
		return fmt.Errorf("%w: erase at 0x%x", ErrRule, off)
	}
	f.erases[off/f.pageSize]++
	page := f.mem[off : off+f.pageSize]
	if !f.point() {
		for i := range page {
			page[i] = 0xff
		}
		return nil
	}
	f.tearErase(page)
	return ErrPower
}

// tearErase sets some of the bits of a page: in each quarter of it, and in its
// first words, all, none or a random share, so that every mixture of intact and
// erased places comes up.
func (f *Flash) tearErase(page []byte) {
	for _, part := range [][]byte{page[:8], page[8:20], page[20 : len(page)/4], page[len(page)/4 : len(page)/2], page[len(page)/2:]} {
		mode := f.rng.IntN(4)
		for i := 0; i < len(part); i += 4 {
			cell := binary.LittleEndian.Uint32(part[i:])
			switch mode {
			case 0:
			case 1:
				cell = ^uint32(0)
			case 2:
				cell |= f.rng.Uint32()
			case 3:
				cell |= f.rng.Uint32() & f.rng.Uint32() & f.rng.Uint32() & f.rng.Uint32()
			}
			binary.LittleEndian.PutUint32(part[i:], cell)
		}
	}
}

// torn returns the bits that a word that is being programmed has not cleared
// yet.
func (f *Flash) torn() uint32 {
	switch f.rng.IntN(5) {
	case 0:
		return 0 // all done
	case 1:
		return ^uint32(0) // nothing done
	case 2:
		return f.rng.Uint32()
	case 3:
		return 1 << f.rng.IntN(32) // one bit to go
	default:
		return ^(1 << f.rng.IntN(32)) // one bit done
	}
}

func (f *Flash) point() (cut bool) {
	cut = f.points == f.cut
	f.points++
	f.off = f.off || cut
	return cut
}

func (f *Flash) access(op string, off, n int) error {
	switch {
	case f.off:
		return ErrPower
	case off < 0 || n > len(f.mem) || off > len(f.mem)-n:
		return fmt.Errorf("%w: %s %d bytes at 0x%x", ErrRule, op, n, off)
	case f.Fail != nil && f.Fail(op, off):
		return ErrInjected
	}
	return nil
}
