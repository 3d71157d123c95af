package buslink

import (
	"io"
	"net"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a connected stream socket in blocking mode. An access is so small
// that the runtime's poller, which costs a wake-up more on either side, is most
// of what it costs: so the goroutine of a connection waits in the kernel, with a
// thread of its own. Only shutdown and
// stopReading may be called while another method runs.
type socket int

// detach takes a connection off the runtime's poller, and closes it.
func detach(c *net.UnixConn) (socket, error) {
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	ctlErr := raw.Control(func(own uintptr) {
		if fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 3); err == nil {
			// The mode is the connection's, whichever descriptor sets it.
			err = unix.SetNonblock(fd, false)
		}
	})
	if ctlErr != nil {
		return -1, ctlErr
	}
	if err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		return -1, os.NewSyscallError("fcntl", err)
	}
	return socket(fd), nil
}

// shutdown ends the connection: whoever waits on it finds its end.
func (s socket) shutdown() { unix.Shutdown(int(s), unix.SHUT_RDWR) }

// stopReading ends the connection for whoever reads from it, on this side. The
// peer's next write fails; what is written to the peer still reaches it.
func (s socket) stopReading() { unix.Shutdown(int(s), unix.SHUT_RD) }

func (s socket) close() error { return unix.Close(int(s)) }

// read fills p, however long that takes. io.EOF is a peer that left before the
// first byte, io.ErrUnexpectedEOF one that left after it.
func (s socket) read(p []byte) error {
	for n := 0; n < len(p); {
		m, err := unix.Read(int(s), p[n:])
		switch {
		case err == unix.EINTR:
		case err == unix.ECONNRESET && n == 0:
			return io.EOF // it left without having read everything
		case err != nil:
			return os.NewSyscallError("read", err)
		case m == 0 && n == 0:
			return io.EOF
		case m == 0:
			return io.ErrUnexpectedEOF
		default:
			n += m
		}
	}
	return nil
}

// readBegun is read, for a peer that takes its time to begin, and then has so
// long for the rest of p.
func (s socket) readBegun(p []byte, limit time.Duration) error {
	for {
		n, err := unix.Read(int(s), p)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.ECONNRESET, err == nil && n == 0:
			return io.EOF // perhaps without having read everything
		case err != nil:
			return os.NewSyscallError("read", err)
		case n == len(p):
			return nil
		}
		if err := s.readWithin(p[n:], limit); err != io.EOF {
			return err
		}
		return io.ErrUnexpectedEOF
	}
}

// readWithin is read, for a peer that has so long for all of p.
func (s socket) readWithin(p []byte, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for n := 0; n < len(p); {
		m, errno := dontWait(unix.SYS_RECVFROM, s, p[n:])
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			if err := s.wait(unix.POLLIN, deadline); err != nil {
				return err
			}
		case errno != 0:
			return os.NewSyscallError("recvfrom", errno)
		case m == 0 && n == 0:
			return io.EOF
		case m == 0:
			return io.ErrUnexpectedEOF
		default:
			n += m
		}
	}
	return nil
}

// writeWithin writes p, to a peer that has so long to make room for all of it.
func (s socket) writeWithin(p []byte, limit time.Duration) error {
	// A peer that waits for each answer has room, so this is mostly the whole.
	n, errno := dontWait(unix.SYS_SENDTO, s, p)
	if errno == 0 && n == len(p) {
		return nil
	}
	deadline := time.Now().Add(limit)
	for {
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			if err := s.wait(unix.POLLOUT, deadline); err != nil {
				return err
			}
		case errno != 0:
			return os.NewSyscallError("sendto", errno)
		default:
			if p = p[n:]; len(p) == 0 {
				return nil
			}
		}
		n, errno = dontWait(unix.SYS_SENDTO, s, p)
	}
}

// wait waits for one of the events of poll(2), or the end of the connection.
func (s socket) wait(events int16, deadline time.Time) error {
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		fds := []unix.PollFd{{Fd: int32(s), Events: events}}
		// Rounded up: a wait of 0 ms would be a loop without a pause.
		n, err := unix.Poll(fds, int(min(left, time.Hour)/time.Millisecond)+1)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return os.NewSyscallError("poll", err)
		case n > 0:
			return nil
		}
	}
}

// dontWait is recvfrom or sendto with MSG_DONTWAIT. It moves at most a block,
// which is so short that the Go scheduler need not be told of the system call.
// Telling it costs as much as the call.
func dontWait(call uintptr, s socket, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(call, uintptr(s), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}
