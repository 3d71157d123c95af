package platform

import (
	"errors"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/counters"
	"github.com/postern-spe/postern/platform/spu"
)

func testReportedAreas(t *testing.T, r *Report, b *board.Board) {
	for _, a := range b.Areas {
		got := areaOf(t, r, MemoryFlash, a.Name)
		granted := a.Rights
		if granted == 0 {
			granted = bus.Read | bus.Write | bus.Execute
		}
		locked := a.Rights != 0
		if a.Name == board.Bootloader {
			granted, locked = bus.Read|bus.Execute, true // it protects itself
		}
		want := AreaReport{
			Name: a.Name, Base: a.Base, Size: a.Size, World: WorldSecure, Secure: rights(granted), NonSecure: "---", Locked: locked, Cells: got.Cells,
		}
		if a.Attr == bus.NonSecure {
			want.World, want.NonSecure = WorldNonSecure, rights(granted)
		}
		if a.Name == board.SecureImage {
			want.Callable = &Range{a.End() - b.Callable, b.Callable}
		}
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("%+v, want %+v", *got, want)
		}
		empty := a.Name != board.NVCounters
		if c := got.Cells; c == nil || (c.Used == 0) != empty || c.Max > 2 {
			t.Errorf("%s of a new device: %+v", a.Name, c)
		}
	}
}

func testReportedMemories(t *testing.T, r *Report, b *board.Board) {
	names := []string{MemoryFlash, MemoryRAM, MemoryExternal, MemoryFICR, MemoryUICR}
	if b.SICR != 0 {
		names = append(names, MemorySICR)
	}
	var got []string
	for _, m := range r.Memories {
		got = append(got, m.Name)
		if m.Page > 0 && len(m.PageWear) != int(m.Size/m.Page) {
			t.Errorf("%s: wear of %d pages", m.Name, len(m.PageWear))
		}
		at := m.Base
		for _, a := range m.Areas {
			if a.Base != at || a.World == "" || len(a.Secure) != 3 || len(a.NonSecure) != 3 {
				t.Errorf("%s: %+v", m.Name, a)
			}
			at += a.Size
		}
		if at != m.End() {
			t.Errorf("%s: areas end at 0x%x, it at 0x%x", m.Name, at, m.End())
		}
	}
	if !slices.Equal(got, names) {
		t.Errorf("memories %q, want %q", got, names)
	}
	for name, want := range map[string][3]string{
		"secure-ram": {"secure", "rwx", "---"}, "non-secure-ram": {"non-secure", "rwx", "rwx"},
	} {
		if a := areaOf(t, r, MemoryRAM, name); [3]string{string(a.World), string(a.Secure), string(a.NonSecure)} != want {
			t.Errorf("%+v", a)
		}
	}
	if a := areaOf(t, r, MemoryUICR, MemoryUICR); a.World != WorldSecure || a.Cells.Used == 0 || a.Cells.Written == 0 {
		t.Errorf("%+v, %+v", a, a.Cells)
	}
	if a := areaOf(t, r, MemoryFICR, MemoryFICR); (a.NonSecure == "r--") != (b.FICR.Attr == bus.NonSecure) || a.Secure != "r--" {
		t.Errorf("%+v", a)
	}
	want := WorldNonSecure
	if b.External.XIPSize == 0 {
		want = WorldUnmapped
	}
	if a := areaOf(t, r, MemoryExternal, MemoryExternal); a.World != want || a.Cells.Used != 0 {
		t.Errorf("%+v", a)
	}
}

// TestInspectLocks: an area is reported as locked exactly where the SPU's
// registers have LOCK.
func TestInspectLocks(t *testing.T) {
	for _, name := range []string{"nrf5340", "nrf9160"} {
		t.Run(name, func(t *testing.T) {
			dir := provision(t, ProvisionOptions{Board: name}).Dir
			r := inspect(t, dir)
			s := open(t, dir)
			if err := s.Boot(); err != nil {
				t.Fatal(err)
			}
			guard := s.blocks.protection.(oneSPU)
			for memory, reg := range map[string]uint32{MemoryFlash: spu.RegFlashRegion, MemoryRAM: spu.RegRAMRegion} {
				m := memoryOf(t, r, memory)
				for _, a := range m.Areas {
					for at := a.Base; at < a.End(); at += m.Region {
						perm, _ := guard.ReadRegister(reg+4*((at-m.Base)/m.Region), bus.Secure)
						if (perm&spu.PermLock != 0) != a.Locked {
							t.Errorf("%s at 0x%08x: PERM 0x%x, locked %v", a.Name, at, perm, a.Locked)
						}
					}
				}
			}
			c := areaOf(t, r, MemoryFlash, board.SecureImage).Callable
			if !guard.Callable(c.Base) || guard.Callable(c.Base-4) || !guard.Callable(c.Base+c.Size-4) {
				t.Errorf("veneers %+v", c)
			}
		})
	}
}

// TestInspectCounts: what is counted is what has been done.
func TestInspectCounts(t *testing.T) {
	for _, name := range []string{"nrf5340", "nrf54l15"} {
		t.Run(name, func(t *testing.T) {
			dir := provision(t, ProvisionOptions{Board: name}).Dir
			s := open(t, dir)
			its, err := s.Area(board.ITS)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if err := errors.Join(its.Erase(0), its.Program(0, []byte("sixteen bytes...")), its.Program(32, []byte("and four"))); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Counters.Set(counters.PS1, 7); err != nil {
				t.Fatal(err)
			}
			r := inspect(t, dir) // while it is in use
			if r.UsedBy != os.Getpid() {
				t.Errorf("used by %d, not %d", r.UsedBy, os.Getpid())
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if after := inspect(t, dir); after.UsedBy != 0 {
				t.Errorf("used by %d after it was closed", after.UsedBy)
			}
			a := areaOf(t, r, MemoryFlash, board.ITS)
			want := CellsReport{Used: 24, Max: 3, Mean: 3 / float64(a.Size/4096), Written: 6}
			if name == "nrf54l15" {
				// Each line: written three times, and erased twice in between.
				want = CellsReport{Used: 24, Max: 5, Mean: 10 / float64(a.Size/cells.LineSize)}
			}
			if *a.Cells != want {
				t.Errorf("%+v, want %+v", *a.Cells, want)
			}
			m := memoryOf(t, r, MemoryFlash)
			for page, wear := range m.PageWear {
				if addr := m.Base + uint32(page)*m.Page; addr == a.Base && wear != want.Max || addr == a.Base+m.Page && wear != 0 {
					t.Errorf("page at 0x%08x: %d", addr, wear)
				}
			}
			if c := r.Counters[counters.PS1]; c != (CounterReport{"PS_1", 7}) {
				t.Errorf("%+v", c)
			}
		})
	}
}
