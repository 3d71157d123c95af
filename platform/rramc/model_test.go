package rramc

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/postern-spe/postern/platform/bus"
)

// FuzzBuffer does what the bytes say, 8 for each operation, and compares with a
// model that has no buffer: whatever is committed when, a load sees the last
// store, and after a commit so do the cells.
func FuzzBuffer(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 1, 0, 0, 0, 1, 4, 4, 0, 1, 2, 3, 4, 2, 0, 4, 0, 0, 0, 0, 0})
	f.Add([]byte{0, 2, 0, 0, 0, 0, 0, 0, 1, 1, 3, 0, 7, 0, 0, 0, 1, 2, 32, 0, 7, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, ops []byte) {
		const span = 1024
		ops = ops[:min(len(ops), 100*8)]
		d := newDevice(t)
		d.set(RegConfig, 1)
		var model [span]byte
		for i := range model {
			model[i] = 0xFF
		}
		for ; len(ops) >= 8; ops = ops[8:] {
			off, v := uint32(binary.LittleEndian.Uint16(ops[2:]))%span, binary.LittleEndian.Uint32(ops[4:])
			width := 1 << (ops[1] % 3)
			off &^= uint32(width) - 1
			switch ops[0] % 5 {
			case 0:
				d.set(RegConfig, 1|uint32(ops[1])<<8&configMask)
				d.set(RegReadyNextTimeout, v&(timeoutEN|0xF))
			case 1:
				if f := d.Store(off, width, v, bus.SecureCPU); f != bus.NoFault {
					t.Fatalf("store: %v", f)
				}
				for i := range width {
					model[off+uint32(i)] = byte(v >> (8 * i))
				}
			case 2:
				p := make([]byte, min(int(v%64)+1, span-int(off)))
				if f := d.Load(off, p, bus.Read, bus.SecureCPU); f != bus.NoFault || string(p) != string(model[off:int(off)+len(p)]) {
					t.Fatalf("load of %d at %d: %x, %v; want %x", len(p), off, p, f, model[off:int(off)+len(p)])
				}
			case 3:
				d.set(RegTasksCommitWriteBuf, 1)
			case 4:
				d.clock.Advance(time.Duration(v % 1000))
			}
		}
		d.set(RegTasksCommitWriteBuf, 1)
		got := make([]byte, span)
		if err := d.rram.Read(0, got); err != nil || string(got) != string(model[:]) {
			t.Fatalf("the cells are not the model's: %v", err)
		}
	})
}
