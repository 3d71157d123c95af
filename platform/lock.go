package platform

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lockExisting takes the lock of a device that has a lock file: nil where there
// is none, so that looking at a damaged directory does not create one.
func (d *directory) lockExisting() (*os.File, error) { return d.lock(unix.O_RDWR, unix.LOCK_EX) }

// lockToLook is lockExisting for who only looks: several may at a time, while
// nobody opens the device.
func (d *directory) lockToLook() (*os.File, error) { return d.lock(unix.O_RDONLY, unix.LOCK_SH) }

func (d *directory) lock(flags, how int) (*os.File, error) {
	f, err := d.open(lockFile, flags)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, d.explain(lockFile, err)
	}
	if err := d.check(f, lockFile, false); err != nil {
		f.Close()
		return nil, err
	}
	return d.flock(f, how)
}

// lockNew makes the lock file of a device that was sound but for it.
func (d *directory) lockNew() (*os.File, error) {
	f, err := d.open(lockFile, unix.O_RDWR|unix.O_CREAT)
	if err != nil {
		return nil, d.explain(lockFile, err)
	}
	return d.flock(f, unix.LOCK_EX)
}

func (d *directory) flock(f *os.File, how int) (*os.File, error) {
	err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	defer f.Close()
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return nil, d.explain(lockFile, err)
	}
	return nil, &InUseError{Dir: d.name, PID: holder(f)}
}

// holder reads the process ID in a lock file that somebody holds; 0 if it is
// not there yet.
func holder(f *os.File) int {
	b, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// claim writes this process's ID into a lock that it holds.
func claim(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// release empties the lock file, then lets go of it.
func release(f *os.File) error {
	return errors.Join(f.Truncate(0), unlock(f))
}

// unlock lets go of a lock. Closing alone would leave it with a child that this
// process is just starting, until the child executes.
func unlock(f *os.File) error {
	return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close())
}
