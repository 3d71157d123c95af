package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/board"
)

// inspected provisions a device and returns its report.
func inspected(t *testing.T, o platform.ProvisionOptions) *platform.Report {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dev")
	if _, err := platform.Provision(dir, o); err != nil {
		t.Fatal(err)
	}
	r, err := platform.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wear makes up wear for a report, as different from page to page as can be.
func wear(r *platform.Report) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range r.Memories {
		m := &r.Memories[i]
		for page := range m.PageWear {
			// Every power of ten about as often as the others.
			m.PageWear[page] = uint32(1) << rng.IntN(18)
		}
		for j := range m.Areas {
			if c := m.Areas[j].Cells; c != nil {
				c.Max, c.Used = 131072, m.Areas[j].Size-1
			}
		}
	}
}

// TestShownReports shows the report of a device of every board in each way, and
// of one with its areas elsewhere.
func TestShownReports(t *testing.T) {
	devices := make(map[string]platform.ProvisionOptions)
	for _, name := range board.Names() {
		devices[name] = platform.ProvisionOptions{Board: name}
		devices[name+", placed"] = platform.ProvisionOptions{
			Board:  name,
			Layout: []board.Placement{{Area: board.PS, Region: board.ExternalFlash, Address: 0x100000, Size: 0x200000}},
			ITS:    platform.ITSOptions{Encrypted: true, Limits: platform.ITSLimits{Bytes: 1<<31 - 1, Assets: 1<<31 - 1, AssetSize: 1<<31 - 1}},
		}
	}
	for name, o := range devices {
		t.Run(name, func(t *testing.T) {
			r := inspected(t, o)
			testTable(t, r)
			testPicture(t, r)
			wear(r)
			testPicture(t, r)
		})
	}
}

