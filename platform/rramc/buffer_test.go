package rramc

import (
	"testing"
	"time"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/power"
)

// TestCommit: what commits the buffer, and what does not.
func TestCommit(t *testing.T) {
	for _, tt := range []struct {
		name string
		size uint32 // WRITEBUFSIZE
		do   func(t *testing.T, d *device)
		want bool
	}{
		{"nothing", 2, func(*testing.T, *device) {}, false},
		{"TASKS_COMMITWRITEBUF", 2, func(_ *testing.T, d *device) { d.set(RegTasksCommitWriteBuf, 1) }, true},
		{"a task written with 0", 2, func(_ *testing.T, d *device) { d.set(RegTasksCommitWriteBuf, 0xFFFFFFFE) }, false},
		{"a store inside", 2, func(t *testing.T, d *device) { d.store(t, 0x101C, 1) }, false},
		{"the same word again", 2, func(t *testing.T, d *device) { d.store(t, 0x1004, 1) }, false},
		{"a store before", 2, func(t *testing.T, d *device) { d.store(t, 0xFFC, 1) }, true},
		{"a store behind", 2, func(t *testing.T, d *device) { d.store(t, 0x1020, 1) }, true},
		{"the full area", 1, func(t *testing.T, d *device) {
			for _, a := range []uint32{0x1000, 0x100C, 0x1008} {
				d.store(t, a, 1)
			}
		}, true},
		{"nearly the full area", 1, func(t *testing.T, d *device) { d.store(t, 0x1000, 1); d.store(t, 0x100C, 1) }, false},
		{"a size past the largest", 63, func(t *testing.T, d *device) { d.store(t, 0x1000+512, 1) }, true},
		{"the largest size", 32, func(t *testing.T, d *device) { d.store(t, 0x1000+508, 1) }, false},
		{"a load of it", 2, func(t *testing.T, d *device) { d.load(t, 0x1004) }, true},
		{"a load across it", 2, func(t *testing.T, d *device) {
			d.Load(0xF00, make([]byte, 0x200), bus.Read, bus.SecureCPU)
		}, true},
		{"a load of its line, not its unit", 2, func(t *testing.T, d *device) { d.load(t, 0x1008) }, false},
		{"a load elsewhere", 2, func(t *testing.T, d *device) { d.load(t, 0) }, false},
		{"a write to CONFIG", 2, func(_ *testing.T, d *device) { d.set(RegConfig, 0) }, true},
		{"time, timeout off", 2, func(_ *testing.T, d *device) { d.clock.Advance(time.Hour) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDevice(t)
			d.set(RegConfig, 1|tt.size<<8)
			d.store(t, 0x1004, 7)
			if d.clock.Now() != 0 || d.reg(t, RegBufStatusEmpty) != 0 || d.reg(t, RegEventsReady) != 0 || d.reg(t, RegEventsReadyNext) != 1 {
				t.Error("the store did more than go into the buffer")
			}
			tt.do(t, d)
			if got := d.cell(t, 0x1004) != erased; got != tt.want {
				t.Errorf("committed: %v, want %v", got, tt.want)
			}
			if tt.want && d.reg(t, RegEventsReady) != 1 {
				t.Error("no READY")
			}
		})
	}
}

// TestCommitLines: a commit writes the lines that have been stored to, each a
// point, and bytes among them that have not keep their value.
func TestCommitLines(t *testing.T) {
	d := newDevice(t)
	d.set(RegConfig, 0x2001)
	d.store(t, 0x1004, 0x11111111)
	if f := d.Store(0x1042, 2, 0x2222, bus.SecureCPU); f != bus.NoFault {
		t.Error(f)
	}
	if f := d.Store(0x1041, 1, 0x33, bus.SecureCPU); f != bus.NoFault {
		t.Error(f)
	}
	d.set(RegTasksCommitWriteBuf, 1)
	for off, want := range map[int]uint32{0x1000: erased, 0x1004: 0x11111111, 0x1008: erased, 0x1040: 0x222233FF, 0x1044: erased} {
		if got := d.cell(t, off); got != want {
			t.Errorf("0x%x: 0x%08x, want 0x%08x", off, got, want)
		}
	}
	if d.supply.Points() != 2 || d.clock.Now() != 2*buffered || d.reg(t, RegBufStatusEmpty) != 1 {
		t.Errorf("%d points, %v", d.supply.Points(), d.clock.Now())
	}
	d.set(RegTasksCommitWriteBuf, 1)
	if d.supply.Points() != 2 || d.clock.Now() != 2*buffered {
		t.Error("an empty buffer was committed")
	}
}

