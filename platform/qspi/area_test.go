package qspi

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/postern-spe/postern/platform/cells"
)

func TestArea(t *testing.T) {
	d := newDevice(t, NRF5340()) // needs neither ENABLE nor ACTIVATE
	a := d.Area(xip+0x1000, 0x2000)
	if a.Addr() != xip+0x1000 || a.Size() != 0x2000 || a.PageSize() != 4096 {
		t.Error("geometry")
	}
	if err := a.Program(0xF8, pattern(16)); err != nil {
		t.Fatal(err)
	}
	var zero *cells.ProgramError
	if err := a.Program(0xF8, []byte{0xFF, 0xFF, 0xFF, 0xFF}); !errors.As(err, &zero) {
		t.Errorf("0 to 1: %v", err)
	}
	if got := d.clock.Now(); got != 3*850*time.Microsecond {
		t.Errorf("took %v", got)
	}
	p := make([]byte, 16)
	if err := a.Read(0xF8, p); err != nil || !bytes.Equal(p, pattern(16)) {
		t.Errorf("read: %x, %v", p, err)
	}
	if err := a.Erase(0); err != nil || d.cells(t, 0x10F8, 1)[0] != 0xFF {
		t.Errorf("erase: %v", err)
	}
	for name, err := range map[string]error{
		"read past the end":        a.Read(0x1FFF, make([]byte, 2)),
		"read before the start":    a.Read(-1, make([]byte, 1)),
		"program past the end":     a.Program(0x2000, make([]byte, 4)),
		"program before the start": a.Program(-4, make([]byte, 4)),
		"erase past the end":       a.Erase(0x2000),
	} {
		var re *cells.RangeError
		if !errors.As(err, &re) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{"program off a word": a.Program(2, make([]byte, 4)), "erase off a page": a.Erase(0x800)} {
		var ae *cells.AlignError
		if !errors.As(err, &ae) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestImpossible(t *testing.T) {
	d := newDevice(t, NRF5340())
	for name, make := range map[string]func(){
		"area off a page":   func() { d.Area(xip+0x800, 0x1000) },
		"empty area":        func() { d.Area(xip, 0) },
		"area past the end": func() { d.Area(xip+size-0x1000, 0x2000) },
		"area elsewhere":    func() { d.Area(0, 0x1000) },
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
