package board

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
)

// complaints collects what is inconsistent in one board.
type complaints []string

func (c *complaints) addf(format string, args ...any) { *c = append(*c, fmt.Sprintf(format, args...)) }

func inconsistencies(b *Board) complaints {
	var c complaints
	c.memories(b)
	c.areas(b)
	c.external(b)
	c.ficr(b)
	c.peripherals(b)
	c.ids(b)
	c.blocks(b)
	c.lines(b)
	return c
}

func powerOfTwo(n uint32) bool { return bits.OnesCount32(n) == 1 }

// memories: sizes, and that nothing lies over anything else.
func (c *complaints) memories(b *Board) {
	for _, m := range []struct {
		name               string
		base, size, region uint32
	}{{"flash", b.Flash.Base, b.Flash.Size, b.Flash.Region}, {"RAM", b.RAM.Base, b.RAM.Size, b.RAM.Region}} {
		if !powerOfTwo(m.region) || m.size == 0 || m.size%m.region != 0 || m.base%m.region != 0 {
			c.addf("%s of 0x%x bytes at 0x%x in regions of 0x%x", m.name, m.size, m.base, m.region)
			continue
		}
		if n := m.size / m.region; b.Flash.Kind == NVMC && n != 32 && n != 64 {
			c.addf("%d %s regions; the SPUs have 32 or 64", n, m.name)
		}
	}
	if !powerOfTwo(b.Flash.Page) || b.Flash.Page > b.Flash.Region {
		c.addf("pages of 0x%x bytes", b.Flash.Page)
	}
	if b.SecureRAM == 0 || b.SecureRAM >= b.RAM.Size || b.RAM.Region != 0 && b.SecureRAM%b.RAM.Region != 0 {
		c.addf("secure RAM of 0x%x bytes", b.SecureRAM)
	}
	type extent struct {
		name      string
		base, end uint32
	}
	extents := []extent{
		{"flash", b.Flash.Base, b.Flash.End()},
		{"RAM", b.RAM.Base, b.RAM.End()},
		{"UICR", b.UICR, b.UICR + InfoSize},
		{"FICR", b.FICR.Base, b.FICR.Base + InfoSize},
	}
	if b.SICR != 0 {
		extents = append(extents, extent{"SICR", b.SICR, b.SICR + InfoSize})
	}
	if b.External != nil && b.External.XIPSize != 0 {
		extents = append(extents, extent{"XIP window", b.External.XIPBase, b.External.XIPBase + b.External.XIPSize})
	}
	slices.SortFunc(extents, func(x, y extent) int { return int(int64(x.base) - int64(y.base)) })
	for i, e := range extents {
		if e.base%InfoSize != 0 || e.end < e.base {
			c.addf("%s is from 0x%x to 0x%x", e.name, e.base, e.end)
		}
		if i > 0 && extents[i-1].end > e.base {
			c.addf("%s and %s overlap", extents[i-1].name, e.name)
		}
		if e.end > NonSecureAlias {
			c.addf("%s reaches into the peripherals", e.name)
		}
	}
}

