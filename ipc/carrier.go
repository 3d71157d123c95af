package ipc

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// carrier moves the bytes of one channel on the serving side, and never waits.
// read and write return errWait where they would have to; io.EOF is the client's
// leave, net.ErrClosed what follows stop. Only stop may be called from another
// goroutine than the one that has claimed the channel.
type carrier interface {
	read(p []byte) (int, error)
	write(p []byte) (int, error)
	stop()
	close()
	// poll is epoll_ctl for what tells that there is something to be done.
	poll(epoll, op int, event *unix.EpollEvent) error
}

// errWait says that there is nothing to be read, or no room to write, now.
var errWait = errors.New("nothing to be done without waiting")

// socketCarrier carries frames over a stream socket.
type socketCarrier struct {
	fd      int
	stopped atomic.Bool
}

func (c *socketCarrier) read(p []byte) (int, error) {
	for {
		n, errno := dontWait(unix.SYS_RECVFROM, c.fd, p, 0)
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0:
			return 0, c.why("recvfrom", errno)
		case n == 0 && len(p) > 0:
			return 0, c.why("recvfrom", unix.EPIPE)
		}
		return n, nil
	}
}

func (c *socketCarrier) write(p []byte) (int, error) {
	for {
		n, errno := dontWait(unix.SYS_SENDTO, c.fd, p, unix.MSG_NOSIGNAL)
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0:
			return 0, c.why("sendto", errno)
		}
		return n, nil
	}
}

// stop ends the connection. The poller then has the channel's end to report.
func (c *socketCarrier) stop() {
	c.stopped.Store(true)
	unix.Shutdown(c.fd, unix.SHUT_RDWR)
}

func (c *socketCarrier) close() { unix.Close(c.fd) }

func (c *socketCarrier) poll(epoll, op int, event *unix.EpollEvent) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(epoll, op, c.fd, event))
}

func (c *socketCarrier) why(call string, errno unix.Errno) error {
	switch {
	case errno == unix.EAGAIN:
		return errWait
	case c.stopped.Load():
		return net.ErrClosed
	case errno == unix.EPIPE || errno == unix.ECONNRESET:
		return io.EOF
	}
	return os.NewSyscallError(call, errno)
}

// copiesBriefly is the most bytes whose copy is so short that the Go scheduler
// need not be told of the system call. Telling it costs as much as the call.
const copiesBriefly = 16 << 10

// dontWait is recvfrom or sendto with MSG_DONTWAIT.
func dontWait(call uintptr, fd int, p []byte, flags uintptr) (int, unix.Errno) {
	syscall6 := unix.RawSyscall6
	if len(p) > copiesBriefly {
		syscall6 = unix.Syscall6
	}
	n, _, errno := syscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		unix.MSG_DONTWAIT|flags, 0, 0)
	return int(n), errno
}
