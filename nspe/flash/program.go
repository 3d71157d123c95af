package flash

import (
	"encoding/binary"
	"fmt"
)

// Values of CONFIGNS.
const (
	readOnly uint32 = 0
	writable uint32 = 1
	erasable uint32 = 2
)

// Program programs the words of p from addr on; addr and len(p) are multiples
// of 4. In flash bits can only go from 1 to 0: what is 0 already stays 0, and
// nobody says so. In RRAM they go both ways.
//
// As on the chip the NVMC has one write enable for all of the non-secure world:
// two programs that write at the same time disturb each other unless they agree.
// The RRAMC's is the secure world's (Board.ConfigNS).
func (f *Flash) Program(addr uint32, p []byte) error {
	if addr%WordSize != 0 || len(p)%WordSize != 0 {
		return fmt.Errorf("flash: %d bytes at 0x%08x are not whole words", len(p), addr)
	}
	return f.enabled(writable, func() error {
		for i := 0; i < len(p); i += WordSize {
			if err := f.Store(addr+uint32(i), Word, binary.LittleEndian.Uint32(p[i:])); err != nil {
				return err
			}
		}
		return nil
	})
}

// Erase erases the page at addr, a multiple of the board's PageSize. RRAM has no
// erasing: there it stores ones to every word, and leaves a part of the page when
// one of the stores is refused.
func (f *Flash) Erase(addr uint32) error {
	if addr%f.board.PageSize != 0 {
		return fmt.Errorf("flash: no page begins at 0x%08x", addr)
	}
	const ones = 0xFFFFFFFF
	return f.enabled(erasable, func() error {
		size := uint32(WordSize) // the page's first word, which erases all of it
		if f.board.ConfigNS == 0 {
			size = f.board.PageSize
		}
		for i := uint32(0); i < size; i += WordSize {
			if err := f.Store(addr+i, Word, ones); err != nil {
				return err
			}
		}
		return nil
	})
}

// enabled runs do with CONFIGNS in a mode, and puts it back.
func (f *Flash) enabled(mode uint32, do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.board.ConfigNS == 0 {
		return do()
	}
	if err := f.Store(f.board.ConfigNS, Word, mode); err != nil {
		return err
	}
	err := do()
	if back := f.Store(f.board.ConfigNS, Word, readOnly); err == nil {
		err = back
	}
	return err
}
