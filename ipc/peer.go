package ipc

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/veneer"
)

// Peer is who the kernel says is at the other end of a channel: the process
// that made the connection.
type Peer struct {
	PID int32
	UID uint32
	GID uint32
}

func (p Peer) String() string { return fmt.Sprintf("pid %d uid %d", p.PID, p.UID) }

// process identifies one process for as long as its pidfd is held: on kernels
// with pidfs (6.9) the inode alone is unique; on older ones the process ID
// is, since a held session whose process is gone is ended before its number is
// looked up.
type process struct {
	pid   int32
	inode uint64
}

// peerOf returns the peer of a connected socket and a descriptor that refers to
// its process. The caller closes the descriptor.
func peerOf(c *net.UnixConn) (p Peer, id process, pidfd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return p, id, -1, err
	}
	pidfd = -1
	ctlErr := raw.Control(func(fd uintptr) {
		var cred *unix.Ucred
		if cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err != nil {
			return
		}
		p = Peer{PID: cred.Pid, UID: cred.Uid, GID: cred.Gid}
		pidfd, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PEERPIDFD)
		if err == unix.ENOPROTOOPT { // before Linux 6.5
			pidfd, err = unix.PidfdOpen(int(cred.Pid), 0)
		}
	})
	if ctlErr != nil {
		err = ctlErr
	}
	if err != nil {
		return p, id, -1, os.NewSyscallError("identify peer", err)
	}
	unix.CloseOnExec(pidfd)
	var st unix.Stat_t
	if err := unix.Fstat(pidfd, &st); err != nil {
		unix.Close(pidfd)
		return p, id, -1, os.NewSyscallError("fstat", err)
	}
	if p.PID == 0 && !onPidfs(pidfd) {
		// Its process ID is of a namespace that is not ours, and nothing else
		// tells it from the next such process.
		unix.Close(pidfd)
		return p, id, -1, fmt.Errorf("a process that this PID namespace does not see: %w", veneer.ErrConnectionRefused)
	}
	return p, process{p.PID, st.Ino}, pidfd, nil
}

func onPidfs(pidfd int) bool {
	var fs unix.Statfs_t
	return unix.Fstatfs(pidfd, &fs) == nil && fs.Type == unix.PID_FS_MAGIC
}

// exited reports whether the process of a pidfd has ended.
func exited(pidfd int) bool {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1
}
