package qspi

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/postern-spe/postern/platform/bus"
)

func TestTransfers(t *testing.T) {
	d := active(t)
	copy(d.ram.data[:], pattern(1000))
	d.start(RegTasksWriteStart, RegWriteDst, 0x1080, ramBase, 1000)
	if got := d.cells(t, 0x1080, 1000); !bytes.Equal(got, pattern(1000)) {
		t.Fatal("written wrong")
	}
	if got := d.clock.Now(); got != 5*850*time.Microsecond { // 128, 3 × 256, 104
		t.Errorf("five pages took %v", got)
	}
	if d.reg(t, RegEventsReady) != 1 || d.supply.Points() != 250 {
		t.Errorf("READY %d, %d points", d.reg(t, RegEventsReady), d.supply.Points())
	}
	d.set(RegEventsReady, 0)
	began := d.clock.Now()
	d.start(RegTasksReadStart, RegReadSrc, 0x1080, ramBase+0x1000, 1000)
	if !bytes.Equal(d.ram.data[0x1000:][:1000], pattern(1000)) || d.ram.data[0x1000+1000] != 0 {
		t.Error("read wrong")
	}
	if d.reg(t, RegEventsReady) != 1 || d.clock.Now() == began {
		t.Error("READY")
	}
	// Bits that are 0 stay 0, and nobody says so.
	d.start(RegTasksWriteStart, RegWriteDst, 0x1080, ramBase+4, 4)
	want := binary.LittleEndian.Uint32(pattern(4)) & binary.LittleEndian.Uint32(pattern(8)[4:])
	if got, _ := d.flash.Word(0x1080); got != want {
		t.Errorf("0x%08x, want 0x%08x", got, want)
	}
}

// TestTransferEdges: low bits are ignored, and the end of the flash is one.
func TestTransferEdges(t *testing.T) {
	d := active(t)
	copy(d.ram.data[:], pattern(64))
	d.start(RegTasksWriteStart, RegWriteDst, 0x23, ramBase+2, 15)
	if got := d.cells(t, 0x20, 16); !bytes.Equal(got, append(pattern(12), 0xFF, 0xFF, 0xFF, 0xFF)) {
		t.Errorf("low bits: %x", got)
	}
	d.start(RegTasksWriteStart, RegWriteDst, size-8, ramBase, 64)
	if got := d.cells(t, size-8, 8); !bytes.Equal(got, pattern(8)) {
		t.Errorf("at the end: %x", got)
	}
	d.start(RegTasksReadStart, RegReadSrc, size-8, ramBase+0x100, 16)
	if got := d.ram.data[0x100:0x110]; !bytes.Equal(got, append(pattern(8), 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF)) {
		t.Errorf("past the end: %x", got)
	}
	d.set(RegEventsReady, 0)
	points := d.supply.Points()
	d.start(RegTasksWriteStart, RegWriteDst, 0xFFFFFFFC, ramBase, 512)
	d.start(RegTasksReadStart, RegReadSrc, 0xFFFFFFFC, ramBase+0x200, 8)
	d.start(RegTasksReadStart, RegReadSrc, 0, ramBase+0x300, 0)
	if d.reg(t, RegEventsReady) != 1 || d.supply.Points() != points {
		t.Errorf("READY %d, %d points", d.reg(t, RegEventsReady), d.supply.Points()-points)
	}
}

// TestDMABlocked: what EasyDMA may not read is zeros, what it may not write is
// dropped, and the QSPI is not told.
func TestDMABlocked(t *testing.T) {
	d := active(t)
	copy(d.ram.data[:], pattern(16))
	d.ram.blocked = 8
	d.start(RegTasksWriteStart, RegWriteDst, 0, ramBase, 16)
	if got := d.cells(t, 0, 16); !bytes.Equal(got, append(pattern(8), make([]byte, 8)...)) {
		t.Errorf("written: %x", got)
	}
	d.start(RegTasksReadStart, RegReadSrc, 0x100, ramBase+4, 16)
	if got := d.ram.data[:16]; !bytes.Equal(got, append(append(pattern(4), 0xFF, 0xFF, 0xFF, 0xFF), pattern(16)[8:]...)) {
		t.Errorf("read: %x", got)
	}
	if d.reg(t, RegEventsReady) != 1 {
		t.Error("no READY")
	}
}

