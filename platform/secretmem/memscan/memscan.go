// Package memscan searches the memory of the process that it runs in, as a
// debugger or another process with the right to trace it would: through
// /proc/self/mem. It is for tests that look for key bytes where none should be.
//
// Memory of memfd_secret(2) cannot be read that way, which is the point of it,
// so a search does not find what is there alone.
package memscan

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/platform/secretmem"
)

// Hit is one place where the needle is.
type Hit struct {
	Addr    uint64
	Mapping string // the line of /proc/self/maps
}

// chunk is how much is read at a time, in bytes.
const chunk = 1 << 20

// shadow is the size in bytes from which on a mapping is the race detector's
// shadow memory, which holds no program's bytes and is larger than any machine.
const shadow = 16 << 30

type mapping struct {
	from, to uint64
	line     string
}

// Search returns where else in the readable memory of this process the bytes of
// needle, eight or more, are. needle and Search's own buffer are left out. There are none left of
// what the caller wiped; what the collector has freed counts.
func Search(needle *secretmem.Region) ([]Hit, error) {
	maps, err := resident()
	if err != nil {
		return nil, err
	}
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	// Mapped after the list was made, so not in it.
	buf, err := unix.Mmap(-1, 0, chunk, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, err
	}
	defer func() { clear(buf); _ = unix.Munmap(buf) }()

	want := needle.Bytes()
	if len(want) < 8 {
		return nil, errors.New("memscan: less than eight bytes are everywhere")
	}
	own := address(want)
	var hits []Hit
	for _, m := range maps {
		for at := m.from; at < m.to; {
			n, err := mem.ReadAt(buf[:min(chunk, m.to-at)], int64(at))
			if n == 0 && err != nil {
				break // secret memory, a device, or gone since
			}
			for i := 0; i+len(want) <= n; i++ {
				j := bytes.Index(buf[i:n], want[:8])
				if j < 0 {
					break
				}
				i += j
				if addr := at + uint64(i); addr != own && equal(buf[i:n], want) {
					hits = append(hits, Hit{addr, m.line})
				}
			}
			if at+uint64(n) >= m.to || n < len(want) {
				break
			}
			at += uint64(n - len(want) + 1) // the needle may lie across two chunks
		}
	}
	return hits, nil
}

// equal reports whether p begins with want. Like the search for the first eight
// bytes, it has no more than eight in registers: a signal's frame has all of them,
// vector registers included, and would be the next hit.
func equal(p, want []byte) bool {
	if len(p) < len(want) {
		return false
	}
	for i, b := range want {
		if p[i] != b {
			return false
		}
	}
	return true
}

// resident lists the readable mappings that have any pages.
func resident() ([]mapping, error) {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var maps []mapping
	var last mapping
	pages := false
	add := func() {
		if pages && last.to-last.from < shadow {
			maps = append(maps, last)
		}
		pages = false
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		var m mapping
		var perm string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &m.from, &m.to, &perm); n == 3 {
			add()
			if m.line = line; perm[0] != 'r' {
				m = mapping{}
			}
			last = m
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		if name == "Rss" || name == "Swap" {
			pages = pages || !strings.HasPrefix(strings.TrimSpace(value), "0 ")
		}
	}
	add()
	return maps, lines.Err()
}