// TestBufferAtTheEnd: the area ends with the RRAM.
func TestBufferAtTheEnd(t *testing.T) {
	d := newDevice(t)
	d.set(RegConfig, 0x2001)
	for a := uint32(0xFFF0); a < 0x10000; a += 4 {
		d.store(t, a, a)
	}
	if d.cell(t, 0xFFFC) != 0xFFFC || d.reg(t, RegBufStatusEmpty) != 1 {
		t.Error("the last line was not full")
	}
}

// TestBufferIsLost: by TASKS_CLRWRITEBUF, reset and power failure.
func TestBufferIsLost(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, d *device){
		"TASKS_CLRWRITEBUF": func(_ *testing.T, d *device) { d.set(RegTasksClrWriteBuf, 1) },
		"reset":             func(_ *testing.T, d *device) { d.Reset() },
		"power failure": func(t *testing.T, d *device) {
			d.supply.CutAt(1, 1)
			if err := d.rram.Write(0, []byte{0}); err != power.ErrLost {
				t.Error(err)
			}
			d.set(RegTasksCommitWriteBuf, 1)
			if f := d.Store(0x2000, 4, 0, bus.SecureCPU); f != bus.NoFault {
				t.Error(f) // to the buffer
			}
			d.set(RegTasksCommitWriteBuf, 1)
			d.supply.On()
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t)
			d.set(RegReadyNextTimeout, 0x80000080)
			d.set(RegConfig, 0x2001)
			d.store(t, 0x1004, 7)
			lose(t, d)
			d.set(RegTasksCommitWriteBuf, 1)
			d.clock.Advance(time.Second)
			if d.cell(t, 0x1004) != erased || d.cell(t, 0x2000) != erased || d.reg(t, RegBufStatusEmpty) != 1 {
				t.Error("not lost")
			}
		})
	}
}

// TestCutCommit walks every point of a commit: lines before the cut are new,
// that at the cut wholly old or new, those behind it old, and the store that
// caused it faults.
func TestCutCommit(t *testing.T) {
	for cut := 1; cut <= 4; cut++ {
		for seed := range uint64(10) {
			d := newDevice(t)
			d.set(RegConfig, 0x0401)
			fault := bus.NoFault
			d.supply.CutAt(uint64(cut), seed)
			for a := uint32(0); a < 64; a += 4 {
				fault = d.Store(a, 4, 5, bus.SecureCPU)
			}
			if fault != bus.BusFault || d.Load(0, make([]byte, 4), bus.Read, bus.SecureCPU) != bus.BusFault {
				t.Fatalf("cut %d: %v", cut, fault)
			}
			if d.clock.Now() != 0 {
				t.Errorf("took %v", d.clock.Now())
			}
			d.supply.On()
			for line := range 4 {
				first := d.cell(t, line*cells.LineSize)
				for off := 4; off < cells.LineSize; off += 4 {
					if d.cell(t, line*cells.LineSize+off) != first {
						t.Errorf("cut %d seed %d: line %d is torn", cut, seed, line)
					}
				}
				if line+1 < cut && first != 5 || line+1 > cut && first != erased {
					t.Errorf("cut %d seed %d: line %d is 0x%x", cut, seed, line, first)
				}
			}
		}
	}
}

// TestPOF: with Abort a line may be torn.
func TestPOF(t *testing.T) {
	torn := map[string]int{}
	for name, pof := range map[string]uint32{"wait": 0x100, "abort": 0x10100} {
		for seed := range uint64(40) {
			d := newDevice(t)
			d.set(RegPowerConfig, pof)
			d.supply.CutAt(1, seed)
			if err := d.Area(0, 0x1000).Program(0, make([]byte, 16)); err != power.ErrLost {
				t.Fatal(err)
			}
			d.supply.On()
			if v := d.cell(t, 0); v != d.cell(t, 4) || v != 0 && v != erased {
				torn[name]++
			}
		}
	}
	if torn["wait"] != 0 || torn["abort"] < 10 {
		t.Errorf("torn: %v", torn)
	}
	d := newDevice(t)
	d.set(RegPowerConfig, 0x10100)
	d.Reset()
	d.supply.CutAt(1, 2)
	d.Area(0, 0x1000).Program(0, make([]byte, 16))
	d.supply.On()
	if v := d.cell(t, 0); v != 0 && v != erased {
		t.Error("Abort outlived the reset")
	}
}
