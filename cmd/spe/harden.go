package main

import (
	"fmt"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// harden does, before any key is in memory, what keeps the memory from others of
// the same user: no core dumps, no debugger, no reading of /proc/PID/mem. It
// does not keep out root, nor somebody who owns the device's directory and can
// run a secure world of his own on it.
func harden() error {
	unix.Umask(0o077)
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("turn core dumps off: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("keep debuggers out: %w", err)
	}
	return nil
}

// confine gives up, for the rest of the process's life, every file outside the
// device's directory, TCP, and privileges gained by executing something
// (Landlock and no_new_privs). A kernel without Landlock confines less.
func confine(dir string) error {
	err := landlock.V11.BestEffort().Restrict(landlock.RWDirs(dir))
	if err != nil {
		return fmt.Errorf("confine the process to %s: %w", dir, err)
	}
	return nil
}