// testTable: it fits the screen, and every area is in it.
func testTable(t *testing.T, r *platform.Report) {
	text := reportTable(r, "dev")
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 || strings.HasSuffix(line, " \n") {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	for _, m := range r.Memories {
		for _, a := range m.Areas {
			if !strings.Contains(text, fmt.Sprintf("0x%08x", a.Base)) || !strings.Contains(strings.ToLower(text), a.Name) {
				t.Errorf("no %s at 0x%08x", a.Name, a.Base)
			}
		}
	}
}

func TestTableOfNumbers(t *testing.T) {
	for _, row := range []struct{ got, want string }{
		{size(32), "32 B"}, {size(0x400), "1 KiB"}, {size(1524 << 10), "1524 KiB"}, {size(64 << 20), "64 MiB"}, {size(0), "0 B"},
		{count(0), "0"}, {count(999), "999"}, {count(10000), "10 000"}, {count(1234567), "1 234 567"},
		{share(0, 100), "0 %"}, {share(100, 100), "100 %"}, {share(1, 1<<20), "<0.1 %"}, {share(1<<20-1, 1<<20), ">99.9 %"}, {share(1, 8), "12.5 %"},
		{mean(0.25), "0.2"}, {mean(99.9), "99.9"}, {mean(1234.5), "1234"},
	} {
		if row.got != row.want {
			t.Errorf("%q, want %q", row.got, row.want)
		}
	}
}

// TestJSONNames: scripts read these.
func TestJSONNames(t *testing.T) {
	text, err := json.Marshal(inspected(t, platform.ProvisionOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	var r map[string]any
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	flash := r["memories"].([]any)[0].(map[string]any)
	area := flash["areas"].([]any)[1].(map[string]any)
	for _, row := range []struct {
		name  string
		in    map[string]any
		names string
	}{
		{"report", r, "board counters created debug device_id its key_hardware key_slots lifecycle memories"},
		{"debug", r["debug"].(map[string]any), "approtect eraseprotect policy port secure_approtect"},
		{"memory", flash, "areas base endurance kind mapped name page_size region_size size wear_unit"},
		{"area", area, "base callable cells locked name non_secure_rights secure_rights size world"},
		{"cells", area["cells"].(map[string]any), "used_bytes wear_max wear_mean wear_min words_written"},
		{"slots", r["key_slots"].(map[string]any), "total used"},
		{"slot", r["key_slots"].(map[string]any)["used"].([]any)[0].(map[string]any), "first last state use"},
		{"counter", r["counters"].([]any)[0].(map[string]any), "name value"},
	} {
		var names []string
		for name := range row.in {
			names = append(names, name)
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != row.names {
			t.Errorf("%s: %s, want %s", row.name, got, row.names)
		}
	}
}

// testPicture: it is XML that needs nothing else, is small, and has all that it
// draws inside.
func testPicture(t *testing.T, r *platform.Report) {
	svg := drawReport(r)
	if len(svg) > 500_000 {
		t.Errorf("%d bytes", len(svg))
	}
	for _, outside := range []string{"href", "url(", "@import", "<image", "<script", "<style"} {
		if bytes.Contains(svg, []byte(outside)) {
			t.Errorf("it has %q", outside)
		}
	}
	texts := testElements(t, svg)
	for _, m := range r.Memories {
		for _, a := range m.Areas {
			if !slices.Contains(texts, a.Name) && !slices.Contains(texts, strings.ToUpper(a.Name)) {
				t.Errorf("no %s", a.Name)
			}
			if m.Mapped && !slices.Contains(texts, fmt.Sprintf("0x%08x", a.Base)) {
				t.Errorf("no address of %s", a.Name)
			}
		}
	}
}

// box is where a text is, with the width that a broad font would give it.
type box struct{ x0, x1, y0, y1 float64 }

// testElements parses the picture, checks that nothing leaves it and that no text
// runs into another, and returns the texts.
func testElements(t *testing.T, svg []byte) (texts []string) {
	var width, height float64
	var at *box
	var size float64
	var end bool
	boxes := make(map[string]box)
	dec := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return texts
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			number := func(name string) float64 {
				for _, a := range e.Attr {
					if a.Name.Local == name {
						v, err := strconv.ParseFloat(a.Value, 64)
						if err != nil {
							t.Fatal(err)
						}
						return v
					}
				}
				return 0
			}
			switch e.Name.Local {
			case "svg":
				width, height = number("width"), number("height")
			case "rect":
				if x, y, w, h := number("x"), number("y"), number("width"), number("height"); x < 0 || y < 0 || w <= 0 || h <= 0 || x+w > width || y+h > height {
					t.Errorf("a rectangle of %v x %v at %v, %v", w, h, x, y)
				}
			case "text":
				size = number("font-size")
				at = &box{x0: number("x"), y0: number("y") - 0.8*size, y1: number("y") + 0.2*size}
				end = slices.ContainsFunc(e.Attr, func(a xml.Attr) bool { return a.Name.Local == "text-anchor" })
			}
		case xml.CharData:
			if at == nil {
				continue
			}
			n := 0.56 * size * float64(utf8.RuneCount(e))
			at.x1 = at.x0 + n
			if end {
				at.x0, at.x1 = at.x0-n, at.x0
			}
			texts = append(texts, string(e))
			if at.x0 < 0 || at.y0 < 0 || at.x1 > width || at.y1 > height {
				t.Errorf("%q leaves the picture: %+v", e, *at)
			}
			for other, b := range boxes {
				if at.x0 < b.x1 && b.x0 < at.x1 && at.y0 < b.y1 && b.y0 < at.y1 {
					t.Errorf("%q runs into %q", e, other)
				}
			}
			boxes[fmt.Sprintf("%s (%d)", e, len(boxes))] = *at
		case xml.EndElement:
			if e.Name.Local == "text" {
				at = nil
			}
		}
	}
}

// TestHeatColours: the scale climbs, and its end is the endurance.
func TestHeatColours(t *testing.T) {
	m := &platform.MemoryReport{Endurance: 10000}
	for _, row := range []struct {
		wear uint32
		want string
	}{
		{0, heatSteps[0].colour}, {1, heatSteps[1].colour}, {2, heatSteps[1].colour}, {3, heatSteps[2].colour}, {9999, heatSteps[8].colour},
		{10000, wornOut}, {1<<32 - 1, wornOut},
	} {
		if got := heatColour(m, row.wear); got != row.want {
			t.Errorf("%d: %s, want %s", row.wear, got, row.want)
		}
	}
}

// TestInspectWhileRunning: a running device can be looked at, says by whom it is
// used, and goes on.
func TestInspectWhileRunning(t *testing.T) {
	dir := device(t)
	cmd, log := boot(t, dir)
	out, err := exec.Command("spe", "inspect", dir).CombinedOutput()
	if want := fmt.Sprintf("secured (in use by pid %d)\n", cmd.Process.Pid); err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v: %s", err, out)
	}
	if err := errors.Join(cmd.Process.Signal(os.Interrupt), cmd.Wait()); err != nil {
		t.Errorf("%v; log: %s", err, log)
	}
	before := contents(t, dir)
	if out, err := exec.Command("spe", "inspect", dir).CombinedOutput(); err != nil || strings.Contains(string(out), "in use by") {
		t.Errorf("%v: %s", err, out)
	}
	if after := contents(t, dir); after != before {
		t.Error("it has changed the device")
	}
}
