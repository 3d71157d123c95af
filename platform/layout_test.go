package platform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/counters"
)

const (
	internal = board.FlashPrimary
	external = board.ExternalFlash
)

// layouts are devices whose areas are not where the board's table has them.
func layouts() map[string]ProvisionOptions {
	return map[string]ProvisionOptions{
		"nrf5340, others' places": {Board: "nrf5340", Layout: []board.Placement{
			{Area: board.NonSecureStorage, Region: internal, Address: 0xF0000, Size: 0x8000}, {Area: board.NVCounters, Region: internal, Address: 0xF8000, Size: 0x2000},
			{Area: board.ITS, Region: internal, Address: 0xFA000, Size: 0x3000}, {Area: board.PS, Region: internal, Address: 0xFE000, Size: 0x2000},
		}},
		"nrf5340, PS outside": {Board: "nrf5340", Layout: []board.Placement{{Area: board.PS, Region: external, Address: 0x100000, Size: 0x10000}}},
		"nrf9160, PS outside": {Board: "nrf9160", Layout: []board.Placement{
			{Area: board.PS, Region: external, Address: 0x7FE000, Size: 0x2000}, {Area: board.ITS, Region: internal, Address: 0xF0000, Size: 0x6000},
		}},
		"nrf54l15, behind what is non-secure": {Board: "nrf54l15", Layout: []board.Placement{
			{Area: board.NonSecureStorage, Region: internal, Address: 0x175000, Size: 0x4000}, {Area: board.PS, Region: internal, Address: 0x179000, Size: 0x4000},
		}},
		"nrf54l15, PS outside": {Board: "nrf54l15", Layout: []board.Placement{{Area: board.PS, Region: external, Address: 0, Size: 0x800000}}},
		"virt, PS outside":     {Board: "virt", Layout: []board.Placement{{Area: board.PS, Region: external, Address: 0, Size: 64 << 20}}},
	}
}

// TestLayouts boots devices with areas elsewhere: the worlds are divided so, each
// area has its cells where it is, and what is there is there again after a restart.
func TestLayouts(t *testing.T) {
	for name, o := range layouts() {
		t.Run(name, func(t *testing.T) {
			dir := provision(t, o).Dir
			for boot := range 2 {
				s, err := Open(dir, OpenOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Boot(); err != nil {
					t.Fatal(err)
				}
				for _, p := range o.Layout {
					testPlaced(t, s, p, boot > 0)
				}
				if p, _ := s.Board.Peripheral(s.Board.External.Controller); p.NonSecure == slices.ContainsFunc(o.Layout, outside) {
					t.Errorf("%s non-secure: %v", p.Name, p.NonSecure)
				} else if _, f := s.Bus.Load(p.Address(bus.NonSecure), 4, bus.NonSecureCPU); (f == bus.NoFault) != p.NonSecure {
					t.Errorf("%s: %v", p.Name, f)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			testLayoutReport(t, inspect(t, dir), o)
			s := open(t, dir)
			if err := s.Boot(); err != nil {
				t.Fatal(err)
			}
			for _, a := range s.Board.Areas {
				testBootedArea(t, s, a)
			}
		})
	}
}

func outside(p board.Placement) bool { return p.Region == external }

// testPlaced writes the first and the last page of an area, or looks for what an
// earlier boot wrote, on the bus and in the file.
func testPlaced(t *testing.T, s *SoC, p board.Placement, written bool) {
	t.Helper()
	if p.Area == board.NVCounters || p.Area == board.NonSecureStorage {
		return // the counters' own, and no secure driver's
	}
	a, err := s.Area(p.Area)
	if err != nil {
		t.Fatal(err)
	}
	if a.Size() != int(p.Size) {
		t.Errorf("%s has %d bytes", p.Area, a.Size())
	}
	for _, off := range []int{0, a.Size() - a.PageSize()} {
		text := fmt.Appendf(nil, "%-31s!", fmt.Sprint(p.Area, " at ", off))
		if !written {
			if err := errors.Join(a.Erase(off), a.Program(off, text)); err != nil {
				t.Fatal(err)
			}
		}
		got := make([]byte, len(text))
		if err := a.Read(off, got); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%q, %v", got, err)
		}
		name := flashFile
		if outside(p) {
			name = externalFile
		}
		f, err := os.ReadFile(filepath.Join(s.images.dir, name))
		if at := int(p.Address) + off; err != nil || !bytes.Equal(f[at:at+len(text)], text) {
			t.Errorf("%s: not at 0x%x (%v)", name, at, err)
		}
		clear(got)
		s.Bus.ReadBlock(a.Addr()+uint32(off), got, bus.NonSecureCPU)
		if !bytes.Equal(got, make([]byte, len(got))) {
			t.Errorf("non-secure code reads %q", got)
		}
	}
}

// testLayoutReport: inspect shows the areas where they are.
func testLayoutReport(t *testing.T, r *Report, o ProvisionOptions) {
	b, _ := board.Lookup(o.Board)
	for _, p := range o.Layout {
		memory, base := MemoryFlash, p.Address
		if outside(p) {
			memory, base = MemoryExternal, p.Address+b.External.XIPBase
			if len(r.Memories[0].Areas) > 0 && slices.ContainsFunc(r.Memories[0].Areas, func(a AreaReport) bool { return a.Name == p.Area }) {
				t.Errorf("%s is in the flash too", p.Area)
			}
		}
		a := areaOf(t, r, memory, p.Area)
		if a.Base != base || a.Size != p.Size || a.NonSecure != "---" != (p.Area == board.NonSecureStorage) {
			t.Errorf("%+v", a)
		}
		if used := a.Cells.Used > 0; used != (p.Area != board.NonSecureStorage) {
			t.Errorf("%s: %+v", p.Area, a.Cells)
		}
	}
	for i := range r.Memories {
		m := &r.Memories[i]
		at := m.Base
		for _, a := range m.Areas {
			if a.Base != at {
				t.Errorf("%s: %s begins at 0x%x, not at 0x%x", m.Name, a.Name, a.Base, at)
			}
			at = a.End()
		}
		if at != m.End() {
			t.Errorf("%s: the areas end at 0x%x", m.Name, at)
		}
	}
}

// TestLayoutIsKept: device.json says where all areas are, once one is elsewhere; a
// device without it is its board's.
func TestLayoutIsKept(t *testing.T) {
	read := func(dir string) (d description) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, deviceFile))
		if err == nil {
			err = json.Unmarshal(text, &d)
		}
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if d := read(provision(t, ProvisionOptions{}).Dir); d.Layout != nil || d.Format != 2 {
		t.Errorf("%+v", d)
	}
	o := layouts()["nrf5340, PS outside"]
	d := read(provision(t, o).Dir)
	if len(d.Layout) != len(board.Movable()) || !slices.Contains(d.Layout, o.Layout[0]) || d.Format != 2 {
		t.Errorf("%+v", d)
	}
}

