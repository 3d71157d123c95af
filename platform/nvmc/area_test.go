package nvmc

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/internal/guardtest"
)

func TestArea(t *testing.T) {
	d := newDevice(t, NRF5340())
	a := d.Area(0x1000, 0x2000)
	if a.Addr() != 0x1000 || a.Size() != 0x2000 || a.PageSize() != 4096 {
		t.Error("geometry")
	}
	if err := a.Program(4, le(7)); err != nil {
		t.Fatal(err)
	}
	var zero *cells.ProgramError
	if err := a.Program(4, le(8)); !errors.As(err, &zero) {
		t.Errorf("0 to 1: %v", err)
	}
	var worn *cells.WearError
	if err := a.Program(0, append(le(0), le(0)...)); !errors.As(err, &worn) || worn.Off != 0x1004 {
		t.Errorf("third write: %v", err)
	}
	if got := d.clock.Now(); got != 2*43*time.Microsecond {
		t.Errorf("two words took %v", got)
	}
	p := make([]byte, 8)
	if err := a.Read(0, p); err != nil || !bytes.Equal(p, append(le(0xFFFFFFFF), le(0)...)) {
		t.Errorf("read: %x, %v", p, err)
	}
	if err := a.Erase(0); err != nil || d.word(t, 0x1004) != 0xFFFFFFFF {
		t.Errorf("erase: %v", err)
	}
	for name, err := range map[string]error{
		"read past the end":        a.Read(0x1FFF, make([]byte, 2)),
		"read before the start":    a.Read(-1, make([]byte, 1)),
		"program past the end":     a.Program(0x2000, le(0)),
		"program before the start": a.Program(-4, le(0)),
		"erase past the end":       a.Erase(0x2000),
		"erase before the start":   a.Erase(-0x1000),
	} {
		var re *cells.RangeError
		if !errors.As(err, &re) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var ae *cells.AlignError
	if err := a.Erase(0x800); !errors.As(err, &ae) {
		t.Errorf("erase off a page: %v", err)
	}
	if err := a.Read(0x2000, nil); err != nil {
		t.Errorf("nothing at the end: %v", err)
	}
}

func TestAreaAsksTheGuard(t *testing.T) {
	d := newDevice(t, NRF5340())
	const readOnly = 2 * guardtest.RegionSize
	a := d.Area(nsAddr, 2*guardtest.RegionSize)
	if err := a.Program(0, le(7)); err != nil {
		t.Fatal(err)
	}
	points := d.supply.Points()
	var ae *bus.AccessError
	if err := a.Program(guardtest.RegionSize-4, append(le(7), le(7)...)); !errors.As(err, &ae) || ae.Fault != bus.BusFault || ae.Addr != readOnly {
		t.Errorf("program: %v", err)
	}
	if err := a.Erase(guardtest.RegionSize); !errors.As(err, &ae) || ae.From != bus.SecureCPU || ae.Access != bus.Write {
		t.Errorf("erase: %v", err)
	}
	if d.supply.Points() != points {
		t.Error("a refused operation had a point")
	}
	if err := a.Read(guardtest.RegionSize, make([]byte, 4)); err != nil {
		t.Errorf("read: %v", err)
	}
}

func TestImpossible(t *testing.T) {
	d := newDevice(t, NRF5340())
	for name, make := range map[string]func(){
		"area off a page":   func() { d.Area(0x800, 0x1000) },
		"empty area":        func() { d.Area(0, 0) },
		"half a page":       func() { d.Area(0, 0x800) },
		"area past the end": func() { d.Area(0xF000, 0x2000) },
		"area elsewhere":    func() { d.Area(0xFFFFF000, 0x1000) },
		"other flash":       func() { New(d.flash, Config{Variant: NRF5340()}) },
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
