package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/platform"
)

// harden does, before any key is in memory, what keeps the memory from others of
// the same user: no core dumps, no debugger, no reading of /proc/PID/mem. It
// does not keep out root, nor somebody who owns the device's directory and can
// run a secure world of his own on it.
func harden() error {
	if err := hide(); err != nil {
		return fmt.Errorf("begin anew, hidden: %w", err)
	}
	unix.Umask(0o077)
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("turn core dumps off: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("keep debuggers out: %w", err)
	}
	return nil
}

const (
	self = "/proc/self/exe"
	// backlog is read by Go's net package when it listens.
	backlog = "/proc/sys/net/core/somaxconn"
)

// confine gives up, for the rest of the process's life, every file outside the
// device's directory, TCP, and privileges gained by executing something
// (Landlock and no_new_privs). A kernel without Landlock confines less. What
// stays is this program itself, which a reset executes anew.
func confine(dir string, program *os.File) error {
	if resetReason() != platform.PowerOn && barred() {
		return nil // before the reset; the kernel takes only so many layers
	}
	rules := []landlock.Rule{
		landlock.RWDirs(dir),
		landlock.ROFiles(backlog).IgnoreIfMissing(),
	}
	if !inMemory() { // what is, Landlock has nothing against
		rules = append(rules, landlock.ROFiles(self))
	}
	if dynamic(program) {
		rules = append(rules, landlock.RODirs("/lib", "/lib64", "/usr/lib", "/usr/lib64").IgnoreIfMissing())
	}
	if err := landlock.V11.BestEffort().Restrict(rules...); err != nil {
		return fmt.Errorf("confine the process to %s: %w", dir, err)
	}
	return nil
}

// barred reports whether this process cannot open the root directory, which
// everybody else may.
func barred() bool {
	f, err := os.Open("/")
	if err == nil {
		f.Close()
	}
	return errors.Is(err, fs.ErrPermission)
}

// dynamic reports whether a program needs the dynamic loader: a build with cgo
// does, which is not how the Makefile builds.
func dynamic(program *os.File) bool {
	f, err := elf.NewFile(program)
	if err != nil {
		return false
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return true
		}
	}
	return false
}
