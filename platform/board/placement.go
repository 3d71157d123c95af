package board

import (
	"fmt"
	"slices"

	"github.com/postern-spe/postern/platform/bus"
)

// Region is a memory, by the name that nRF Connect SDK's Partition Manager has for
// it.
type Region string

const (
	FlashPrimary  Region = "flash_primary"  // the internal flash
	ExternalFlash Region = "external_flash" // the board's external flash
)

// Placement is where an area is that a device can have elsewhere than its board's
// table.
type Placement struct {
	Area string `json:"area"` // PS, ITS, NVCounters or NonSecureStorage
	// Region is FlashPrimary or, for PS, ExternalFlash.
	Region Region `json:"region"`
	// Address is the bus address, in external flash the offset from its start. It
	// and Size, in bytes, are whole pages; of NonSecureStorage whole regions.
	Address uint32 `json:"address"`
	Size    uint32 `json:"size"`
}

// end returns the first address after it.
func (p Placement) end() uint64 { return uint64(p.Address) + uint64(p.Size) }

// PlacementError is a placement that cannot be.
type PlacementError struct {
	Area string // the placement's
	What string
}

func (e *PlacementError) Error() string { return e.Area + ": " + e.What }

// Movable returns the names of the areas that a Placement can name. The others are
// the images: where those are is fixed, in the OTP among other things.
func Movable() []string { return []string{PS, ITS, NVCounters, NonSecureStorage} }

// leastPages is how many pages an area has at least: a log needs one in reserve,
// the counters a second copy.
const leastPages = 2

// Place puts areas where a layout has them; those that it does not name stay. What
// is left over of the flash becomes areas named Empty. The division between the
// worlds follows: all flash is secure but the images and the storage that are not.
// Where Protected Storage goes to external flash, the controller of that is the
// secure world's: two drivers cannot share it. A *PlacementError says what cannot
// be, and then the board is as it was.
func (b *Board) Place(placements []Placement) error {
	if len(placements) == 0 {
		return nil
	}
	areas := slices.Clone(b.Areas)
	var outside []Area
	var placed []string
	for _, p := range placements {
		bad := func(format string, args ...any) error {
			return &PlacementError{p.Area, fmt.Sprintf(format, args...)}
		}
		i := slices.IndexFunc(areas, func(a Area) bool { return a.Name == p.Area })
		switch {
		case !slices.Contains(Movable(), p.Area):
			return bad("not an area that can be placed")
		case slices.Contains(placed, p.Area):
			return bad("placed twice")
		case i < 0:
			return bad("board %s has no such area", b.Name)
		}
		if what := b.unfit(p, areas[i].Attr); what != "" {
			return bad("%s", what)
		}
		placed = append(placed, p.Area)
		areas[i].Base, areas[i].Size = p.Address, p.Size
		if p.Region == ExternalFlash {
			outside = append(outside, areas[i])
			areas = slices.Delete(areas, i, i+1)
		}
	}
	slices.SortStableFunc(areas, func(x, y Area) int { return int(int64(x.Base) - int64(y.Base)) })
	if err := overlap(areas, placed); err != nil {
		return err
	}
	b.Areas = b.withEmpty(areas)
	if len(outside) > 0 {
		b.External.Areas = outside
		b.keepController()
	}
	return nil
}

// unfit says why nothing can be where a placement is, whatever lies there: "" if
// something can.
func (b *Board) unfit(p Placement, attr bus.Attribute) string {
	base, end, unit, units := uint64(b.Flash.Base), uint64(b.Flash.End()), b.Flash.Page, "pages"
	memory := fmt.Sprintf("flash from 0x%x to 0x%x", base, end)
	switch {
	case p.Region == ExternalFlash && p.Area != PS:
		return "is in external flash, where only Protected Storage is safe"
	case p.Region == ExternalFlash && b.External == nil:
		return "is in external flash, and board " + b.Name + " has none"
	case p.Region == ExternalFlash:
		base, end, unit = 0, uint64(b.External.Size), b.External.Page
		memory = fmt.Sprintf("external flash of 0x%x bytes", end)
	case p.Region != FlashPrimary:
		return fmt.Sprintf("is in the region %q: there is %s and %s", p.Region, FlashPrimary, ExternalFlash)
	case attr == bus.NonSecure:
		unit, units = b.Flash.Region, "regions, by which protection is given,"
	}
	switch {
	case p.Address%unit != 0 || p.Size%unit != 0:
		return fmt.Sprintf("0x%x bytes at 0x%x are not whole %s of 0x%x bytes", p.Size, p.Address, units, unit)
	case uint64(p.Address) < base || p.end() > end:
		return fmt.Sprintf("0x%x to 0x%x is not inside the %s", p.Address, p.end(), memory)
	case p.Size < leastPages*b.Flash.Page:
		return fmt.Sprintf("0x%x bytes are less than %d pages of 0x%x", p.Size, leastPages, b.Flash.Page)
	}
	return ""
}

// overlap finds two areas, of those in ascending order, that share bytes, and
// blames one that was placed.
func overlap(areas []Area, placed []string) error {
	for i, a := range areas[1:] {
		before := areas[i]
		if before.End() <= a.Base {
			continue
		}
		if !slices.Contains(placed, a.Name) {
			a, before = before, a
		}
		world := "secure"
		if before.Attr == bus.NonSecure {
			world = "non-secure"
		}
		return &PlacementError{a.Name, fmt.Sprintf("0x%x to 0x%x overlaps %s, which is %s, from 0x%x to 0x%x", a.Base, a.End(), before.Name, world, before.Base, before.End())}
	}
	return nil
}

// withEmpty puts areas between areas, so that they cover the flash. They are
// secure, as flash is after a reset.
func (b *Board) withEmpty(areas []Area) []Area {
	var all []Area
	at := b.Flash.Base
	fill := func(end uint32) {
		if end > at {
			all = append(all, Area{Empty, at, end - at, bus.Secure, 0})
		}
	}
	for _, a := range areas {
		fill(a.Base)
		all, at = append(all, a), a.End()
	}
	fill(b.Flash.End())
	return all
}

// keepController keeps the controller of the external flash for the secure world.
func (b *Board) keepController() {
	for i := range b.Peripherals {
		if p := &b.Peripherals[i]; slices.Contains(p.Instances(), b.External.Controller) {
			p.NonSecure = false
		}
	}
}

// Placements returns where the movable areas are, in the order of Movable: what
// Place would put where it is.
func (b *Board) Placements() []Placement {
	var all []Placement
	for _, name := range Movable() {
		if a, ok := b.Area(name); ok {
			all = append(all, Placement{name, FlashPrimary, a.Base, a.Size})
		} else if a, ok := b.External.Area(name); ok {
			all = append(all, Placement{name, ExternalFlash, a.Base, a.Size})
		}
	}
	return all
}
