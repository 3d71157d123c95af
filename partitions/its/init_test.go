package its_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/postern-spe/postern/partitions/its"
	"github.com/postern-spe/postern/partitions/its/internal/flashtest"
	"github.com/postern-spe/postern/veneer"
)

func TestInitErrors(t *testing.T) {
	zeros := flashtest.FromImage(make([]byte, 2*flashtest.PageSize), flashtest.PageSize)
	for name, c := range map[string]struct {
		cfg    its.Config
		status veneer.Status
	}{
		"no areas":          {its.Config{}, veneer.ErrServiceFailure},
		"no protected area": {its.Config{Internal: flashtest.New(2)}, veneer.ErrServiceFailure},
		"not a store":       {its.Config{Internal: zeros, Protected: flashtest.New(4)}, veneer.ErrDataCorrupt},
		"too small":         {its.Config{Internal: flashtest.New(1), Protected: flashtest.New(4)}, veneer.ErrInvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			if err := its.New(c.cfg).Init(nil); !errors.Is(err, c.status) {
				t.Errorf("init: %v; want %v", err, c.status)
			}
		})
	}
}

// TestInitLeavesDamagedDevice: an area that cannot be opened keeps the other from
// being repaired, whichever is which, and the error says which and where.
func TestInitLeavesDamagedDevice(t *testing.T) {
	used := newDevice()
	g := &gate{client: -1, handler: used.boot(t)}
	for _, id := range []int32{-1, 256} {
		if err := g.as(id).storage().Set(1, []byte("twelve bytes"), 0); err != nil {
			t.Fatal(err)
		}
	}
	const page = flashtest.PageSize
	good := func([]byte) {}
	tornReserve := func(b []byte) { clear(b[page+100 : page+200]) }
	unsealed := func(b []byte) { copy(b[68+28+12+4:], "\xff\xff\xff\xff") } // of the first record
	zeros := func(b []byte) { clear(b) }
	noHeader := func(b []byte) { clear(b[:68]) }
	stray := func(b []byte) { clear(b[3*page+100 : 3*page+200]) } // in a page that was never used
	for _, c := range []struct {
		name                string
		internal, protected func([]byte)
		// unreadable: the first page of the protected area gives its header, and
		// then no more.
		unreadable bool
		status     veneer.Status
		text       string // what the error begins with; "" for success, which changes the areas
	}{
		{"torn reserve alone", tornReserve, good, false, 0, ""},
		{"unsealed record alone", unsealed, good, false, 0, ""},
		{"torn reserve, then zeros", tornReserve, zeros, false, veneer.ErrDataCorrupt, "its: protected storage area, offset 0x0: "},
		{"torn reserve, then no header", tornReserve, noHeader, false, veneer.ErrDataCorrupt, "its: protected storage area, offset 0x0: "},
		{"torn reserve, then stray data", tornReserve, stray, false, veneer.ErrDataCorrupt, "its: protected storage area, offset 0x3000: "},
		{"unsealed record, then zeros", unsealed, zeros, false, veneer.ErrDataCorrupt, "its: protected storage area, offset 0x0: "},
		{"torn reserve, then unreadable", tornReserve, good, true, veneer.ErrStorageFailure, "its: protected storage area, offset 0x0: "},
		{"zeros, then unsealed record", zeros, unsealed, false, veneer.ErrDataCorrupt, "its: internal storage area, offset 0x0: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := [2][]byte{used.internal.Image(), used.protected.Image()}
			c.internal(before[0])
			c.protected(before[1])
			d := &device{flashtest.FromImage(bytes.Clone(before[0]), page), flashtest.FromImage(bytes.Clone(before[1]), page)}
			reads := 0
			d.protected.Fail = func(op string, off int) bool {
				if op == "read" && off == 0 {
					reads++
				}
				return c.unreadable && reads > 1
			}
			err := its.New(its.Config{Internal: d.internal, Protected: d.protected}).Init(nil)
			same := bytes.Equal(d.internal.Image(), before[0]) && bytes.Equal(d.protected.Image(), before[1])
			if c.text == "" {
				if err != nil || same {
					t.Errorf("init: %v; unchanged: %v", err, same)
				}
				return
			}
			if !errors.Is(err, c.status) || !strings.HasPrefix(err.Error(), c.text) {
				t.Errorf("init: %v; want %q and %v", err, c.text, c.status)
			}
			if !same {
				t.Error("the device was changed")
			}
		})
	}
	t.Run("torn reserve, and no protected area", func(t *testing.T) {
		before := used.internal.Image()
		tornReserve(before)
		f := flashtest.FromImage(bytes.Clone(before), page)
		if err := its.New(its.Config{Internal: f}).Init(nil); !errors.Is(err, veneer.ErrServiceFailure) {
			t.Errorf("init: %v", err)
		}
		if !bytes.Equal(f.Image(), before) {
			t.Error("the device was changed")
		}
	})
}
