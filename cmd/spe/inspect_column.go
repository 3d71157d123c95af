package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/postern-spe/postern/platform"
)

const (
	areaHeight   = 42 // the least: two lines of text
	veneerHeight = 20
	lockWidth    = 5
	pageGap      = 64 // above the information pages
	pageHeight   = areaHeight + 4
)

// column is one memory in the picture: addresses, areas, and the wear of their
// pages. Lengths are in pixels.
type column struct {
	memory      *platform.MemoryReport
	x, top      int
	height      int
	width, heat int // of the areas, and of the pages beside them; 0: none
}

// left is where the areas begin.
func (c *column) left() int { return c.x + addressWidth }

// right is where the column ends.
func (c *column) right() int {
	if c.heat == 0 {
		return c.left() + c.width
	}
	return c.left() + c.width + heatGap + c.heat
}

// heights divides the column among the areas: to scale, but each gets what its
// text needs, which the larger ones give.
func (c *column) heights() []int {
	areas := c.memory.Areas
	heights := make([]int, len(areas))
	least := func(i int) int {
		if areas[i].Callable != nil {
			return areaHeight + veneerHeight
		}
		return areaHeight
	}
	for {
		room, bytes, again := c.height, uint64(0), false
		for i, a := range areas {
			if room -= heights[i]; heights[i] == 0 {
				bytes += uint64(a.Size)
			}
		}
		for i, a := range areas {
			if heights[i] == 0 && uint64(room)*uint64(a.Size)/bytes < uint64(least(i)) {
				heights[i], again = least(i), true
			}
		}
		if again {
			continue
		}
		for i, a := range areas {
			if heights[i] == 0 {
				heights[i] = int(uint64(room) * uint64(a.Size) / bytes)
			}
		}
		return heights
	}
}

// column draws a memory.
func (p *picture) column(c *column) {
	m := c.memory
	title := map[string]string{platform.MemoryFlash: "Flash", platform.MemoryRAM: "RAM", platform.MemoryExternal: "External flash"}[m.Name]
	p.text(c.left(), c.top-52, title, headStyle)
	about := []string{size(m.Size)}
	if m.Kind != "RAM" {
		about = append([]string{m.Kind}, about...)
	}
	if m.Page > 0 {
		about = append(about, size(m.Page)+" pages")
	}
	if !m.Mapped {
		about = append(about, "not mapped, on "+m.Controller)
	}
	p.text(c.left(), c.top-32, strings.Join(about, ", "), faintStyle)
	heights := c.heights()
	step := c.regionStep(heights)
	if m.Region > 0 {
		words := fmt.Sprintf("%d regions of %s", m.Size/m.Region, size(m.Region))
		if step > 1 {
			words += fmt.Sprintf(", a line for every %dth", step)
		}
		p.text(c.left(), c.top-13, words, faintStyle)
	}
	if c.heat > 0 {
		p.text(c.left()+c.width+heatGap, c.top-13, "wear of each page", faintStyle)
	}
	cell := c.cellSize(heights)
	y := c.top
	for i := range m.Areas {
		a := &m.Areas[i]
		p.area(c, a, y, heights[i])
		p.regions(c, a, y, heights[i], step)
		p.areaText(c, a, y, heights[i])
		if c.heat > 0 {
			p.heat(m, a, c.left()+c.width+heatGap, y, c.heat, cell)
		}
		y += heights[i]
	}
	if m.Mapped {
		p.text(c.left()-8, y+4, fmt.Sprintf("0x%08x", m.End()), addressStyle)
	}
}

// regionStep is how many regions are between two lines, so that there is room
// between the lines.
func (c *column) regionStep(heights []int) uint32 {
	if c.memory.Region == 0 {
		return 0
	}
	const apart = 4
	step := uint32(1)
	for i, a := range c.memory.Areas {
		for uint64(heights[i])*uint64(step)*uint64(c.memory.Region) < apart*uint64(a.Size) {
			step *= 2
		}
	}
	return step
}

