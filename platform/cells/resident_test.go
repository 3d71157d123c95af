package cells

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestResident: a flash of 1 MiB, all of it used, takes 10 % more memory than
// its cells at most.
func TestResident(t *testing.T) {
	const size = 1 << 20
	cells, counts := file(t, "flash.bin", size, Erased), file(t, "wear.bin", WearSize(size, testPage), 0)
	w, err := NewWear(mapped(t, counts), size, testPage)
	if err != nil {
		t.Fatal(err)
	}
	f := NewFlash(mapped(t, cells), Options{Page: testPage, Wear: w, MaxWrites: 2})
	defer f.Close()
	if err := f.EraseAll(); err != nil {
		t.Fatal(err)
	}
	if err := f.Program(0, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if got := inMappings(t, "Rss:", cells, counts); got < size || got > size+size/10 {
		t.Errorf("%d bytes are resident", got)
	}
}

// inMappings returns how many bytes of the mappings of files the kernel counts
// under the headings that end with field.
func inMappings(t *testing.T, field string, files ...string) (sum int) {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ours := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 1 && strings.Contains(fields[0], "-") {
			ours = false
			for _, name := range files {
				ours = ours || fields[len(fields)-1] == name
			}
		}
		if ours && strings.HasSuffix(fields[0], field) {
			kib, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			sum += kib << 10
		}
	}
	return sum
}
