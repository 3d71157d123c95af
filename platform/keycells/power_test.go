package keycells

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/postern-spe/postern/platform/power"
)

// TestPowerPoints cuts the power at every point of a sequence, with many seeds.
func TestPowerPoints(t *testing.T) {
	const size = 2 * page
	value := []byte{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88}
	for point := uint64(1); point <= 5; point++ {
		for seed := range uint64(8) {
			t.Run(fmt.Sprintf("point %d seed %d", point, seed), func(t *testing.T) {
				s := new(power.Supply)
				c, path := onDisk(t, size, s)
				s.CutAt(point, seed)
				err := c.Program(0, value) // points 1, 2
				if point > 2 {
					if err != nil {
						t.Fatal(err)
					}
					err = c.Write(100, value) // point 3
				}
				if point > 3 {
					if err != nil {
						t.Fatal(err)
					}
					err = c.EraseAll() // points 4, 5
				}
				if err != power.ErrLost || c.Read(0, nil) != power.ErrLost || c.Program(0, value) != power.ErrLost {
					t.Fatalf("%v", err)
				}
				if got := s.Points(); got != point {
					t.Errorf("%d points after the cut at %d", got, point)
				}
				s.On()
				after := cells(t, c)
				if again := cells(t, reopen(t, path, size, nil)); !bytes.Equal(after, again) {
					t.Error("the file differs from the cells")
				}
				word := func(off int) uint32 { return binary.LittleEndian.Uint32(after[off:]) }
				w0, w1 := binary.LittleEndian.Uint32(value), binary.LittleEndian.Uint32(value[4:])
				switch point {
				case 1:
					if word(0)&w0 != w0 || word(4) != 0xFFFFFFFF {
						t.Errorf("%x", after[:8])
					}
				case 2:
					if word(0) != w0 || word(4)&w1 != w1 {
						t.Errorf("%x", after[:8])
					}
				case 3:
					if got := after[100:108]; !bytes.Equal(got, value) && !bytes.Equal(got, bytes.Repeat([]byte{0xFF}, 8)) {
						t.Errorf("half a write: %x", got)
					}
				case 4:
					if word(0)&w0 != w0 || word(4)&w1 != w1 {
						t.Errorf("an erase cleared bits: %x", after[:8])
					}
				case 5:
					if !bytes.Equal(after[:page], bytes.Repeat([]byte{0xFF}, page)) {
						t.Error("the first page is not erased")
					}
				}
			})
		}
	}
}

// TestTearing: a cut leaves more than one state, by the seed: a Write is there or
// not, a word and a page can be in between.
func TestTearing(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*Cells) error
		want func(seen int) bool // of 32 seeds
	}{
		{"program", func(c *Cells) error { return c.Program(0, make([]byte, 4)) }, func(n int) bool { return n > 8 }},
		{"write", func(c *Cells) error { return c.Write(0, make([]byte, 16)) }, func(n int) bool { return n == 2 }},
		{"erase", func(c *Cells) error { return c.EraseAll() }, func(n int) bool { return n > 8 }},
	} {
		seen := map[string]bool{}
		for seed := range uint64(32) {
			s := new(power.Supply)
			c, _ := onDisk(t, 16, s)
			if tt.name == "erase" {
				if err := c.Program(0, make([]byte, 16)); err != nil {
					t.Fatal(err)
				}
			}
			s.CutAt(1, seed)
			if err := tt.do(c); err != power.ErrLost {
				t.Fatal(err)
			}
			s.On()
			seen[string(cells(t, c))] = true
		}
		if !tt.want(len(seen)) {
			t.Errorf("%s: %d states of 32 seeds", tt.name, len(seen))
		}
	}
}