// areas: that they cover the flash, and that protection can tell them apart.
func (c *complaints) areas(b *Board) {
	next := b.Flash.Base
	var names []string
	worlds := map[uint32]Area{} // the area that first used a region
	windows := 0                // stretches of non-secure flash
	for i, a := range b.Areas {
		if a.Name != Empty {
			names = append(names, a.Name)
		}
		if a.Base != next {
			c.addf("%s begins at 0x%x, not at 0x%x", a.Name, a.Base, next)
		}
		next = a.End()
		if a.Size == 0 || b.Flash.Page == 0 || a.Base%b.Flash.Page != 0 || a.Size%b.Flash.Page != 0 {
			c.addf("%s of 0x%x bytes is not whole pages", a.Name, a.Size)
			continue
		}
		if a.Rights&^all != 0 || a.Rights != 0 && a.Rights&bus.Read == 0 {
			c.addf("%s has rights %#x", a.Name, uint32(a.Rights))
		}
		if a.Rights == 0 && a.Attr != bus.Secure {
			c.addf("%s is non-secure, but nothing makes it so", a.Name)
		}
		if a.Attr == bus.NonSecure && (i == 0 || b.Areas[i-1].Attr != bus.NonSecure) {
			windows++
		}
		if a.Rights != 0 && (a.Base%b.Flash.Region != 0 || a.Size%b.Flash.Region != 0) {
			c.addf("%s is locked but is not whole regions", a.Name)
		}
		for r := a.Base / b.Flash.Region; r <= (a.End()-1)/b.Flash.Region; r++ {
			if w, shared := worlds[r]; shared && (w.Attr != a.Attr || w.Rights != a.Rights) {
				c.addf("%s shares region %d with %s", a.Name, r, w.Name)
			}
			worlds[r] = a
		}
		if got, ok := b.Area(a.Name); a.Name != Empty && (!ok || got != a) {
			c.addf("Area(%q) = %v, %v", a.Name, got, ok)
		}
	}
	if next != b.Flash.End() {
		c.addf("the areas end at 0x%x, the flash at 0x%x", next, b.Flash.End())
	}
	want := []string{Bootloader, SecureImage, NonSecureImage, Secondary, PS, ITS, NVCounters, NonSecureStorage}
	if b.External != nil {
		for _, a := range b.External.Areas { // in which a layout has one of them
			names = append(names, a.Name)
		}
	}
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		c.addf("the areas are %v", names)
	}
	if len(b.Emulated(MPC)) > 0 && windows+1 > 5 {
		c.addf("%d non-secure stretches of flash and one of RAM; TF-M has five windows", windows)
	}
	secure, _ := b.Area(SecureImage)
	nonSecure, _ := b.Area(NonSecureImage)
	secondary, _ := b.Area(Secondary)
	counters, _ := b.Area(NVCounters)
	if secondary.Size < secure.Size+nonSecure.Size {
		c.addf("the secondary slot does not hold both images")
	}
	if counters.Size < 2*b.Flash.Page {
		c.addf("the counters have no page for a second copy")
	}
	// A veneer region counts from the end of its SPU region, and the SPU's
	// SIZE field and the SAU know these sizes.
	if !powerOfTwo(b.Callable) || b.Callable < 32 || b.Callable > 4096 || b.Callable > secure.Size || secure.End()%b.Flash.Region != 0 {
		c.addf("0x%x callable bytes before 0x%x", b.Callable, secure.End())
	}
}

func (c *complaints) external(b *Board) {
	e := b.External
	if e == nil {
		return
	}
	if e.Part == "" || !powerOfTwo(e.Page) || e.Size == 0 || e.Size%e.Page != 0 {
		c.addf("external flash %+v", *e)
	}
	p, ok := b.Peripheral(e.Controller)
	if !ok {
		c.addf("the external flash hangs on %q, which is not there", e.Controller)
	}
	for _, a := range e.Areas {
		if a.Attr != bus.Secure || a.Size == 0 || a.Base%e.Page != 0 || a.Size%e.Page != 0 || uint64(a.Base)+uint64(a.Size) > uint64(e.Size) || p.NonSecure {
			c.addf("%s of 0x%x bytes at 0x%x of the external flash, whose controller is non-secure: %v", a.Name, a.Size, a.Base, p.NonSecure)
		}
	}
	if mapped := e.XIPSize != 0; mapped != (e.XIPBase != 0) || mapped != (p.Block == QSPI) || mapped && e.XIPSize < e.Size {
		c.addf("a window of 0x%x bytes at 0x%x to the external flash on %v", e.XIPSize, e.XIPBase, p.Block)
	}
}

func (c *complaints) ficr(b *Board) {
	sizes := map[string]uint32{
		"INFO.RAM": b.RAM.Size >> 10, "INFO.FLASH": b.Flash.Size >> 10, "INFO.RRAM": b.Flash.Size >> 10,
		"INFO.CODEPAGESIZE": b.Flash.Page, "INFO.CODESIZE": b.Flash.Size / max(b.Flash.Page, 1),
	}
	used := map[uint32]string{b.FICR.DeviceID: "INFO.DEVICEID[0]", b.FICR.DeviceID + 4: "INFO.DEVICEID[1]"}
	for _, w := range b.FICR.Words {
		if w.Off%4 != 0 || w.Off >= InfoSize {
			c.addf("FICR %s is at 0x%x", w.Name, w.Off)
		}
		if other, taken := used[w.Off]; taken {
			c.addf("FICR %s lies on %s", w.Name, other)
		}
		used[w.Off] = w.Name
		if want, known := sizes[w.Name]; known && w.Value != want {
			c.addf("FICR %s is 0x%x, the board says 0x%x", w.Name, w.Value, want)
		}
	}
}

func TestLayouts(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			b, ok := Lookup(name)
			if !ok || b.Name != name {
				t.Fatal("not found under its own name")
			}
			for _, problem := range inconsistencies(b) {
				t.Error(problem)
			}
		})
	}
}

