package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/veneer/its"
)

// fitsScreen: no line is longer than 100 columns.
func fitsScreen(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 || strings.HasSuffix(line, " \n") {
			t.Errorf("%d columns: %q", n, line)
		}
	}
}

// TestStorageWhileRunning looks at a device in use: while a client writes it is
// never told of damage, unless that it did not get a moment's view; and once the
// client rests, all is there. Offline means offline.
func TestStorageWhileRunning(t *testing.T) {
	r := start(t, provisioned(t))
	r.says(t, r.ready())
	storage := its.New(r.gate(t))
	set := func(i int) error { return storage.Set(storedUID, fmt.Appendf(nil, "%s %d", storedMarker, i), 0) }
	quit, done := make(chan struct{}), make(chan error)
	go func() {
		for i := 0; ; i++ {
			if err := set(i); err != nil {
				done <- err
				return
			}
			select {
			case <-quit:
				done <- nil
				return
			default:
			}
		}
	}()
	look := func() (got storageReport) {
		out, err := exec.Command("spe", "inspect", r.dir, "--storage", "--json").Output()
		if err == nil {
			err = json.Unmarshal(out, &got)
		}
		if err != nil || got.UsedBy != r.Process.Pid {
			t.Errorf("%v: %s", err, out)
		}
		givesNothingAway(t, string(out))
		return got
	}
	for range 10 {
		if got := look(); got.Damaged && !got.Moving {
			t.Errorf("%+v", got)
		}
	}
	close(quit)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	before := contents(t, r.dir)
	got := look()
	if a := got.area(t, board.ITS); got.Moving || got.Damaged || a.State != areaSound || a.Store.Assets != 1 || a.Wear.Max == 0 && a.Store.InUse == 0 {
		t.Errorf("%+v, %+v", got, a.Store)
	}
	cmd := exec.Command("spe", "fsck", r.dir)
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	_ = cmd.Run() // what it says is looked at
	if want := fmt.Sprintf("spe: error: %s is in use by pid %d\n", r.dir, r.Process.Pid); words.String() != want || out.Len() > 0 || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("fsck: status %d, %s%s", cmd.ProcessState.ExitCode(), &out, &words)
	}
	if after := contents(t, r.dir); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if err := set(0); err != nil {
		t.Errorf("after being looked at: %v", err)
	}
	r.stop(t)
}

