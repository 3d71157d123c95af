package main

import (
	"fmt"
	"strings"

	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/board"
)

// storageTable is a report of the storage for people, for a screen of 100 columns.
func storageTable(r *storageReport, dir string) string {
	var b strings.Builder
	b.WriteString(storageHeading(r, dir))
	for i := range r.Areas {
		a := &r.Areas[i]
		fmt.Fprintf(&b, "\n%s\n%s", a.title(), a.rows())
		switch {
		case a.Store != nil:
			fmt.Fprintf(&b, "  [%s]  # live, : dead, . free\n", a.Store.bar())
		case a.Counters != nil:
			fmt.Fprintf(&b, "  [%s]  # records, . room for more\n", a.Counters.bar())
		}
		fmt.Fprintf(&b, "   %-*s   %s\n", barWidth, heatLine(a.Wear.Pages, a.Wear.Endurance), heatWords(a))
	}
	if len(r.Areas) > 0 {
		b.WriteString("\n" + heatKey(r))
	}
	return b.String()
}

func (a *storageArea) title() string {
	name := map[string]string{board.ITS: "INTERNAL TRUSTED STORAGE", board.PS: "PROTECTED STORAGE", board.NVCounters: "NV COUNTERS"}[a.Name]
	pages := a.Size / a.PageSize
	return fmt.Sprintf("%s  %s: %s, %s from %s, %s", name, a.Name, a.Memory, size(a.Size), a.address(),
		plural(int(pages), "page")+" of "+size(a.PageSize))
}

// rows is what there is to say of an area, a line for each subject.
func (a *storageArea) rows() string {
	t := table{indent: "  ", align: "ll"}
	state := string(a.State)
	switch {
	case len(a.Damage) > 0:
		state += " in " + plural(len(a.Damage), "place") + ", see spe fsck"
	case len(a.Repairs) > 0:
		state += ", repaired by the next boot"
	}
	t.row("state", state)
	if s := a.Store; s != nil {
		assets := fmt.Sprintf("%s, %s as they are stored", count(s.Assets), plural(s.Bytes, "byte"))
		if s.Corrupt > 0 {
			assets += fmt.Sprintf("; %s of them DATA_CORRUPT", count(s.Corrupt))
		}
		t.row("assets", assets)
		t.row("records", fmt.Sprintf("%s, %s of removals that are still needed, %s torn", count(s.Records), count(s.Removals), count(s.Torn)))
		t.row("pages", fmt.Sprintf("%s of %s in use, and one more is the reserve", count(s.InUse), count(s.Pages-1)))
		n := uint32(s.Capacity)
		t.row("full", fmt.Sprintf("%s of %s: %s dead, %s free", share(uint32(s.Live), n), plural(s.Capacity, "byte"),
			share(uint32(s.Dead), n), share(uint32(s.Free), n)))
		t.row("fits", s.fits())
	}
	if c := a.Counters; c != nil {
		t.row("records", fmt.Sprintf("%s, room for %s; moved between its halves %s", count(c.Records), count(c.Room), plural(int(c.Moves), "time")))
	}
	done := "erases of a page"
	if a.Wear.Unit == platform.WearLine {
		done = "writes of a line"
	}
	t.row("wear", fmt.Sprintf("%d to %d, mean %s %s; good for %s: %s used up", a.Wear.Min, a.Wear.Max, mean(a.Wear.Mean), done,
		count(a.Wear.Endurance), a.worn()))
	return t.String()
}

func (s *storeReport) fits() string {
	if s.Largest < 0 {
		return "no other asset"
	}
	return "one more asset of " + plural(s.Largest, "byte") + " as it is stored, at least"
}

// barWidth is how wide bars and heat lines are.
const barWidth = 64

func (s *storeReport) bar() string {
	return bar(s.Capacity, []int{s.Live, s.Dead}, "#:")
}

func (c *countersReport) bar() string { return bar(c.Room, []int{c.Records}, "#") }

// bar draws parts of a whole, each with a sign of its own, and dots for the rest. A
// part that there is has one sign at least, and there is a dot if there is a rest.
func bar(whole int, parts []int, signs string) string {
	var b strings.Builder
	rest := whole
	for i, n := range parts {
		rest -= n
		width := (n*barWidth + whole/2) / whole
		if n > 0 {
			width = max(width, 1)
		}
		keep := 0 // for what is still to come
		for _, later := range append(parts[i+1:len(parts):len(parts)], rest-sum(parts[i+1:])) {
			if later > 0 {
				keep++
			}
		}
		b.WriteString(strings.Repeat(signs[i:i+1], min(width, barWidth-b.Len()-keep)))
	}
	last := "."
	if rest == 0 && b.Len() > 0 { // nothing but rounding is left
		last = b.String()[b.Len()-1:]
	}
	b.WriteString(strings.Repeat(last, barWidth-b.Len()))
	return b.String()
}

func sum(list []int) (n int) {
	for _, v := range list {
		n += v
	}
	return n
}

// heatSigns stand for the steps of the scale of wear, which is the picture's.
const heatSigns = ".123456789ab"

// wornOutSign is for pages at the end of what the manual guarantees.
const wornOutSign = '!'

func heatSign(wear uint32, endurance int) byte {
	if int(wear) >= endurance {
		return wornOutSign
	}
	sign := heatSigns[0]
	for i, s := range heatSteps {
		if int(wear) >= s.from {
			sign = heatSigns[i]
		}
	}
	return sign
}

// pagesEach is how many pages a sign of a heat line stands for.
func pagesEach(pages int) int { return (pages + barWidth - 1) / barWidth }

// heatLine has a sign for each page, or for the most worn of several.
func heatLine(pages []uint32, endurance int) string {
	var b strings.Builder
	each := pagesEach(len(pages))
	for at := 0; at < len(pages); at += each {
		most := uint32(0)
		for _, wear := range pages[at:min(at+each, len(pages))] {
			most = max(most, wear)
		}
		b.WriteByte(heatSign(most, endurance))
	}
	return b.String()
}

func heatWords(a *storageArea) string {
	if each := pagesEach(len(a.Wear.Pages)); each > 1 {
		return fmt.Sprintf("wear of every %d pages", each)
	}
	return "wear of each page"
}

// heatKey explains the signs as far as the areas can get.
func heatKey(r *storageReport) string {
	longest := 0
	for i := range r.Areas {
		longest = max(longest, r.Areas[i].Wear.Endurance)
	}
	words := []string{"."}
	for i, s := range heatSteps[1:] {
		if s.from >= longest {
			break
		}
		words = append(words, fmt.Sprintf("%c from %s", heatSigns[i+1], count(s.from)))
	}
	words[0] = ". none"
	text := "wear: " + strings.Join(words, ", ") + ", " + string(wornOutSign) + " guarantee used up"
	return wrap(text, 96)
}

// wrap breaks a text into lines, after commas.
func wrap(text string, width int) string {
	var b strings.Builder
	line := ""
	for i, part := range strings.Split(text, ", ") {
		if i > 0 {
			line += ","
			if len(line)+1+len(part) > width {
				b.WriteString(line + "\n")
				line = "     "
			}
			line += " "
		}
		line += part
	}
	b.WriteString(line + "\n")
	return b.String()
}
