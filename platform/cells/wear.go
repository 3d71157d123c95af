package cells

import (
	"encoding/binary"
	"fmt"
	"sync"
)

// wearUnit is what the size of a wear image is rounded up to, so that it can be
// mapped.
const wearUnit = 4096

// maxWrites is where the count of a word's writes, of 2 bits, stops.
const maxWrites = 3

// Wear counts what flash cells have been through: erases of each page, over the
// chip's life, and writes of each word since its page was last erased. It keeps
// the counts in an image of its own, 6.4 % of the flash's size: of a new chip,
// all zeros.
//
//	offset   0          4 × pages
//	         erases     writes, 2 bits per word from the low end, to the end
//
// All methods are safe for concurrent use. Counts of cells that do not exist,
// or of a flash that is closed, are 0.
type Wear struct {
	mu         sync.Mutex // the lock of the flash as well
	img        *Image
	size, page int
}

// WearSize returns the size in bytes of the image that counts the wear of size
// bytes of flash.
func WearSize(size, page int) int {
	n := 4*(size/page) + size/(4*WordSize)
	return (n + wearUnit - 1) / wearUnit * wearUnit
}

// NewWear returns the counts in img, of WearSize bytes, for size bytes of flash
// with pages of page bytes, a multiple of 16.
func NewWear(img *Image, size, page int) (*Wear, error) {
	checkGeometry(size, page)
	if img.size != WearSize(size, page) {
		return nil, fmt.Errorf("cells: wear of %d bytes, not %d", img.size, WearSize(size, page))
	}
	return &Wear{img: img, size: size, page: page}, nil
}

// Erases returns how many times page, counted from 0, has been erased.
func (w *Wear) Erases(page int) uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.img.mem == nil || page < 0 || page >= w.size/w.page {
		return 0
	}
	return binary.LittleEndian.Uint32(w.img.mem[4*page:])
}

// Writes returns how many times the word at off has been written since its page
// was erased; 3 stands for more as well.
func (w *Wear) Writes(off int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.img.mem == nil || off < 0 || off >= w.size {
		return 0
	}
	return w.writes(off)
}

// Written returns how many of the words in the n bytes from off on have been
// written since their page was erased.
func (w *Wear) Written(off, n int) (written int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.img.mem == nil || off < 0 || n < 0 || n > w.size || off > w.size-n {
		return 0
	}
	for at := off; at < off+n; at += WordSize {
		if w.writes(at) > 0 {
			written++
		}
	}
	return written
}

// at returns where the writes of the word at off are counted.
func (w *Wear) at(off int) (p *byte, shift int) {
	word := off / WordSize
	return &w.img.mem[4*(w.size/w.page)+word/4], word % 4 * 2
}

func (w *Wear) writes(off int) int {
	p, shift := w.at(off)
	return int(*p >> shift & 3)
}

func (w *Wear) wrote(off int) {
	p, shift := w.at(off)
	if *p>>shift&3 < maxWrites {
		*p += 1 << shift
	}
}

func (w *Wear) fresh(off int) {
	p, shift := w.at(off)
	*p &^= 3 << shift
}

// erased counts an erase of the page at off.
func (w *Wear) erased(off int) {
	p := w.img.mem[4*(off/w.page):]
	if n := binary.LittleEndian.Uint32(p); n != 1<<32-1 {
		binary.LittleEndian.PutUint32(p, n+1)
	}
}

// freshPage takes back the writes of all words of the page at off.
func (w *Wear) freshPage(off int) {
	from := 4*(w.size/w.page) + off/(4*WordSize)
	clear(w.img.mem[from : from+w.page/(4*WordSize)])
}
