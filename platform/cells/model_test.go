package cells

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/postern-spe/postern/platform/power"
)

// FuzzFlash does what the bytes say, 8 for each operation, to a small flash, and
// compares every step with a model that is an array of words.
func FuzzFlash(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 2, 3, 4, 1, 0, 0, 0, 0, 0, 0, 0})
	f.Add(bytes.Repeat([]byte{0, 0, 4, 0, 0xF0, 0xFF, 0, 0}, 4))
	f.Add([]byte{2, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, ops []byte) {
		const size, page = 256, 64
		ops = ops[:min(len(ops), 100*8)]
		var s power.Supply
		w, err := NewWear(Zeros(WearSize(size, page)), size, page)
		if err != nil {
			t.Fatal(err)
		}
		flash := NewFlash(Memory(size), Options{Page: page, Supply: &s, Wear: w, MaxWrites: 2})
		var words, writes [size / WordSize]uint32
		for i := range words {
			words[i] = 0xFFFFFFFF
		}
		var erases [size / page]uint32
		for ; len(ops) >= 8; ops = ops[8:] {
			off, v := int(binary.LittleEndian.Uint16(ops[2:]))%(size+8), binary.LittleEndian.Uint32(ops[4:])
			points := s.Points()
			switch ops[0] % 3 {
			case 0:
				err := flash.Program(off, le(v))
				i := off / WordSize
				if off%WordSize != 0 || off >= size || writes[i] >= 2 {
					if err == nil || s.Points() != points {
						t.Fatalf("program of 0x%x at %d: %v", v, off, err)
					}
					break
				}
				if (err == nil) != (words[i]&v == v) {
					t.Fatalf("program of 0x%x at %d over 0x%x: %v", v, off, words[i], err)
				}
				words[i] &= v
				writes[i]++
			case 1:
				err := flash.Erase(off)
				if (err == nil) != (off%page == 0 && off < size) {
					t.Fatalf("erase at %d: %v", off, err)
				}
				if err == nil {
					erases[off/page]++
					for i := off / WordSize; i < (off+page)/WordSize; i++ {
						words[i], writes[i] = 0xFFFFFFFF, 0
					}
				}
			case 2: // a cut, and what it leaves is where the model goes on
				s.CutAt(1, uint64(ops[1]))
				off &^= page - 1
				if off < size {
					if err := flash.Erase(off); err != power.ErrLost {
						t.Fatal(err)
					}
					s.On()
					erases[off/page]++
					for i := off / WordSize; i < (off+page)/WordSize; i++ {
						got, err := flash.Word(i * WordSize)
						if err != nil || got&words[i] != words[i] {
							t.Fatalf("torn word %d: 0x%x, %v", i, got, err)
						}
						if words[i] = got; got == 0xFFFFFFFF {
							writes[i] = 0
						}
					}
				}
				s.CutAt(0, 0)
			}
			for i, want := range words {
				if got, err := flash.Word(i * WordSize); err != nil || got != want || w.Writes(i*WordSize) != int(writes[i]) {
					t.Fatalf("word %d: 0x%x written %d times, %v; want 0x%x and %d", i, got, w.Writes(i*WordSize), err, want, writes[i])
				}
			}
			for i, want := range erases {
				if got := w.Erases(i); got != want {
					t.Fatalf("page %d: %d erases, want %d", i, got, want)
				}
			}
		}
	})
}
