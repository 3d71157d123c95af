package buslink

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// MaxWindows and MaxFiles are the most windows of one map, and the most files
// that they lie in.
const (
	MaxWindows = 256
	MaxFiles   = 16
)

const windowSize = 16

// Window is a piece of flash that non-secure code may read, and where its bytes
// lie in a file. Addr, Size and Off are multiples of the host's page size; Off
// and the end of the window are below 4 GiB.
//
// Whoever has the descriptor can map every page of the file, whatever the
// windows say, and a program of the same user can open it anew for writing
// (proc(5), /proc/PID/fd). So a file that a Target offers holds nothing outside
// its windows, which the Server checks, and ought to be a memfd that is sealed
// with F_SEAL_FUTURE_WRITE, which it does not.
type Window struct {
	Addr, Size uint32
	File       *os.File
	Off        int64
}

// Mapper is a Target whose non-secure readable flash can be mapped.
type Mapper interface {
	// Windows returns the windows, no two of which overlap. The files are open
	// for reading alone and stay the target's: they stay open for as long as it
	// is served. The server moves their offsets, and so can every client.
	Windows() ([]Window, error)
}

// CloseWindows closes the files of windows that came from a Client.
func CloseWindows(ws []Window) {
	for i, w := range ws {
		if !slices.ContainsFunc(ws[:i], func(v Window) bool { return v.File == w.File }) {
			w.File.Close()
		}
	}
}

// filesOf returns the files of windows, each once, in the order of first use.
func filesOf(ws []Window) []*os.File {
	var files []*os.File
	for _, w := range ws {
		if !slices.Contains(files, w.File) {
			files = append(files, w.File)
		}
	}
	return files
}

// appendWindows appends windows in their order on the wire, whose files have the
// numbers that they have in files.
func appendWindows(p []byte, ws []Window, files []*os.File) []byte {
	for _, w := range ws {
		p = binary.LittleEndian.AppendUint32(p, w.Addr)
		p = binary.LittleEndian.AppendUint32(p, w.Size)
		p = binary.LittleEndian.AppendUint32(p, uint32(w.Off))
		p = binary.LittleEndian.AppendUint32(p, uint32(slices.Index(files, w.File)))
	}
	return p
}

// parseWindows decodes windows; p is whole ones. It accepts only what
// appendWindows writes: numbers are given out in the order of first use, and
// each file has one.
func parseWindows(p []byte, files []*os.File) ([]Window, error) {
	ws := make([]Window, 0, len(p)/windowSize)
	next := uint32(0)
	for ; len(p) > 0; p = p[windowSize:] {
		number := binary.LittleEndian.Uint32(p[12:])
		if number > next || int(number) >= len(files) {
			return nil, &ProtocolError{"a window of no file"}
		}
		if number == next {
			next++
		}
		ws = append(ws, Window{
			Addr: binary.LittleEndian.Uint32(p),
			Size: binary.LittleEndian.Uint32(p[4:]),
			File: files[number],
			Off:  int64(binary.LittleEndian.Uint32(p[8:])),
		})
	}
	if int(next) != len(files) {
		return nil, &ProtocolError{"a file without a window"}
	}
	return ws, nil
}

// checkWindows checks what either side can check of windows and their files:
// order, alignment, overlap, and that the bytes are there and read-only.
func checkWindows(ws []Window, files []*os.File) error {
	page := uint32(os.Getpagesize())
	end := uint64(0)
	for _, w := range ws {
		switch {
		case w.Size == 0 || w.Addr%page != 0 || w.Size%page != 0 || w.Off%int64(page) != 0:
			return &ProtocolError{fmt.Sprintf("a window at 0x%08x of 0x%x bytes, 0x%x in its file, is not whole pages", w.Addr, w.Size, w.Off)}
		case w.Off < 0 || uint64(w.Off)+uint64(w.Size) > 1<<32 || uint64(w.Addr)+uint64(w.Size) > 1<<32:
			return &ProtocolError{fmt.Sprintf("a window at 0x%08x of 0x%x bytes passes 4 GiB", w.Addr, w.Size)}
		case uint64(w.Addr) < end:
			return &ProtocolError{fmt.Sprintf("a window at 0x%08x overlaps another, or is out of order", w.Addr)}
		}
		end = uint64(w.Addr) + uint64(w.Size)
	}
	for _, f := range files {
		size, err := checkFile(int(f.Fd()))
		if err != nil {
			return err
		}
		for _, w := range ws {
			if w.File == f && w.Off+int64(w.Size) > size {
				return &ProtocolError{fmt.Sprintf("a window at 0x%08x passes the end of its file", w.Addr)}
			}
		}
	}
	return nil
}

// checkFile returns the size of a file that can be read and mapped, and through
// this descriptor not written.
func checkFile(fd int) (int64, error) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return 0, os.NewSyscallError("fcntl", err)
	}
	if flags&(unix.O_ACCMODE|unix.O_PATH) != unix.O_RDONLY {
		return 0, &ProtocolError{"a file of windows is not open for reading alone"}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, os.NewSyscallError("fstat", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0, &ProtocolError{"a file of windows is no regular file"}
	}
	return st.Size, nil
}

// checkNothingElse checks that files hold no data outside their windows: what a
// client could map without being shown it. A hole is nothing (lseek(2),
// SEEK_DATA); a filesystem that knows no holes has data everywhere.
func checkNothingElse(ws []Window, files []*os.File) error {
	for _, f := range files {
		var own []Window
		for _, w := range ws {
			if w.File == f {
				own = append(own, w)
			}
		}
		slices.SortFunc(own, func(a, b Window) int { return cmp.Compare(a.Off, b.Off) })
		at := int64(0)
		for _, w := range own {
			if w.Off < at {
				return &ProtocolError{fmt.Sprintf("a window at 0x%08x shares bytes of its file with another", w.Addr)}
			}
			if err := checkHole(f, at, w.Off); err != nil {
				return err
			}
			at = w.Off + int64(w.Size)
		}
		if err := checkHole(f, at, 1<<62); err != nil {
			return err
		}
	}
	return nil
}

// checkHole checks that a file has no data from one offset to another.
func checkHole(f *os.File, from, to int64) error {
	if from == to {
		return nil
	}
	data, err := unix.Seek(int(f.Fd()), from, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO): // nothing but a hole up to the end
		return nil
	case err != nil:
		return os.NewSyscallError("lseek", err)
	case data < to:
		return &ProtocolError{fmt.Sprintf("a file of windows has data at 0x%x that no window shows", data)}
	}
	return nil
}