// The checks are worth something only if they notice: each row breaks a board
// that was right.
func TestLayoutChecksNotice(t *testing.T) {
	area := func(b *Board, name string) *Area {
		return &b.Areas[slices.IndexFunc(b.Areas, func(a Area) bool { return a.Name == name })]
	}
	peripheral := func(b *Board, name string) *Peripheral {
		return &b.Peripherals[slices.IndexFunc(b.Peripherals, func(p Peripheral) bool { return p.Name == name })]
	}
	for _, row := range []struct {
		name, board string
		spoil       func(b *Board)
	}{
		{"hole between areas", "nrf5340", func(b *Board) { area(b, PS).Base += 0x1000; area(b, PS).Size -= 0x1000 }},
		{"areas short of the end", "nrf5340", func(b *Board) { area(b, NonSecureStorage).Size -= 0x4000 }},
		{"area missing", "nrf5340", func(b *Board) { area(b, ITS).Name = "stuff" }},
		{"half a page", "nrf5340", func(b *Board) { area(b, PS).Size += 0x800; area(b, ITS).Base += 0x800; area(b, ITS).Size -= 0x800 }},
		{"locked area of half a region", "nrf9160", func(b *Board) { area(b, PS).Rights = data }},
		{"two worlds in a region", "nrf9160", func(b *Board) { area(b, ITS).Attr = bus.NonSecure; area(b, ITS).Rights = data }},
		{"non-secure by nobody", "nrf5340", func(b *Board) { area(b, Secondary).Rights = 0 }},
		{"slot too small", "virt", func(b *Board) {
			area(b, Secondary).Size -= 1 << 20
			area(b, PS).Base -= 1 << 20
			area(b, PS).Size += 1 << 20
		}},
		{"smaller regions than the SPU has", "virt", func(b *Board) { b.Flash.Region = 16 << 10 }},
		{"secure RAM of half a region", "nrf5340", func(b *Board) { b.SecureRAM += 0x1000 }},
		{"no non-secure RAM", "nrf5340", func(b *Board) { b.SecureRAM = b.RAM.Size }},
		{"veneers too large", "nrf5340", func(b *Board) { b.Callable = 0x2000 }},
		{"UICR in the flash", "virt", func(b *Board) { b.UICR = 0x00FF8000 }},
		{"FICR on the UICR", "nrf5340", func(b *Board) { b.FICR.Base = b.UICR }},
		{"FICR word on another", "nrf5340", func(b *Board) { b.FICR.Words[0].Off = b.FICR.DeviceID }},
		{"FICR tells another size", "virt", func(b *Board) { b.FICR.Words = nrf5340().FICR.Words }},
		{"external flash on nothing", "nrf9160", func(b *Board) { b.External.Controller = "QSPI" }},
		{"window without a QSPI", "nrf54l15", func(b *Board) { b.External.XIPBase, b.External.XIPSize = 0x10000000, 8<<20 }},
		{"peripherals overlap", "nrf5340", func(b *Board) { peripheral(b, "P0").Size = 0x400 }},
		{"same ID", "nrf5340", func(b *Board) { peripheral(b, "CC_HOST_RGF").Base = 0x939000 }},
		{"peripheral over its page", "nrf5340", func(b *Board) { peripheral(b, "VMC").Size = 0x2000 }},
		{"ID past the array", "nrf9160", func(b *Board) { b.IDs = 66 }},
		{"wrong interrupt", "nrf54l15", func(b *Board) { peripheral(b, "TIMER20").IRQ++ }},
		{"instance twice", "nrf54l15", func(b *Board) { peripheral(b, "TIMER21").Name = "TIMER20" }},
		{"fixed secure and given away", "nrf54l15", func(b *Board) { peripheral(b, "WDT30").NonSecure = true }},
		{"fixed non-secure, secure at reset", "nrf9160", func(b *Board) { peripheral(b, "FPU").SecAttr = bus.Secure }},
		{"selectable behind no SPU", "nrf54l15", func(b *Board) { peripheral(b, "CRACENCORE").Mapping = MapUserSelectable }},
		{"ports differ in their one word", "nrf5340", func(b *Board) { peripheral(b, "P1").NonSecure = false }},
		{"debug port given away", "nrf5340", func(b *Board) { peripheral(b, "CTRLAP").NonSecure = true }},
		{"key hardware that is not there", "nrf9160", func(b *Board) { b.KeyHardware = CRACEN }},
		{"secure pin that does not exist", "nrf54l15", func(b *Board) { b.GPIO[0].Secure = 1 << 7 }},
		{"port without lines", "nrf5340", func(b *Board) { b.GPIO = b.GPIO[:1] }},
	} {
		t.Run(row.name, func(t *testing.T) {
			b, _ := Lookup(row.board)
			row.spoil(b)
			found := inconsistencies(b)
			if len(found) == 0 {
				t.Fatal("nobody noticed")
			}
			t.Log(strings.Join(found, "; "))
		})
	}
}