func TestErase(t *testing.T) {
	for _, tt := range []struct {
		name        string
		ptr, length uint32
		from, to    int
		took        time.Duration
	}{
		{"4 KiB", 0x1000, Erase4KB, 0x1000, 0x2000, 40 * time.Millisecond},
		{"4 KiB, inside", 0x1FFF, Erase4KB, 0x1000, 0x2000, 40 * time.Millisecond},
		{"64 KiB", 0x10000, Erase64KB, 0x10000, 0x20000, 480 * time.Millisecond},
		{"64 KiB, inside", 0x2ABCD, Erase64KB, 0x20000, 0x30000, 480 * time.Millisecond},
		{"all", 0x2ABCD, EraseAll, 0, size, 60 * time.Second},
		{"LEN of 3", 0, 3, 0, 0, 0},
		{"past the end", size, Erase4KB, 0, 0, 40 * time.Millisecond},
		{"far past the end", 0xFFFFFFFF, Erase64KB, 0, 0, 480 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := active(t)
			for off := 0; off < size; off += sector {
				for _, at := range []int{off, off + sector - 4} {
					if err := d.flash.Program(at, make([]byte, 4)); err != nil {
						t.Fatal(err)
					}
				}
			}
			d.start(RegTasksEraseStart, RegErasePtr, tt.ptr, tt.length)
			for off := 0; off < size; off += sector {
				for _, at := range []int{off, off + sector - 4} {
					if got, _ := d.flash.Word(at); (got == 0xFFFFFFFF) != (at >= tt.from && at < tt.to) {
						t.Fatalf("0x%x: 0x%08x", at, got)
					}
				}
			}
			if d.clock.Now() != tt.took || d.reg(t, RegEventsReady) != 1 {
				t.Errorf("took %v, READY %d", d.clock.Now(), d.reg(t, RegEventsReady))
			}
		})
	}
}

func TestInstruction(t *testing.T) {
	for _, tt := range []struct {
		name         string
		variant      Variant
		conf         uint32
		before, want uint32
	}{
		{"RDID", NRF5340(), 4<<8 | 0x9F, 0xAA000000, 0xAA1728C2},
		{"RDID of virt", Virt(), 4<<8 | 0x9F, 0, 0x1A28C2},
		{"RDID, two bytes", NRF5340(), 3<<8 | 0x9F, 0, 0x28C2},
		{"RDID, opcode alone", NRF5340(), 1<<8 | 0x9F, 7, 7},
		{"LENGTH of 0", NRF5340(), 0x9F, 7, 7},
		{"RDSR", NRF5340(), 2<<8 | 0x05, 0xFFFFFFFF, 0xFFFFFF00},
		{"WREN", NRF5340(), 1<<8 | 0x06, 7, 7},
		{"unknown", NRF5340(), 9<<8 | 0x42, 7, 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDevice(t, tt.variant)
			d.set(RegCInstrDat0, tt.before)
			d.set(RegCInstrConf, tt.conf)
			if d.reg(t, RegCInstrDat0) != tt.before || d.reg(t, RegEventsReady) != 0 {
				t.Error("answered before it is active")
			}
			d.set(RegEnable, 1)
			d.set(RegTasksActivate, 1)
			d.set(RegEventsReady, 0)
			d.set(RegCInstrConf, tt.conf)
			if got := d.reg(t, RegCInstrDat0); got != tt.want || d.reg(t, RegEventsReady) != 1 {
				t.Errorf("0x%08x, want 0x%08x; READY %d", got, tt.want, d.reg(t, RegEventsReady))
			}
		})
	}
	d := active(t)
	d.set(RegCInstrDat0, 0xFF)
	d.set(RegCInstrConf, 2<<8|0x01) // WRSR: QE alone sticks
	d.set(RegCInstrConf, 2<<8|0x05)
	if got := d.reg(t, RegCInstrDat0); got != 0x40 || d.reg(t, RegStatus) != 0x40<<24|StatusReady {
		t.Errorf("status register 0x%x, STATUS 0x%08x", got, d.reg(t, RegStatus))
	}
	d.set(RegCInstrConf, 1<<8|0x01)
	if d.reg(t, RegStatus)>>24 != 0x40 {
		t.Error("WRSR without data")
	}
}

// TestPowerLost walks every point of a workload of tasks: READY never comes
// after the cut, and what was done before it is there.
func TestPowerLost(t *testing.T) {
	const words = 8
	for cut := uint64(1); cut <= words+16+1; cut++ {
		d := active(t)
		copy(d.ram.data[:], make([]byte, 4*words))
		d.supply.CutAt(cut, 3)
		d.start(RegTasksWriteStart, RegWriteDst, 0xF0, ramBase, 4*words)
		if got := d.reg(t, RegEventsReady) == 1; got != (cut > words) {
			t.Fatalf("cut at %d: READY after the write: %v", cut, got)
		}
		if cut > words {
			d.set(RegEventsReady, 0)
			d.start(RegTasksEraseStart, RegErasePtr, 0, Erase64KB)
			if got := d.reg(t, RegEventsReady) == 1; got != (cut > words+16) {
				t.Fatalf("cut at %d: READY after the erase: %v", cut, got)
			}
		}
		if cut <= words+16 && d.Load(xip, make([]byte, 4), bus.Read, bus.SecureCPU) != bus.BusFault {
			t.Errorf("cut at %d: a load without power", cut)
		}
		d.supply.On()
		if cut > words {
			continue
		}
		for i := range words {
			v, err := d.flash.Word(0xF0 + 4*i)
			if err != nil || uint64(i)+1 < cut && v != 0 || uint64(i)+1 > cut && v != 0xFFFFFFFF {
				t.Errorf("cut at %d: word %d is 0x%x, %v", cut, i, v, err)
			}
		}
	}
}
