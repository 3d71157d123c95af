package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/postern-spe/postern/platform"
)

// reportTable is a report for people, for a screen of 100 columns. It is wider
// where the directory's name is, or where the counts of wear have five digits.
func reportTable(r *platform.Report, dir string) string {
	var b strings.Builder
	b.WriteString(heading(r, dir))
	for i := range r.Memories {
		if m := &r.Memories[i]; len(m.Areas) > 1 || m.Name == platform.MemoryExternal {
			fmt.Fprintf(&b, "\n%s\n%s", memoryTitle(m), areaTable(m))
		}
	}
	fmt.Fprintf(&b, "\nINFORMATION PAGES\n%s", pageTable(r))
	b.WriteString(slotTable(r))
	b.WriteString(counterTable(r))
	return b.String()
}

func heading(r *platform.Report, dir string) string {
	debug := fmt.Sprintf("%s; APPROTECT %s, SECUREAPPROTECT %s, ERASEPROTECT %s", r.Debug.Policy,
		protection(r.Debug.APProtect), protection(r.Debug.SecureAPProtect), protection(r.Debug.EraseProtect))
	t := table{align: "ll"}
	t.row("device", dir)
	t.row("board", fmt.Sprintf("%s, keys in the KMU for the %s", r.Board, r.KeyHardware))
	t.row("id", r.ID)
	t.row("made", r.Created.UTC().Format(time.DateTime)+" UTC")
	t.row("state", stateWords(r.Lifecycle, r.UsedBy))
	t.row("debug", debug)
	t.row("", portWords(r))
	for i, words := range itsWords(&r.ITS) {
		t.row([]string{"ITS", ""}[min(i, 1)], words)
	}
	return t.String()
}

// stateWords is a device's lifecycle, and which process uses it.
func stateWords(lifecycle string, usedBy int) string {
	switch lifecycle {
	case platform.LifecycleBlank:
		lifecycle = "blank: wiped, with no keys and nothing to boot"
	case platform.LifecycleErasing:
		lifecycle = "erasing: an ERASEALL has begun, which the next boot completes"
	}
	if usedBy != 0 {
		lifecycle += fmt.Sprintf(" (in use by pid %d)", usedBy)
	}
	return lifecycle
}

func protection(on bool) string {
	if on {
		return "protected"
	}
	return "open"
}

func portWords(r *platform.Report) string {
	if r.Lifecycle == platform.LifecycleBlank {
		return "a debugger sees the blank memory from the ERASEALL to the next reset"
	}
	switch r.Debug.Port {
	case platform.PortOpen:
		return "a debugger sees both worlds after boot"
	case platform.PortNonSecure:
		return "a debugger sees the non-secure world after boot"
	}
	return "a debugger sees no memory after boot"
}

func memoryTitle(m *platform.MemoryReport) string {
	words := []string{m.Kind, size(m.Size)}
	if m.Name == platform.MemoryRAM {
		words = words[1:]
	}
	if m.Page > 0 {
		words = append(words, size(m.Page)+" pages")
	}
	if m.Region > 0 {
		words = append(words, size(m.Region)+" regions")
	}
	if m.Endurance > 0 {
		done := "erases of a page"
		if m.WearUnit == platform.WearLine {
			done = "writes of a line"
		}
		words = append(words, fmt.Sprintf("good for %s %s", count(m.Endurance), done))
	}
	if m.Controller != "" && !m.Mapped {
		words = append(words, "on "+m.Controller+", not mapped")
	}
	return strings.ToUpper(m.Name) + "  " + strings.Join(words, ", ")
}