// TestLayoutRefused: a layout that cannot be makes no device, and says which area.
func TestLayoutRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "device")
	_, err := Provision(dir, ProvisionOptions{Layout: []board.Placement{{Area: board.PS, Region: internal, Address: 0xF8000, Size: 0x4000}}})
	var bad *board.PlacementError
	if !errors.As(err, &bad) || bad.Area != board.PS {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is there: %v", err)
	}
}

// TestLayoutPowerCut: the external flash has the same points of power failure when
// it is the secure world's.
func TestLayoutPowerCut(t *testing.T) {
	s := open(t, provision(t, layouts()["nrf5340, PS outside"]).Dir)
	a, err := s.Area(board.PS)
	if err != nil {
		t.Fatal(err)
	}
	s.Power.CutAt(3, 1)
	if err := errors.Join(a.Erase(0), a.Program(0, bytes.Repeat([]byte{0x5A}, 16))); err == nil {
		t.Fatal("the power has not failed")
	}
	if err := a.Read(0, make([]byte, 4)); err == nil {
		t.Error("a read without power")
	}
}

// FuzzDescription: device.json may be damaged, or somebody else's. What is taken
// can be put together without a panic, and has all areas.
func FuzzDescription(f *testing.F) {
	head := `{"format": 2, "board": "nrf5340", "device_id": "` + strings.Repeat("0", 32) + `", "created": "2026-01-01T00:00:00Z", "debug": "locked"`
	f.Add([]byte(head + `}`))
	f.Add([]byte(head + `, "layout": [{"area": "ps", "region": "external_flash", "address": 0, "size": 65536}], "its": {"encrypted": true}}`))
	f.Add([]byte(head + `, "layout": [{"area": "its", "region": "flash_primary", "address": 1015808, "size": 8192}], "its": {"limits": {"bytes": 1}, "clients": {"-5": {"assets": 1}}}}`))
	f.Fuzz(func(t *testing.T, p []byte) {
		desc, b, what := parseDescription(p)
		if what != "" {
			return
		}
		if err := desc.ITS.Check(); err != nil {
			t.Error(err)
		}
		// NewPart panics on an area that is not in its memory.
		v := chipOf(b).external()
		for _, p := range b.Placements() {
			if outside(p) {
				cells.NewPart(v.XIP+p.Address, p.Size, v.XIP, v.Size, 4096)
			} else {
				cells.NewPart(p.Address, p.Size, b.Flash.Base, int(b.Flash.Size), int(b.Flash.Page))
			}
		}
		if len(b.Placements()) != len(board.Movable()) || len(flashExtents(b, bus.Secure)) == 0 {
			t.Errorf("%+v", b.Placements())
		}
	})
}

// TestLayoutEdited: who edits the layout of a device that is in use gets an error
// or a device whose moved area is as its new place is, and never the other world's
// cells.
func TestLayoutEdited(t *testing.T) {
	dir := provision(t, ProvisionOptions{}).Dir
	path := filepath.Join(dir, deviceFile)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	its := open(t, dir)
	a, err := its.Area(board.ITS)
	if err != nil {
		t.Fatal(err)
	}
	secret := []byte("a secret of ITS.")
	if err := errors.Join(a.Program(0, secret), its.Close()); err != nil {
		t.Fatal(err)
	}
	edit := func(layout string) {
		t.Helper()
		text := bytes.Replace(sound, []byte(`"debug"`), []byte(`"layout": [`+layout+`], "debug"`), 1)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	edit(`{"area": "nv-counters", "region": "flash_primary", "address": 983040, "size": 8192},
		{"area": "ps", "region": "flash_primary", "address": 991232, "size": 8192}`)
	if s, err := Open(dir, OpenOptions{}); !errors.Is(err, counters.ErrBlank) {
		t.Errorf("counters where there are none: %v, %v", s, err)
	}
	// Non-secure storage where ITS was.
	edit(`{"area": "ps", "region": "external_flash", "address": 0, "size": 8192},
		{"area": "non-secure-storage", "region": "flash_primary", "address": 983040, "size": 32768},
		{"area": "its", "region": "flash_primary", "address": 1015808, "size": 8192},
		{"area": "nv-counters", "region": "flash_primary", "address": 1024000, "size": 8192}`)
	d, err := openDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	s, err := d.load(OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Boot(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(secret))
	if _, f := s.Bus.ReadBlock(0xF4000, got, bus.NonSecureCPU); f != bus.NoFault || bytes.Equal(got, secret) {
		t.Errorf("non-secure code reads %q, %v", got, f)
	}
}
