package bench

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-spe/postern/veneer"
)

// drawer is a keeper in memory, with room for some assets.
type drawer struct {
	room   int
	assets map[int]int // sizes
}

func (d *drawer) set(i int, data []byte) error {
	if _, ok := d.assets[i]; !ok && len(d.assets) == d.room {
		return veneer.ErrInsufficientStorage
	}
	d.assets[i] = len(data)
	return nil
}

func (d *drawer) get(i int, buf []byte) (int, error) { return d.assets[i], d.info(i) }

func (d *drawer) info(i int) error {
	if _, ok := d.assets[i]; !ok {
		return veneer.ErrDoesNotExist
	}
	return nil
}

func (d *drawer) remove(i int) error {
	defer delete(d.assets, i)
	return d.info(i)
}

func TestPopulation(t *testing.T) {
	d := &drawer{room: 5000, assets: make(map[int]int)}
	p := population{keeper: d, size: largeAsset}
	for _, step := range []struct{ ask, n, measured int }{
		{10, 10, 10}, {2000, 2000, largeCount}, {100_000, 5000 - 5000/8, largeCount},
	} {
		if err := p.grow(t.Context(), step.ask); err != nil {
			t.Fatal(err)
		}
		if p.n != step.n || len(d.assets) != step.n || p.measured() != step.measured {
			t.Errorf("%d assets, %d in all, %d measured; want %+v", p.n, len(d.assets), p.measured(), step)
		}
	}
	if d.assets[0] != largeAsset || d.assets[largeCount-1] != largeAsset || d.assets[largeCount] != tinyAsset {
		t.Errorf("sizes %d, %d, %d", d.assets[0], d.assets[largeCount-1], d.assets[largeCount])
	}
	delete(d.assets, 3) // as when a removal was interrupted before its undo
	if err := p.shrink(0); err != nil || len(d.assets) > 0 {
		t.Errorf("%d left: %v", len(d.assets), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.grow(ctx, 1); !errors.Is(err, context.Canceled) || p.n != 0 {
		t.Errorf("grow with an ended context: %v", err)
	}
}

// TestTrials performs each operation on the references, which do what is
// measured, and on assets that are there.
func TestTrials(t *testing.T) {
	dir := t.TempDir()
	p := population{keeper: &fileKeeper{dir, "its"}, size: smallAsset}
	if err := p.grow(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	for _, op := range storageOps() {
		trial := p.trial(op.verb)
		for range 20 {
			if err := trial.call(); err != nil {
				t.Fatalf("%s: %v", op.verb, err)
			}
			if trial.undo != nil {
				if err := trial.undo(); err != nil {
					t.Fatalf("%s: undo: %v", op.verb, err)
				}
			}
		}
	}
	if data, err := os.ReadFile(filepath.Join(dir, "its0")); len(data) != smallAsset || err != nil {
		t.Errorf("a file of %d bytes (%v)", len(data), err)
	}
	if err := p.shrink(0); err != nil {
		t.Fatal(err)
	}
	if err := p.keeper.info(0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a removed asset: %v", err)
	}
}

func TestFileBacked(t *testing.T) {
	program, err := buildFileBacked(t.Context())
	if err != nil {
		t.Skipf("Mbed TLS is not at hand: %v", err)
	}
	dir := t.TempDir()
	c, err := startFileBacked(t.Context(), program, Placement{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.stop()
	if err := c.fill(t.Context(), 0, 1100, smallAsset); err != nil {
		t.Fatal(err)
	}
	for _, op := range storageOps() {
		var s samples
		if err := c.batch(op.verb, 1100, smallAsset, time.Millisecond, &s); err != nil || len(s.ns) == 0 {
			t.Errorf("%s: %d samples (%v)", op.verb, len(s.ns), err)
		}
	}
	if files, err := os.ReadDir(dir); len(files) != 1100 || err != nil {
		t.Errorf("%d files (%v)", len(files), err)
	}
	// It says itself what went wrong.
	if err := c.batch("get", 3000, largeAsset, time.Millisecond, new(samples)); err == nil || !strings.Contains(err.Error(), "-140") {
		t.Errorf("an asset that is not there: %v", err)
	}
}

func TestStorageTable(t *testing.T) {
	var b strings.Builder
	table, err := NewStorageTable(&b)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []StorageResult{
		{Op: "its_get", Size: 32, Assets: 10, N: 9, P50: 10_000, P99: 30_000, Bare: 9_000, Echo: 9_500, Files: 5_000, MbedTLS: 4_000, Most: 3_000},
		{Op: "its_info", Size: 32, Assets: 10, N: 9, P50: 8_000, P99: 30_000, Bare: 9_000, Files: 5_000},
		{Op: "its_get", Size: 32, Assets: 1000, N: 9, P50: 14_000, P99: 30_000, Bare: 9_000, Files: 5_000, Most: 3_000},
		{Op: "its_info", Size: 32, Assets: 1000, N: 9, P50: 9_200, P99: 30_000, Bare: 9_000, Files: 5_000},
	} {
		if err := table.Write(&r); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for line := range strings.Lines(b.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	want := []string{
		"assets operation bytes n p50 p99 bare echo over bare spread files Mbed TLS target",
		"10 its_get 32 9 10.00 µs 30.00 µs 9.00 µs 9.50 µs +1.00 µs - 5.00 µs 4.00 µs ≤ +3.00 µs",
		"its_info 32 9 8.00 µs 30.00 µs 9.00 µs - -1.00 µs - 5.00 µs -",
		"",
		"1000 its_get 32 9 14.00 µs 30.00 µs 9.00 µs - +5.00 µs 1.40 5.00 µs - ≤ +3.00 µs, over, spread ≤ 1.30, over",
		"its_info 32 9 9.20 µs 30.00 µs 9.00 µs - +200 ns 1.15 5.00 µs - spread ≤ 1.30",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestBootRow(t *testing.T) {
	var b strings.Builder
	r := BootResult{Assets: 100, Boots: 11, Min: 2e6, P50: 301e6, Max: 400e6, Most: 300e6}
	if err := r.WriteRow(&b); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(strings.Fields(b.String()), " "); got != "100 11 2.00 ms 301.00 ms 400.00 ms ≤ 300 ms, over" {
		t.Errorf("%q", got)
	}
}

// TestBootSaysWhatIsWrong starts what is no secure world.
func TestBootSaysWhatIsWrong(t *testing.T) {
	for name, tt := range map[string]struct {
		command []string
		says    string
	}{
		"no such program":   {[]string{filepath.Join(t.TempDir(), "nothing")}, "no such file"},
		"says another word": {[]string{"sh", "-c", "echo blank; exec sleep 60"}, "blank"},
		"says nothing":      {[]string{"true"}, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := BootConfig{Command: tt.command, Assets: []int{0}, Boots: 1}
			err := RunBoot(t.Context(), cfg, func(BootResult) error { return nil })
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v", err)
			}
		})
	}
}
