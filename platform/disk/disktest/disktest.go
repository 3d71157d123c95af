// Package disktest is for tests of what waits for the host's disk.
package disktest

import (
	"os"
	"testing"

	"github.com/postern-spe/postern/platform/disk"
)

// Dir returns a new directory, which goes with the test, on a disk: where the one
// for temporary files is in memory, below /var/tmp. Where that is in memory, too,
// the test is skipped.
func Dir(tb testing.TB) string {
	tb.Helper()
	for _, parent := range []string{os.TempDir(), "/var/tmp"} {
		if dir := below(tb, parent); dir != "" {
			return dir
		}
	}
	tb.Skip("needs a disk: the directories for temporary files are in the host's memory")
	return ""
}

func below(tb testing.TB, parent string) string {
	f, err := os.Open(parent)
	if err != nil {
		return ""
	}
	defer f.Close()
	if memory, err := disk.InMemory(f); err != nil || memory != "" {
		return ""
	}
	dir, err := os.MkdirTemp(parent, "disk-")
	if err != nil {
		return ""
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Memory returns a new directory, which goes with the test, in the host's memory.
// Where /dev/shm is none the test is skipped.
func Memory(tb testing.TB) string {
	tb.Helper()
	const parent = "/dev/shm"
	f, err := os.Open(parent)
	if err != nil {
		tb.Skipf("needs a tmpfs: %v", err)
	}
	defer f.Close()
	if name, err := disk.InMemory(f); err != nil || name == "" {
		tb.Skipf("needs a tmpfs: %s is none (%v)", parent, err)
	}
	dir, err := os.MkdirTemp(parent, "disk-")
	if err != nil {
		tb.Skipf("needs a tmpfs: %v", err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
