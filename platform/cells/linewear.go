package cells

import (
	"encoding/binary"
	"fmt"
	"sync"
)

// LineWear counts how often each line of RRAM has been written, over the chip's
// life, up to 65535: past six times what the lines are specified for. It keeps
// the counts in an image of its own, 2 bytes per line: of a new chip, all zeros.
// The pages of it that count lines never written need not be in memory.
//
// All methods are safe for concurrent use. Counts of lines that do not exist,
// or of an RRAM that is closed, are 0.
type LineWear struct {
	mu   sync.Mutex // the lock of the RRAM as well
	img  *Image
	size int
}

// LineWearSize returns the size in bytes of the image that counts the wear of
// size bytes of RRAM.
func LineWearSize(size int) int {
	return (size/LineSize*2 + wearUnit - 1) / wearUnit * wearUnit
}

// NewLineWear returns the counts in img, of LineWearSize bytes, for size bytes
// of RRAM, a multiple of LineSize.
func NewLineWear(img *Image, size int) (*LineWear, error) {
	checkGeometry(size, LineSize)
	if img.size != LineWearSize(size) {
		return nil, fmt.Errorf("cells: wear of %d bytes, not %d", img.size, LineWearSize(size))
	}
	return &LineWear{img: img, size: size}, nil
}

// Writes returns how many times the line that holds the byte at off has been
// written.
func (l *LineWear) Writes(off int) int { return l.Worst(off, 1) }

// Worst returns the writes of the most written of the lines that hold the n
// bytes from off on.
func (l *LineWear) Worst(off, n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.img.mem == nil || off < 0 || n <= 0 || n > l.size || off > l.size-n {
		return 0
	}
	worst := uint16(0)
	for i := off / LineSize; i <= (off+n-1)/LineSize; i++ {
		worst = max(worst, binary.LittleEndian.Uint16(l.img.mem[2*i:]))
	}
	return int(worst)
}

func (l *LineWear) wrote(off int) {
	p := l.img.mem[off/LineSize*2:]
	if n := binary.LittleEndian.Uint16(p); n != 1<<16-1 {
		binary.LittleEndian.PutUint16(p, n+1)
	}
}
