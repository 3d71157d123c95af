package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/postern-spe/postern/nspe"
	"github.com/postern-spe/postern/veneer"
)

// Exit statuses.
const (
	exitFailure = 1 // the operation failed
	exitUsage   = 2 // the command line made no sense
)

// usageError is a command line that makes no sense.
type usageError struct{ err error }

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// hintedError is an error with advice, which is printed on a line of its own.
type hintedError struct {
	err  error
	hint string
}

func (h *hintedError) Error() string { return h.err.Error() }
func (h *hintedError) Unwrap() error { return h.err }

func hint(err error, format string, args ...any) error {
	return &hintedError{err, fmt.Sprintf(format, args...)}
}

// hintOn adds advice to an error that is the status, and leaves others alone.
func hintOn(status veneer.Status, err error, format string, args ...any) error {
	if !errors.Is(err, status) {
		return err
	}
	return hint(err, format, args...)
}

// connectError is a secure world that cannot be reached.
type connectError struct {
	path string
	err  error
}

func (c *connectError) Error() string {
	// What the system says of a socket is put shorter here.
	var no syscall.Errno
	if errors.As(c.err, &no) {
		return fmt.Sprintf("cannot reach the secure world at %s: %v", c.path, no)
	}
	return c.err.Error()
}

func (c *connectError) Unwrap() error { return c.err }

// adviceOn returns the hint for an error, "" when there is none.
func adviceOn(err error) string {
	var h *hintedError
	var c *connectError
	switch {
	case errors.As(err, &h):
		return h.hint
	case errors.As(err, &c):
		return c.advice()
	case errors.Is(err, veneer.ErrProgrammerError):
		return "the secure world may not have this service, or not for this client; see `psa version`"
	case errors.Is(err, veneer.ErrCommunicationFailure):
		return "the secure world went away during the call; see whether `spe run DIR` still runs"
	}
	return ""
}

func (c *connectError) advice() string {
	switch {
	case errors.Is(c.err, fs.ErrNotExist) && exists(filepath.Join(filepath.Dir(c.path), "debug.sock")):
		return "the device may be blank, after an ERASEALL, or still starting: `psa debug status` asks it; `spe provision DIR` makes a blank one a device again"
	case errors.Is(c.err, fs.ErrNotExist):
		return "start the secure world with `spe run DIR`, then set " + nspe.SocketVariable + "=DIR/run/ns.sock or pass --socket"
	case errors.Is(c.err, syscall.ECONNREFUSED):
		return "nobody listens there: start the secure world again with `spe run DIR`"
	case errors.Is(c.err, fs.ErrPermission):
		return "the device's configuration says which users may connect to this socket"
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
