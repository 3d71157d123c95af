package buslink

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// peer returns the process that connected and its user, as the kernel noted them
// then (unix(7), SO_PEERCRED). The PID is 0 for a process that this one cannot
// see. Where the kernel names nobody, the user is nobody's.
func peer(conn *net.UnixConn) (pid int32, uid uint32) {
	uid = nobodys
	rc, err := conn.SyscallConn()
	if err != nil {
		return 0, uid
	}
	rc.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid, uid = cred.Pid, cred.Uid
		}
	})
	return pid, uid
}

// nobodys is the user ID that no user has (chown(2) takes it for "leave it").
const nobodys = ^uint32(0)

// mayConnect admits the user that the server runs as, and root, who could be that
// user. The socket's mode says the same; this holds when it is changed.
func mayConnect(uid uint32) bool { return uid == uint32(os.Geteuid()) || uid == 0 }
