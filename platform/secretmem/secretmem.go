// Package secretmem allocates memory for keys outside the Go heap, which the
// collector does not copy and nobody but this process reads: memory of
// memfd_secret(2), which the kernel takes out of its own map of all memory, so
// that neither another process (ptrace, process_vm_readv, /proc/PID/mem) nor
// most errors in the kernel reach it, and which is never swapped or dumped.
//
// Where the kernel refuses that (an old kernel, secretmem disabled, the limit of
// locked memory reached), a Region is ordinary anonymous memory, locked if the
// limit allows it and kept out of core dumps and of child processes. It is then
// as open to a debugger with the right to trace this process, and to the
// kernel, as any other memory. Kind says which it became.
//
// Called by the blocks that hold keys. Nothing here is attacker-controlled.
// What it does not stop: code in this process, and registers and stacks that key
// bytes pass through when they are used.
package secretmem

import (
	"fmt"
	"io"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// The kinds of memory that a Region can be, from best to worst.
const (
	Secret   = "secret memory"   // memfd_secret(2)
	Locked   = "locked memory"   // mlock(2): not swapped, but readable by a tracer
	Ordinary = "ordinary memory" // neither
)

// Region is memory for keys. Its bytes are zero at first. Destroy must not run
// while they are in use; Region does not lock them.
type Region struct {
	mu   sync.Mutex
	mem  []byte // nil after Destroy
	kind string
}

// Alloc returns a Region of n bytes, at least 1. It takes whole pages, of which
// each counts against RLIMIT_MEMLOCK. The error is that of mmap(2), when there
// is no memory of any kind.
func Alloc(n int) (*Region, error) {
	if n <= 0 {
		return nil, fmt.Errorf("secretmem: a region of %d bytes", n)
	}
	if mem, err := mapSecret(n); err == nil {
		return &Region{mem: mem, kind: Secret}, nil
	}
	mem, locked, err := mapOrdinary(n)
	if err != nil {
		return nil, err
	}
	r := &Region{mem: mem, kind: Ordinary}
	if locked {
		r.kind = Locked
	}
	return r, nil
}

// mapSecret maps memory of memfd_secret(2). The kernel locks it, leaves it out
// of core dumps, and wipes its pages when they are freed.
func mapSecret(n int) ([]byte, error) {
	// The kernel takes O_CLOEXEC here, not the FD_CLOEXEC of the manual page.
	fd, err := unix.MemfdSecret(unix.O_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("secretmem: memfd_secret: %w", err)
	}
	// The mapping keeps the memory; no descriptor stays behind to map it again.
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, int64(n)); err != nil {
		return nil, fmt.Errorf("secretmem: ftruncate: %w", err)
	}
	mem, err := unix.Mmap(fd, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("secretmem: mmap: %w", err)
	}
	_ = unix.Madvise(mem, unix.MADV_DONTFORK)
	return mem, nil
}

// mapOrdinary maps anonymous memory, and reports whether it is locked. What the
// kernel does not grant of the rest is left out: it is the second best already.
func mapOrdinary(n int) (mem []byte, locked bool, err error) {
	mem, err = unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, false, fmt.Errorf("secretmem: mmap: %w", err)
	}
	_ = unix.Madvise(mem, unix.MADV_DONTDUMP)
	// A child would share the pages until one of the two writes. It gets none;
	// if that is refused, zeros.
	if unix.Madvise(mem, unix.MADV_DONTFORK) != nil {
		_ = unix.Madvise(mem, unix.MADV_WIPEONFORK)
	}
	return mem, unix.Mlock(mem) == nil, nil
}

// Bytes returns the memory itself, as many bytes as Alloc was asked for, or nil
// after Destroy. A slice that was taken before is dangling then: touching it
// ends the process.
func (r *Region) Bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mem
}

// Kind returns what the memory is: Secret, Locked or Ordinary.
func (r *Region) Kind() string { return r.kind }

// Destroy wipes the memory and gives it back. It may be called again.
func (r *Region) Destroy() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mem == nil {
		return
	}
	clear(r.mem)
	runtime.KeepAlive(r.mem)
	// munmap fails only for a mapping that is not ours, which mem always is.
	_ = unix.Munmap(r.mem)
	r.mem = nil
}

// Format prints a fixed phrase and never the bytes.
func (r *Region) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "["+r.kind+"]")
}
