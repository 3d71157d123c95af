package buslink

import (
	"io"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// writeFiles is writeWithin of a frame with descriptors of files, which go with
// its first byte.
func (s socket) writeFiles(p []byte, files []*os.File, limit time.Duration) error {
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	defer runtime.KeepAlive(files)
	rights := unix.UnixRights(fds...)
	deadline := time.Now().Add(limit)
	for {
		n, err := unix.SendmsgN(int(s), p, rights, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			if err := s.wait(unix.POLLOUT, deadline); err != nil {
				return err
			}
		case err != nil:
			return os.NewSyscallError("sendmsg", err)
		case n == len(p):
			return nil
		default:
			return s.writeWithin(p[n:], time.Until(deadline))
		}
	}
}

// readFiles is read of the beginning of a frame with the descriptors that came
// with its first byte, MaxFiles at most. After an error there are none.
func (s socket) readFiles(p []byte) (files []*os.File, err error) {
	oob := make([]byte, unix.CmsgSpace(4*MaxFiles))
	var n, oobn, flags int
	for {
		n, oobn, flags, _, err = unix.Recvmsg(int(s), p, oob, unix.MSG_CMSG_CLOEXEC)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return nil, os.NewSyscallError("recvmsg", err)
	}
	files, err = received(oob[:oobn])
	switch {
	case err != nil:
	case flags&unix.MSG_CTRUNC != 0:
		// The kernel has closed those that there was no room for.
		err = &ProtocolError{"the server sent more files than there can be"}
	case n == 0:
		err = io.EOF
	default:
		if err = s.read(p[n:]); err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil {
		closeFiles(files)
		return nil, err
	}
	return files, nil
}

// received takes over the descriptors of control messages. All are returned,
// also with an error.
func received(oob []byte) ([]*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, &ProtocolError{"the server sent an impossible control message"}
	}
	var files []*os.File
	for _, m := range messages {
		fds, e := unix.ParseUnixRights(&m)
		if e != nil {
			err = &ProtocolError{"the server sent a control message other than files"}
			continue
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "flash"))
		}
	}
	return files, err
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