// TestStorageSpace: what is shown of a store is what is in it.
func TestStorageSpace(t *testing.T) {
	dir := provisioned(t)
	r := start(t, dir)
	r.says(t, r.ready())
	storage := its.New(r.gate(t))
	for range 3 { // of which two die: 3 records of 36 bytes and 600
		if err := storage.Set(storedUID, make([]byte, 600), 0); err != nil {
			t.Fatal(err)
		}
	}
	r.stop(t)
	r2, err := examineStorage(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	s := r2.area(t, board.ITS).Store
	want := storeReport{Pages: 2, InUse: 1, Records: 3, Assets: 1, Bytes: 600, Capacity: 4028, Live: 636, Dead: 1272, Free: 4028 - 3*636, Largest: s.Largest}
	if *s != want {
		t.Errorf("%+v, want %+v", *s, want)
	}
	// The largest is that: on the device itself.
	r = start(t, dir)
	r.says(t, r.ready())
	storage = its.New(r.gate(t))
	if err := storage.Set(2, make([]byte, s.Largest+1), 0); err == nil {
		t.Errorf("an asset of more than %d bytes was stored", s.Largest)
	}
	if err := storage.Set(2, make([]byte, s.Largest), 0); err != nil {
		t.Errorf("an asset of %d bytes: %v", s.Largest, err)
	}
	r.stop(t)
	text, status := looked(t, "inspect", dir, "--storage")
	if status != 0 || !strings.Contains(text, "its: flash, 8 KiB from 0x000f4000, 2 pages of 4 KiB") || !strings.Contains(text, "2, "+plural(600+s.Largest, "byte")) {
		t.Error(text)
	}
	fitsScreen(t, text)
}

// made is a report with everything that there is to show, as large as it gets.
func made() *storageReport {
	at := func(n int) *int { return &n }
	r := &storageReport{Board: "virt", Lifecycle: "secured", UsedBy: 4_194_304, Damaged: true}
	for _, name := range []string{board.ITS, board.PS, board.NVCounters} {
		a := storageArea{
			Name: name, Memory: platform.MemoryExternal, Base: 0xfffff000, Mapped: false, Size: 64 << 20, PageSize: 4096, State: areaInterrupted,
			Wear: wearReport{Unit: platform.WearLine, Endurance: 100_000, Max: 1<<32 - 1, Mean: 99999.9, Pages: make([]uint32, 1<<14)},
		}
		if name == board.NVCounters {
			a.Counters = &countersReport{Records: 65535, Room: 65535, Moves: 1<<32 - 1}
		} else {
			a.Store = &storeReport{
				Pages: 1 << 14, InUse: 1<<14 - 1, Records: 986_895, Assets: 986_895, Bytes: 67_108_863, Removals: 986_895, Torn: 16_384, Corrupt: 986_895,
				Capacity: 67_108_864, Live: 67_108_863, Free: 1, Largest: 67_108_863,
			}
		}
		for e := flashlog.Harmless; e <= flashlog.Hiding; e++ {
			a.Damage = append(a.Damage, finding{at(64<<20 - 1), "header beyond repair, it hides what follows in the page", meaning(e)})
		}
		a.Damage = append(a.Damage, finding{What: "counters: the area is damaged: no bank has a head", Meaning: notBooting})
		for range mostFindings + 5 {
			a.Repairs = append(a.Repairs, finding{at(1), "take down that a record of any earlier asset may be lost", ""})
		}
		r.Areas = append(r.Areas, a)
	}
	return r
}

func TestStorageTables(t *testing.T) {
	r := made()
	text := fsckTable(r, "dev")
	fitsScreen(t, text)
	for _, want := range []string{"damaged in 15 places; 1 973 790 assets DATA_CORRUPT; the next boot repairs 75 things", "and 5 more, which --json has"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	text = storageTable(r, "dev")
	fitsScreen(t, text)
	if !strings.Contains(text, "!") || !strings.Contains(text, "wear of every 256 pages") {
		t.Error(text)
	}
	r.Moving = true
	if text := storageTable(r, "dev"); !strings.Contains(text, "of no one moment") {
		t.Error(text)
	}
}

func TestBars(t *testing.T) {
	for _, row := range []struct {
		whole       int
		parts       []int
		parts1, dot int // signs of the first part, dots
	}{
		{100, []int{0, 0}, 0, 64},
		{100, []int{100, 0}, 64, 0},
		{100, []int{50, 0}, 32, 32},
		{1000, []int{1, 0}, 1, 63},
		{1000, []int{999, 0}, 63, 1},
		{1000, []int{998, 1}, 62, 1},
		{1000, []int{999, 1}, 63, 0},
		{1000, []int{1, 1}, 1, 62},
		{3, []int{1, 2}, 21, 0},
	} {
		got := bar(row.whole, row.parts, "#:")
		if len(got) != barWidth || strings.Count(got, "#") != row.parts1 || strings.Count(got, ".") != row.dot {
			t.Errorf("%d of %d: %s", row.parts, row.whole, got)
		}
	}
}

func TestHeatLine(t *testing.T) {
	for _, row := range []struct {
		pages []uint32
		want  string
	}{
		{nil, ""},
		{[]uint32{0, 1, 2, 3, 10, 9999, 10000, 1<<32 - 1}, ".11238!!"},
		{append(make([]uint32, 127), 30), strings.Repeat(".", 63) + "4"},
	} {
		if got := heatLine(row.pages, 10_000); got != row.want {
			t.Errorf("%v: %s, want %s", row.pages, got, row.want)
		}
	}
}

// TestStorageJSONNames: scripts read these.
func TestStorageJSONNames(t *testing.T) {
	text, err := json.Marshal(made())
	if err != nil {
		t.Fatal(err)
	}
	var r map[string]any
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	areas := r["areas"].([]any)
	its, counters := areas[0].(map[string]any), areas[2].(map[string]any)
	for _, row := range []struct {
		name  string
		in    any
		names string
	}{
		{"report", r, "areas board damaged device_id lifecycle used_by_pid"},
		{"area", its, "base damage mapped memory name page_size repairs size state store wear"},
		{"store", its["store"], "asset_bytes assets capacity_bytes corrupt_assets dead_bytes free_bytes largest_asset live_bytes pages pages_in_use records removals torn_records"},
		{"counters", counters["counters"], "moves records room_for_records"},
		{"wear", its["wear"], "endurance max mean min pages unit"},
		{"damage", its["damage"].([]any)[0], "meaning offset what"},
	} {
		var names []string
		for name := range row.in.(map[string]any) {
			names = append(names, name)
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != row.names {
			t.Errorf("%s: %s, want %s", row.name, got, row.names)
		}
	}
}
