package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Pin says which processor cores the two worlds run on while they are measured.
type Pin string

const (
	PinNone  Pin = "none"  // wherever the kernel puts them
	PinSame  Pin = "same"  // both on one core: the cost of the work alone
	PinCross Pin = "cross" // one core each: wake-ups across cores included
)

// ParsePin reads the argument of --pin.
func ParsePin(s string) (Pin, error) {
	switch p := Pin(s); p {
	case PinNone, PinSame, PinCross:
		return p, nil
	}
	return "", fmt.Errorf("no placement %q: same, cross or none", s)
}

// Placement is where the two worlds run. The zero value leaves it to the kernel.
type Placement struct {
	Pin            Pin
	client, secure int // cores, when Pin is not PinNone
}

// cores returns the arguments of the C program: its two cores, -1 for any.
func (p Placement) cores() (client, server string) {
	if p.Pin != PinSame && p.Pin != PinCross {
		return "-1", "-1"
	}
	return strconv.Itoa(p.client), strconv.Itoa(p.secure)
}

// Place moves the threads of this process, and those of the secure process,
// to the cores that pin asks for, among those that this process may use.
// restore puts the threads back; it is never nil.
func Place(pin Pin, securePID int) (p Placement, restore func() error, err error) {
	restore = func() error { return nil }
	p.Pin = pin
	if pin == PinNone {
		return p, restore, nil
	}
	// Go would follow the narrower choice of cores with GOMAXPROCS 1, under which
	// every call that blocks for more than some 20 µs pays for being scheduled
	// again, a third of a P-256 operation. The cost of a call is to be measured
	// on one core, not the runtime's way with one: the number stays what it was.
	runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0)))
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return p, restore, os.NewSyscallError("sched_getaffinity", err)
	}
	cores := list(&allowed)
	p.client, p.secure = cores[0], cores[0]
	if pin == PinCross {
		if len(cores) < 2 {
			return p, restore, errors.New("one core each needs two cores, and this process may use only one")
		}
		p.secure = cores[1]
	}
	var moved []*affinity
	restore = func() error {
		var errs []error
		for _, a := range slices.Backward(moved) {
			errs = append(errs, a.restore())
		}
		return errors.Join(errs...)
	}
	for _, m := range []struct{ pid, core int }{{os.Getpid(), p.client}, {securePID, p.secure}} {
		a, err := pinProcess(m.pid, m.core)
		moved = append(moved, a) // also when it failed halfway
		if err != nil {
			return p, func() error { return nil }, errors.Join(err, restore())
		}
	}
	return p, restore, nil
}

// list returns the cores of a set, lowest first.
func list(set *unix.CPUSet) []int {
	var cores []int
	for i := range len(set) * strconv.IntSize {
		if set.IsSet(i) {
			cores = append(cores, i)
		}
	}
	return cores
}

// affinity is the cores that a process's threads were allowed before it was
// pinned.
type affinity struct {
	pid    int
	before map[int]unix.CPUSet // by thread ID
}

// pinProcess pins every thread of a process to one core. A thread starts with
// the mask of the one that made it, so it is enough to repeat until a pass over
// the threads finds none that was not pinned.
func pinProcess(pid, core int) (*affinity, error) {
	a := &affinity{pid: pid, before: make(map[int]unix.CPUSet)}
	var set unix.CPUSet
	set.Set(core)
	for {
		threads, err := threads(pid)
		if err != nil {
			return a, err
		}
		fresh := false
		for _, tid := range threads {
			if _, known := a.before[tid]; known {
				continue
			}
			fresh = true
			var old unix.CPUSet
			if err := unix.SchedGetaffinity(tid, &old); err != nil {
				if err == unix.ESRCH {
					continue
				}
				return a, os.NewSyscallError("sched_getaffinity", err)
			}
			if err := unix.SchedSetaffinity(tid, &set); err != nil && err != unix.ESRCH {
				return a, fmt.Errorf("pin process %d to core %d: %w", pid, core, err)
			}
			a.before[tid] = old
		}
		if !fresh {
			return a, nil
		}
	}
}

// restore undoes pinProcess. Threads made meanwhile get the main thread's mask.
func (a *affinity) restore() error {
	all, known := a.before[a.pid]
	if !known {
		return nil // not even the main thread was pinned
	}
	threads, err := threads(a.pid)
	if errors.Is(err, os.ErrNotExist) {
		return nil // the process has ended
	}
	if err != nil {
		return err
	}
	for _, tid := range threads {
		old, ok := a.before[tid]
		if !ok {
			old = all
		}
		if err := unix.SchedSetaffinity(tid, &old); err != nil && err != unix.ESRCH {
			return fmt.Errorf("give process %d its cores back: %w", a.pid, err)
		}
	}
	return nil
}

func threads(pid int) ([]int, error) {
	entries, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "task"))
	if err != nil {
		return nil, err
	}
	var ids []int
	for _, e := range entries {
		if tid, err := strconv.Atoi(e.Name()); err == nil {
			ids = append(ids, tid)
		}
	}
	return ids, nil
}

// PeerPID returns the ID of the process that listens on a Unix socket: the
// secure world's.
func PeerPID(socket string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: socket}); err != nil {
		return 0, &os.PathError{Op: "connect", Path: socket, Err: err}
	}
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, os.NewSyscallError("getsockopt SO_PEERCRED", err)
	}
	if cred.Pid <= 0 {
		return 0, errors.New("the secure world runs in another PID namespace")
	}
	return int(cred.Pid), nil
}
