package rramc

import (
	"bytes"
	"errors"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/internal/guardtest"
)

func TestArea(t *testing.T) {
	d := newDevice(t)
	a := d.Area(0x1000, 0x2000)
	if a.Addr() != 0x1000 || a.Size() != 0x2000 || a.PageSize() != 4096 {
		t.Error("geometry")
	}
	for _, v := range []uint32{0, 0xF0F0F0F0, 7} {
		if err := a.Program(12, append(le(v), le(v)...)); err != nil {
			t.Fatal(err)
		}
	}
	if d.cell(t, 0x100C) != 7 || d.cell(t, 0x1010) != 7 || d.cell(t, 0x1008) != erased {
		t.Error("program")
	}
	if got := d.clock.Now(); got != 6*buffered || d.supply.Points() != 6 {
		t.Errorf("six words took %v and %d points", got, d.supply.Points())
	}
	if err := a.Erase(0); err != nil || d.cell(t, 0x100C) != erased {
		t.Errorf("erase: %v", err)
	}
	if got := d.clock.Now(); got != (6+1024)*buffered {
		t.Errorf("the page took %v", got)
	}
	// The driver comes after what is in the buffer, and sees it.
	d.set(RegConfig, 0x2001)
	d.store(t, 0x1020, 1)
	d.store(t, 0x1024, 2)
	p := make([]byte, 4)
	if err := a.Read(0x24, p); err != nil || !bytes.Equal(p, le(2)) {
		t.Errorf("read: %x, %v", p, err)
	}
	d.store(t, 0x1020, 3)
	if err := a.Program(0x20, le(4)); err != nil {
		t.Fatal(err)
	}
	d.set(RegTasksCommitWriteBuf, 1)
	if got := d.cell(t, 0x1020); got != 4 {
		t.Errorf("an older store came after the driver's: %d", got)
	}
	for name, err := range map[string]error{
		"read past the end":        a.Read(0x1FFF, make([]byte, 2)),
		"read before the start":    a.Read(-1, make([]byte, 1)),
		"program past the end":     a.Program(0x2000, le(0)),
		"program before the start": a.Program(-4, le(0)),
		"erase past the end":       a.Erase(0x2000),
	} {
		var re *cells.RangeError
		if !errors.As(err, &re) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"program off a word": a.Program(2, le(0)), "half a word": a.Program(0, []byte{0, 0}), "erase off a page": a.Erase(0x800),
	} {
		var ae *cells.AlignError
		if !errors.As(err, &ae) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := a.Program(0x2000, nil); err != nil {
		t.Errorf("nothing at the end: %v", err)
	}
}

// TestAreaAsks: guard and windows stop the secure driver as well.
func TestAreaAsks(t *testing.T) {
	d := newDevice(t)
	const readOnly = 2 * guardtest.RegionSize
	a := d.Area(guardtest.RegionSize, 2*guardtest.RegionSize)
	var ae *bus.AccessError
	if err := a.Program(guardtest.RegionSize-4, append(le(7), le(7)...)); !errors.As(err, &ae) || ae.Fault != bus.BusFault || ae.Addr != readOnly {
		t.Errorf("program: %v", err)
	}
	if d.reg(t, RegEventsAccessError) != 0 {
		t.Error("the guard's refusal is the RRAMC's event")
	}
	d.set(RegRegion, guardtest.RegionSize+1024)
	d.set(RegRegion+4, 1<<16|RegionExecute|RegionLock)
	if err := a.Erase(0); !errors.As(err, &ae) || ae.Addr != guardtest.RegionSize+1024 || ae.Access != bus.Write || ae.From != bus.SecureCPU {
		t.Errorf("erase: %v", err)
	}
	if err := a.Read(1024, make([]byte, 4)); !errors.As(err, &ae) || ae.Access != bus.Read {
		t.Errorf("read: %v", err)
	}
	if d.supply.Points() != 0 || d.reg(t, RegAccessErrorAddr) != guardtest.RegionSize+1024 {
		t.Error("refused operations")
	}
}

func TestImpossible(t *testing.T) {
	d := newDevice(t)
	for name, make := range map[string]func(){
		"area off a page":   func() { d.Area(0x800, 0x1000) },
		"empty area":        func() { d.Area(0, 0) },
		"area past the end": func() { d.Area(0xF000, 0x2000) },
		"area elsewhere":    func() { d.Area(0xFFFFF000, 0x1000) },
		"other RRAM":        func() { New(d.rram, Config{Variant: NRF54L15()}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: made", name)
				}
			}()
			make()
		}()
	}
}
