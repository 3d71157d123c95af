// Package disk waits for the host's disk: it is what memories of the emulated
// chip that are files of the host (packages cells and keycells) have in common
// when they must survive that the host loses its power.
//
// Called by these, and by package platform when it opens a device. It decides one
// thing, which is easy to get wrong: what a failure means for everything that
// comes after it.
package disk

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// SyncError says that the host could not write a memory to its disk. What the
// memory holds since then may be lost any time, so it is not used any more.
type SyncError struct {
	Err error // the host's: EIO, ENOSPC, EDQUOT ...
}

func (e *SyncError) Error() string {
	return fmt.Sprintf("disk: not written, and nothing can be relied on until the device is opened anew: %v", e.Err)
}

func (e *SyncError) Unwrap() error { return e.Err }

// Barrier is the syncs of one memory. The zero value is ready. All methods are
// safe for concurrent use.
//
// After a failure Linux takes the pages that it could not write for clean: it
// says so once for each open file, to whoever syncs it next, and the sync after
// that succeeds. Hence two rules. A Barrier that has failed has failed for good.
// And it lets syncs through one after the other: of two at the same time one
// could be told of the other's failure, and the other of none.
type Barrier struct {
	mu     sync.Mutex
	failed atomic.Pointer[SyncError]
}

// Sync calls sync, which returns when the host's disk has what it is about. The
// error is a *SyncError, of this call or of the first that failed.
func (b *Barrier) Sync(sync func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.Err(); err != nil {
		return err
	}
	err := sync()
	for err == unix.EINTR { // which has failed nothing
		err = sync()
	}
	if err != nil {
		b.failed.Store(&SyncError{err})
	}
	return b.Err()
}

// Err returns what the first sync that failed returned, nil if none has.
func (b *Barrier) Err() error {
	if e := b.failed.Load(); e != nil {
		return e
	}
	return nil
}

// InMemory returns the name of the file system that f is on if that is in the
// host's memory, where every sync succeeds and nothing outlasts the power.
func InMemory(f *os.File) (string, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return "", fmt.Errorf("disk: %s: %w", f.Name(), err)
	}
	return map[uint32]string{unix.TMPFS_MAGIC: "tmpfs", unix.RAMFS_MAGIC: "ramfs"}[uint32(st.Type)], nil
}
