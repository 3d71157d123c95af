// Package flashtest is the working twin of the memories that Internal Trusted
// Storage is tested on: NOR flash and RRAM in memory, that program and erase by
// the rules, refuse what the rules forbid, and lose power where a test says.
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

// lineSize is what RRAM writes at once, in bytes.
const lineSize = 16

// maxWrites is how often a word of NOR flash may be written between two erases
// (nWRITE of the nRF5340).
const maxWrites = 2

var (
	// ErrPower is the answer to everything while power is off.
	ErrPower = errors.New("flashtest: no power")
	// ErrInjected is the answer to an access that Fail picks.
	ErrInjected = errors.New("flashtest: injected failure")
	// ErrRule is the answer to what the flash does not allow.
	ErrRule = errors.New("flashtest: against the rules of the flash")
)

// Kind is the technology of a memory.
type Kind int

const (
	// NOR flash is programmed by words, from 1 to 0, and erased by pages.
	NOR Kind = iota
	// RRAM is overwritten by lines, which a cut leaves old or new. An erase
	// overwrites the lines of a page one by one.
	RRAM
	// RRAMAbort is RRAM that gives up when the power fails: each word of the
	// line that was to change is old, new or a mix of the bits of both.
	RRAMAbort
)

// String returns the name of k.
func (k Kind) String() string { return [...]string{"NOR", "RRAM", "RRAM, abort"}[k] }

// Flash is an area of memory.
type Flash struct {
	// Kind is what the memory is; it does not change once the memory is used.
	Kind Kind

	// Fail, if set, decides for each access whether it fails; op is "read",
	// "program" or "erase". What fails changes nothing.
	Fail func(op string, off int) bool

	mem      []byte
	pageSize int
	erases   []int
	writes   []uint8 // of each word, since it was erased
	twice    int

	points int // word programs and page erases so far; of RRAM, lines
	cut    int // the point at which power fails, -1 for none
	off    bool
	rng    *rand.Rand
}

// New returns blank NOR flash of some pages of the usual size.
func New(pages int) *Flash { return Blank(NOR, pages, PageSize) }

// Blank returns a blank memory.
func Blank(k Kind, pages, pageSize int) *Flash {
	f := FromImage(slices.Repeat([]byte{0xff}, pages*pageSize), pageSize)
	f.Kind = k
	return f
}

// FromImage returns NOR flash that holds image, which it takes over, in pages of
// some size.
func FromImage(image []byte, pageSize int) *Flash {
	return &Flash{
		mem:      image,
		pageSize: pageSize,
		erases:   make([]int, len(image)/pageSize),
		writes:   make([]uint8, len(image)/4),
		cut:      -1,
	}
}

// Clone returns a copy of the memory with nothing counted yet.
func (f *Flash) Clone() *Flash {
	c := FromImage(f.Image(), f.pageSize)
	c.Kind = f.Kind
	return c
}

// Restore makes the contents those of image, and forgets what was counted.
func (f *Flash) Restore(image []byte) {
	copy(f.mem, image)
	clear(f.writes)
	f.points, f.off, f.cut = 0, false, -1
}

// Image returns a copy of the contents.
func (f *Flash) Image() []byte { return slices.Clone(f.mem) }

// Points returns how many words were programmed and pages erased so far, or
// lines written: the moments at which power may fail.
func (f *Flash) Points() int { return f.points }

// Erases returns how often each page was erased.
func (f *Flash) Erases() []int { return f.erases }

// Twice returns how often a word was programmed that was not erased.
func (f *Flash) Twice() int { return f.twice }

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

// Program programs words of NOR flash, or overwrites lines of RRAM, in ascending
// order.
func (f *Flash) Program(off int, p []byte) error {
	if err := f.access("program", off, len(p)); err != nil {
		return err
	}
	if off%4 != 0 || len(p)%4 != 0 {
		return fmt.Errorf("%w: program %d bytes at 0x%x", ErrRule, len(p), off)
	}
	for i := 0; i < len(p); i += 4 {
		cell := binary.LittleEndian.Uint32(f.mem[off+i:])
		n := &f.writes[(off+i)/4]
		if cell != ^uint32(0) {
			f.twice++
			*n = max(*n, 1)
		}
		if f.Kind != NOR {
			continue
		}
		if *n == maxWrites {
			return fmt.Errorf("%w: program the word at 0x%x more than %d times", ErrRule, off+i, maxWrites)
		}
		if word := binary.LittleEndian.Uint32(p[i:]); word&^cell != 0 {
			return fmt.Errorf("%w: set bits of the word at 0x%x", ErrRule, off+i)
		}
	}
	if f.Kind != NOR {
		return f.overwrite(off, p)
	}
	for i := 0; i < len(p); i += 4 {
		cell := f.mem[off+i:]
		old, word := binary.LittleEndian.Uint32(cell), binary.LittleEndian.Uint32(p[i:])
		cut := f.point()
		if cut {
			word |= f.torn()
		}
		binary.LittleEndian.PutUint32(cell, old&word)
		if cut && old&word == old {
			return ErrPower // before the pulse, for all that can be seen
		}
		f.writes[(off+i)/4]++
		if cut {
			return ErrPower
		}
	}
	return nil
}

// overwrite writes the lines that p has a part in.
func (f *Flash) overwrite(off int, p []byte) error {
	for len(p) > 0 {
		n := min(len(p), lineSize-off%lineSize)
		line := f.mem[off : off+n]
		if f.point() {
			f.tearLine(line, p[:n])
			return ErrPower
		}
		copy(line, p)
		off, p = off+n, p[n:]
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
	if f.Kind != NOR {
		return f.overwrite(off, slices.Repeat([]byte{0xff}, len(page)))
	}
	clear(f.writes[off/4:][:len(page)/4])
	if !f.point() {
		for i := range page {
			page[i] = 0xff
		}
		return nil
	}
	f.tearErase(page)
	return ErrPower
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
