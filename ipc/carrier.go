package ipc

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
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

// commonFrame is the most bytes of a frame for which there is memory at all
// times; a larger one borrows from wholeFrames for the length of its call.
const commonFrame = 72 << 10

var wholeFrames = sync.Pool{New: func() any { b := make([]byte, maxRequest); return &b }}

// lease is memory for one frame: own, when it has some that is large enough, or
// on loan.
type lease struct {
	own   []byte
	loan  *[]byte
	taken int // bytes handed out, which are wiped when given back
}

func (l *lease) take(n int) []byte {
	l.taken = n
	if n <= len(l.own) {
		return l.own[:n]
	}
	l.loan = wholeFrames.Get().(*[]byte)
	return (*l.loan)[:n]
}

// giveBack wipes the memory, since it held a client's data or keys, and may hold
// another's next.
func (l *lease) giveBack() {
	if l.loan != nil {
		clear((*l.loan)[:l.taken])
		wholeFrames.Put(l.loan)
		l.loan = nil
	} else {
		clear(l.own[:l.taken])
	}
	l.taken = 0
}
