package main

import (
	"fmt"
	"strings"

	"github.com/postern-spe/postern/platform"
)

// heatSteps is the scale of wear, about two steps to a power of ten: a page has
// the colour of the last step that it has reached.
var heatSteps = []struct {
	from   int
	colour string
}{
	{0, "#eceff1"}, {1, "#fff3a8"}, {3, "#fee07f"}, {10, "#fdc55f"}, {30, "#fda84f"}, {100, "#f98845"}, {300, "#f0653b"},
	{1000, "#dc4136"}, {3000, "#bf2740"}, {10000, "#991b4c"}, {30000, "#701452"}, {100000, "#460d4f"},
}

// wornOut is for pages at the end of what the manual guarantees.
const wornOut = "#000000"

func heatColour(m *platform.MemoryReport, wear uint32) string {
	if int(wear) >= m.Endurance {
		return wornOut
	}
	colour := heatSteps[0].colour
	for _, s := range heatSteps {
		if int(wear) >= s.from {
			colour = s.colour
		}
	}
	return colour
}

// cellSize returns the side of a page in the heat map, in pixels: the largest
// with which the pages of each area fit beside it.
func (c *column) cellSize(heights []int) int {
	if c.heat == 0 {
		return 0
	}
	for cell := 14; cell > 1; cell-- {
		fits := true
		for i, a := range c.memory.Areas {
			across := c.heat / cell
			rows := (int(a.Size/c.memory.Page) + across - 1) / across
			fits = fits && rows*cell <= heights[i]-2
		}
		if fits {
			return cell
		}
	}
	return 1
}

// heat draws the pages of an area, row after row. Pages of one colour are one
// path, in which each run of them is a line as thick as a page: that keeps a
// picture of tens of thousands of pages small. One unit of the path is a page.
func (p *picture) heat(m *platform.MemoryReport, a *platform.AreaReport, x, y, width, cell int) {
	across := width / cell
	pages := m.WearOf(a)
	const roomy = 6 // pixels: from here on there is a gap between pages
	thick := "1"
	if cell >= roomy {
		thick = fmt.Sprintf("%.2f", 1-1/float64(cell))
	}
	paths := make(map[string]*strings.Builder)
	var order []string
	for n := 0; n < len(pages); {
		colour, run := heatColour(m, pages[n]), 1
		for cell < roomy && n+run < len(pages) && (n+run)%across != 0 && heatColour(m, pages[n+run]) == colour {
			run++
		}
		if paths[colour] == nil {
			paths[colour] = new(strings.Builder)
			order = append(order, colour)
		}
		length := fmt.Sprint(run)
		if cell >= roomy {
			length = thick
		}
		fmt.Fprintf(paths[colour], "M%d %dh%s", n%across, n/across, length)
		n += run
	}
	fmt.Fprintf(p, `<g transform="translate(%d %.1f) scale(%d)" fill="none" stroke-width="%s">`+"\n", x, float64(y)+float64(cell)/2, cell, thick)
	for _, colour := range order {
		fmt.Fprintf(p, `<path stroke="%s" d="%s"/>`+"\n", colour, paths[colour].String())
	}
	p.WriteString("</g>\n")
}

// heatLegend draws the scale, as far as the memories can get, and returns where
// it ends.
func (p *picture) heatLegend(memories []*platform.MemoryReport, y int) int {
	const width = 62
	p.text(margin, y, "Wear", headStyle)
	var limits []string
	longest := 0
	for _, m := range memories {
		done := "erases of a page"
		if m.WearUnit == platform.WearLine {
			done = "writes of its most written line"
		}
		limits = append(limits, fmt.Sprintf("%s: %s, good for %s", m.Name, done, count(m.Endurance)))
		longest = max(longest, m.Endurance)
	}
	p.text(margin+58, y, "one cell for each page; "+strings.Join(limits, "; "), faintStyle)
	x := margin
	for _, s := range heatSteps {
		if s.from >= longest {
			break
		}
		p.rect(x, y+16, width-2, 18, s.colour, "")
		words := count(s.from)
		if s.from > 0 {
			words = "from " + words
		}
		p.text(x, y+50, words, style{size: 11.5})
		x += width + 8*max(0, len(words)-8)
	}
	x += 12
	p.rect(x, y+16, width-2, 18, wornOut, "")
	p.text(x, y+50, "guarantee used up", style{size: 11.5})
	return y + 50 + margin
}
