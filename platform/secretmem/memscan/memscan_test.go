package memscan_test

import (
	"encoding/binary"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/platform/secretmem"
	"github.com/postern-spe/postern/platform/secretmem/memscan"
)

func TestSearch(t *testing.T) {
	needle, err := secretmem.Alloc(16)
	if err != nil {
		t.Fatal(err)
	}
	defer needle.Destroy()
	// In two stores, so that no register or stack slot ever holds all of it.
	binary.LittleEndian.PutUint64(needle.Bytes(), 0x9E3779B97F4A7C15)
	binary.LittleEndian.PutUint64(needle.Bytes()[8:], 0xD1B54A32D192ED03)
	search := func() int {
		t.Helper()
		hits, err := memscan.Search(needle)
		if err != nil {
			t.Fatal(err)
		}
		return len(hits)
	}
	if n := search(); n != 0 {
		t.Errorf("%d hits before there is anything", n)
	}

	heap := make([]byte, 32)
	copy(heap[7:], needle.Bytes())
	if n := search(); n != 1 {
		t.Errorf("%d hits for one copy on the heap", n)
	}
	runtime.KeepAlive(heap)
	clear(heap)

	// Across the end of a chunk, and at the very end of the mapping.
	const size = 3 << 20
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	for _, off := range []int{0, 1<<20 - 9, 1<<20 - 15, 1 << 20, size - 16} {
		copy(mem[off:], needle.Bytes())
		if n := search(); n != 1 {
			t.Errorf("%d hits for one copy at 0x%x", n, off)
		}
		clear(mem)
	}
	copy(mem, needle.Bytes())
	if err := unix.Munmap(mem); err != nil {
		t.Fatal(err)
	}
	if n := search(); n != 0 {
		t.Errorf("%d hits after unmapping", n)
	}
}