// area draws the rectangles of an area.
func (p *picture) area(c *column, a *platform.AreaReport, y, h int) {
	p.rect(c.left(), y, c.width, h-1, kindOf(a).colour(), hint(c.memory, a))
	if v := a.Callable; v != nil {
		k := kind{world: callable}
		p.rect(c.left(), y+h-veneerHeight, c.width, veneerHeight-1, k.colour(), "")
	}
	if a.Locked {
		p.rect(c.left(), y, lockWidth, h-1, ink, "")
	}
}

// regions draws the borders of the regions inside an area.
func (p *picture) regions(c *column, a *platform.AreaReport, y, h int, step uint32) {
	if step == 0 {
		return
	}
	unit := c.memory.Region * step
	var path strings.Builder
	first := (a.Base - c.memory.Base + unit) / unit * unit
	for off := first; off < a.End()-c.memory.Base; off += unit {
		at := float64(y) + float64(h)*float64(off-(a.Base-c.memory.Base))/float64(a.Size)
		fmt.Fprintf(&path, "M%d %.1fh%d", c.left()+lockWidth, at, c.width-lockWidth)
	}
	if path.Len() > 0 {
		fmt.Fprintf(p, `<path d="%s" stroke="#ffffff" stroke-opacity="0.55" fill="none"/>`+"\n", path.String())
	}
}

func (p *picture) areaText(c *column, a *platform.AreaReport, y, h int) {
	left, right := c.left()+lockWidth+9, c.left()+c.width-9
	if c.memory.Mapped {
		p.text(c.left()-8, y+16, fmt.Sprintf("0x%08x", a.Base), addressStyle)
	}
	p.text(left, y+17, a.Name, nameStyle)
	p.text(right, y+17, both(a), rightsStyle)
	p.text(left, y+34, use(c.memory, a), textStyle)
	if v := a.Callable; v != nil {
		at := y + h - veneerHeight + 14
		p.text(c.left()-8, at, fmt.Sprintf("0x%08x", v.Base), addressStyle)
		p.text(left, at, fmt.Sprintf("veneers, %s, callable", size(v.Size)), textStyle)
	}
}

// use is the size of an area, and what has become of it.
func use(m *platform.MemoryReport, a *platform.AreaReport) string {
	words := size(a.Size)
	if c := a.Cells; c != nil {
		words += ", " + share(c.Used, a.Size) + " used"
		if c.Max > 0 {
			words += ", max wear " + count(int(c.Max))
		}
	}
	return words
}

// hint is what there is to say about an area in full.
func hint(m *platform.MemoryReport, a *platform.AreaReport) string {
	words := []string{a.Name, use(m, a), string(a.World), "rights " + both(a)}
	if m.Mapped {
		words = slices.Insert(words, 1, fmt.Sprintf("0x%08x to 0x%08x", a.Base, a.End()-1))
	}
	if a.Locked {
		words = append(words, "locked")
	}
	return strings.Join(words, "; ")
}

// informationPages are the memories that are one page each.
func informationPages(r *platform.Report) []*platform.MemoryReport {
	var pages []*platform.MemoryReport
	for i := range r.Memories {
		switch m := &r.Memories[i]; m.Name {
		case platform.MemoryUICR, platform.MemoryFICR, platform.MemorySICR:
			pages = append(pages, m)
		}
	}
	return pages
}

// pages draws the information pages below a column.
func (p *picture) pages(pages []*platform.MemoryReport, above *column) {
	top := above.top + above.height + pageGap
	p.text(above.left(), top-14, "Information pages", headStyle)
	for i, m := range pages {
		a := m.Areas[0]
		a.Name = strings.ToUpper(a.Name)
		c := &column{memory: m, x: above.x, width: above.width}
		p.area(c, &a, top+i*pageHeight, areaHeight)
		p.areaText(c, &a, top+i*pageHeight, areaHeight)
	}
}
