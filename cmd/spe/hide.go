package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// programVariable is the number of the descriptor of the program that runs.
const programVariable = "POSTERN_PROGRAM"

// hide begins the program anew from a copy in memory that its user may execute
// and not read. The kernel then keeps the process from debuggers from its first
// instruction on, and not only once it has asked for that: who opens
// /proc/PID/mem in between could read it ever after (ptrace(2), "Ptrace access
// mode checking"). Root reads everything, and needs no hiding from others.
//
// It returns when there is nothing to hide or no way to.
func hide() error {
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil || dumpable != 1 || os.Geteuid() == 0 || os.Getenv(programVariable) != "" {
		return nil
	}
	program, err := unreadableCopy()
	if err != nil {
		return nil // as on a kernel that executes nothing from memory
	}
	return begin(program, nil)
}

// begin executes the program, open at fd, in the place of this one, with more
// variables in its environment.
func begin(fd int, more []string) error {
	env := os.Environ()
	for _, v := range append(more, programVariable+"="+strconv.Itoa(fd)) {
		name, _, _ := strings.Cut(v, "=")
		env = append(slices.DeleteFunc(env, func(old string) bool { return strings.HasPrefix(old, name+"=") }), v)
	}
	return syscall.Exec(fmt.Sprintf("/proc/self/fd/%d", fd), os.Args, env)
}

// unreadableCopy returns a copy of this program, open for reading, with a mode
// that lets nobody else read it. The descriptor is inherited.
func unreadableCopy() (fd int, err error) {
	src, err := os.Open(self)
	if err != nil {
		return -1, err
	}
	defer src.Close()
	rw, err := unix.MemfdCreate("spe", unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if err != nil {
		if rw, err = unix.MemfdCreate("spe", unix.MFD_CLOEXEC); err != nil { // before Linux 6.3
			return -1, err
		}
	}
	dst := os.NewFile(uintptr(rw), "spe")
	defer dst.Close() // what somebody can write cannot be executed
	if _, err := io.Copy(dst, src); err != nil {
		return -1, err
	}
	fd, err = unix.Open(fmt.Sprintf("/proc/self/fd/%d", rw), unix.O_RDONLY, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Fchmod(fd, 0o111); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// inMemory reports whether the program is a copy that hide has made.
func inMemory() bool {
	name, err := os.Readlink(self)
	return err == nil && strings.HasPrefix(name, "/memfd:")
}

// program returns the program that runs, open for reading.
func program() (*os.File, error) {
	fd, err := strconv.Atoi(os.Getenv(programVariable))
	if err == nil {
		var named, running unix.Stat_t
		if unix.Fstat(fd, &named) == nil && unix.Stat(self, &running) == nil && named.Dev == running.Dev && named.Ino == running.Ino {
			return os.NewFile(uintptr(fd), "spe"), nil
		}
	}
	f, err := os.Open(self)
	if err != nil {
		return nil, err
	}
	// Like the other, it outlives an exec, which a reset is.
	fd, err = unix.Dup(int(f.Fd()))
	f.Close()
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), self), nil
}
