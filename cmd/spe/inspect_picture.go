package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"github.com/postern-spe/postern/platform"
)

// The picture is one SVG with nothing outside it: three columns side by side,
// flash, RAM with the information pages below, and external flash, each from low
// addresses at the top to high ones. Its units are pixels.
const (
	pictureWidth = 1712
	margin       = 40
	mapTop       = 190 // where the columns begin
	mapHeight    = 800

	addressWidth = 92 // left of a column
	columnGap    = 36 // between columns
	heatGap      = 8  // between an area and its pages
)

const (
	ink   = "#1b1f24"
	faint = "#5b6570"
)

// drawReport draws the memory map of a report as SVG. Its size does not grow with
// the memories but with what differs in wear: below 0.5 MB for any device.
func drawReport(r *platform.Report) []byte {
	var p picture
	var shown []*platform.MemoryReport // that have a wear heat map
	x := margin
	for i := range r.Memories {
		switch m := &r.Memories[i]; m.Name {
		case platform.MemoryFlash:
			c := column{memory: m, x: x, top: mapTop, height: mapHeight, width: 300, heat: 224}
			p.column(&c)
			x, shown = c.right()+columnGap, append(shown, m)
		case platform.MemoryRAM:
			pages := informationPages(r)
			below := pageGap + len(pages)*pageHeight
			c := column{memory: m, x: x, top: mapTop, height: mapHeight - below, width: 220}
			p.column(&c)
			p.pages(pages, &c)
			x = c.right() + columnGap
		case platform.MemoryExternal:
			c := column{memory: m, x: x, top: mapTop, height: mapHeight, width: 300, heat: 224}
			p.column(&c)
			shown = append(shown, m)
		}
	}
	bottom := p.legend(r, shown, mapTop+mapHeight+58)

	var out picture
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 %d %d" width="%d" height="%d" `+
		`font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" fill="%s">`+"\n", pictureWidth, bottom, pictureWidth, bottom, ink)
	fmt.Fprintf(&out, "<title>%s</title>\n", escape("Memory map of "+r.Board+" "+r.ID))
	out.rect(0, 0, pictureWidth, bottom, "#ffffff", "")
	out.header(r)
	out.Write(p.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// picture is the SVG as it is written.
type picture struct{ bytes.Buffer }

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}

// rect draws a rectangle. hint, if there is one, is shown by viewers that show
// such things when the pointer is over it.
func (p *picture) rect(x, y, w, h int, fill, hint string) {
	fmt.Fprintf(p, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"`, x, y, w, h, fill)
	if hint == "" {
		p.WriteString("/>\n")
		return
	}
	fmt.Fprintf(p, "><title>%s</title></rect>\n", escape(hint))
}

// style is how text looks: its size, and attributes besides.
type style struct {
	size  float64
	more  string
	right bool // x is where it ends
}

var (
	titleStyle   = style{size: 26, more: `font-weight="700"`}
	headStyle    = style{size: 17, more: `font-weight="700"`}
	nameStyle    = style{size: 13.5, more: `font-weight="600"`}
	textStyle    = style{size: 12.5}
	faintStyle   = style{size: 12.5, more: `fill="` + faint + `"`}
	rightsStyle  = style{size: 12.5, more: mono, right: true}
	addressStyle = style{size: 12, more: mono + ` fill="` + faint + `"`, right: true}
)

const mono = `font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"`

func (p *picture) text(x, y int, s string, as style) {
	fmt.Fprintf(p, `<text x="%d" y="%d" font-size="%v"`, x, y, as.size)
	if as.right {
		p.WriteString(` text-anchor="end"`)
	}
	if as.more != "" {
		p.WriteString(" " + as.more)
	}
	fmt.Fprintf(p, ">%s</text>\n", escape(s))
}

func (p *picture) header(r *platform.Report) {
	p.text(margin, 58, r.Board, titleStyle)
	state := r.Lifecycle
	if r.UsedBy != 0 {
		state += fmt.Sprintf(", in use by pid %d", r.UsedBy)
	}
	p.text(margin, 84, fmt.Sprintf("device %s, made %s UTC, lifecycle: %s", r.ID, r.Created.UTC().Format(time.DateTime), state), textStyle)
	p.text(margin, 104, fmt.Sprintf("debug: %s; APPROTECT %s, SECUREAPPROTECT %s, ERASEPROTECT %s; %s", r.Debug.Policy,
		protection(r.Debug.APProtect), protection(r.Debug.SecureAPProtect), protection(r.Debug.EraseProtect), portWords(r)), textStyle)
}

// legend explains the colours that are used, and returns where the picture ends.
func (p *picture) legend(r *platform.Report, heat []*platform.MemoryReport, y int) int {
	p.text(margin, y, "Worlds and rights", headStyle)
	p.text(margin+190, y, "rights are those of secure code and of non-secure code, after boot", faintStyle)
	x, line := margin, y+18
	for _, k := range kindsOf(r) {
		const swatch = 28
		words := k.String()
		width := swatch + 8 + 8*len(words) + 18
		if x+width > pictureWidth-margin {
			x, line = margin, line+28
		}
		p.rect(x, line, swatch, 18, k.colour(), "")
		p.text(x+swatch+8, line+14, words, textStyle)
		x += width
	}
	line += 28
	p.rect(margin, line, lockWidth, 18, ink, "")
	p.text(margin+lockWidth+8, line+14, "attribute and rights locked until the next reset", textStyle)
	p.text(margin+360, line+14, "White lines: the regions that the SPU or the MPC protects by. Heights are to scale but for small areas.", textStyle)
	return p.heatLegend(heat, line+62)
}