// areaTable is the areas of one memory.
func areaTable(m *platform.MemoryReport) string {
	t := table{indent: "  ", align: "lrrlllrrrrr"}
	head := []string{"area", "base", "size", "world", "S   NS", "locked"}
	worn := m.WearUnit != ""
	if worn {
		head = append(head, "used", "min", "mean", "max", "words")
	}
	if worn && (m.WearUnit == platform.WearLine || m.Name == platform.MemoryExternal) {
		head = head[:len(head)-1] // not counted there
	}
	t.row(head...)
	for i := range m.Areas {
		a := &m.Areas[i]
		row := []string{a.Name, address(m, a.Base), size(a.Size), string(a.World), both(a), mark(a.Locked)}
		if c := a.Cells; c != nil {
			row = append(row, share(c.Used, a.Size), fmt.Sprint(c.Min), mean(c.Mean), fmt.Sprint(c.Max), fmt.Sprint(c.Written))
		}
		t.row(row[:len(head)]...)
		if c := a.Callable; c != nil {
			t.row("  veneers", address(m, c.Base), size(c.Size), "callable")
		}
	}
	return t.String()
}

// pageTable is the memories that are one page.
func pageTable(r *platform.Report) string {
	t := table{indent: "  ", align: "lrrllrrr"}
	t.row("page", "base", "size", "world", "S   NS", "used", "erases", "words")
	for i := range r.Memories {
		m := &r.Memories[i]
		switch m.Name {
		case platform.MemoryUICR, platform.MemoryFICR, platform.MemorySICR:
		default:
			continue
		}
		a := &m.Areas[0]
		row := []string{strings.ToUpper(m.Name), fmt.Sprintf("0x%08x", a.Base), size(a.Size), string(a.World), both(a)}
		if c := a.Cells; c != nil {
			row = append(row, share(c.Used, a.Size), fmt.Sprint(c.Max), fmt.Sprint(c.Written))
		}
		t.row(row...)
	}
	return t.String()
}

func slotTable(r *platform.Report) string {
	used := 0
	t := table{indent: "  ", align: "lll"}
	t.row("slots", "state", "use")
	for _, s := range r.Slots.Used {
		used += s.Last - s.First + 1
		name := strconv.Itoa(s.First)
		if s.Last > s.First {
			name += fmt.Sprintf("-%d", s.Last)
		}
		t.row(name, s.State, s.Use)
	}
	title := fmt.Sprintf("\nKEY SLOTS  %d of %d in use\n", used, r.Slots.Total)
	if used == 0 {
		return title
	}
	return title + t.String()
}

func counterTable(r *platform.Report) string {
	if len(r.Counters) == 0 {
		return ""
	}
	const across = 4
	t := table{indent: "  ", align: strings.Repeat("lr", across)}
	var row []string
	for i, c := range r.Counters {
		row = append(row, c.Name, strconv.FormatUint(uint64(c.Value), 10))
		if len(row) == 2*across || i == len(r.Counters)-1 {
			t.row(row...)
			row = nil
		}
	}
	return "\nCOUNTERS\n" + t.String()
}

// both is the rights of the two worlds, each under its heading.
func both(a *platform.AreaReport) string { return string(a.Secure) + " " + string(a.NonSecure) }

func mark(yes bool) string {
	if yes {
		return "yes"
	}
	return "-"
}

func address(m *platform.MemoryReport, addr uint32) string {
	if !m.Mapped {
		return fmt.Sprintf("+0x%08x", addr-m.Base)
	}
	return fmt.Sprintf("0x%08x", addr)
}

// size is a number of bytes in the largest unit that it is a multiple of.
func size(n uint32) string {
	switch {
	case n > 0 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n > 0 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

// count is a number with its thousands apart.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// mean is a mean with as many digits as say something.
func mean(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

// share is used of n in per cent: 0 and 100 only where that is exact.
func share(used, n uint32) string {
	p := 100 * float64(used) / float64(n)
	switch {
	case used == 0, used == n:
		return fmt.Sprintf("%.0f %%", p)
	case p < 0.1:
		return "<0.1 %"
	case p > 99.9:
		return ">99.9 %"
	}
	return fmt.Sprintf("%.1f %%", p)
}

// table lines columns up, two spaces apart.
type table struct {
	indent string
	align  string // l or r for each column
	rows   [][]string
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) String() string {
	widths := make([]int, len(t.align))
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		line := t.indent
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-len(cell))
			if t.align[i] == 'r' {
				cell = pad + cell
			} else {
				cell += pad
			}
			line += cell + "  "
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}
