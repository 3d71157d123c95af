package buslink

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var pageSize = int64(os.Getpagesize())

// flashTarget is a ramTarget with windows.
type flashTarget struct {
	ramTarget
	windows []Window
	err     error
}

func (f *flashTarget) Windows() ([]Window, error) { return f.windows, f.err }

// readOnly returns a file of n bytes, none of which are a hole, that is open for
// reading alone.
func readOnly(t testing.TB, n int64) *os.File {
	t.Helper()
	return holding(t, bytes.Repeat([]byte{0xA5}, int(n)), 0)
}

// holding is a file of some bytes behind a hole.
func holding(t testing.TB, data []byte, hole int64) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flash")
	w, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteAt(data, hole); err != nil {
		t.Fatal(err)
	}
	// Bytes on their way to the disk are data; a file whose hole is one is a
	// matter of the filesystem that the test runs on, which knows holes.
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return opened(t, path, os.O_RDONLY)
}

func opened(t testing.TB, path string, flags int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, flags, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// offering starts a server whose target has these windows.
func offering(t *testing.T, target Target) (*Client, chan error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	reports := make(chan error, 16)
	s := NewServer(target, func(err error) { reports <- err })
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return dial(t, path), reports
}

func TestWindows(t *testing.T) {
	low := holding(t, bytes.Repeat([]byte{1}, int(2*pageSize)), 0)
	// A hole where flash is secure, and data behind it.
	high := holding(t, bytes.Repeat([]byte{2}, int(pageSize)), 4*pageSize)
	c, _ := offering(t, &flashTarget{windows: []Window{
		{0x10000000, uint32(pageSize), high, 4 * pageSize},
		{uint32(8 * pageSize), uint32(pageSize), low, pageSize},
		{uint32(2 * pageSize), uint32(pageSize), low, 0},
	}})
	before := descriptors(t)
	ws, o, err := c.Windows()
	if o != OK || err != nil || len(ws) != 3 {
		t.Fatal(ws, o, err)
	}
	for i, want := range []struct {
		addr, first uint32
		off         int64
	}{{uint32(2 * pageSize), 1, 0}, {uint32(8 * pageSize), 1, pageSize}, {0x10000000, 2, 4 * pageSize}} {
		w := ws[i]
		var p [1]byte
		if _, err := w.File.ReadAt(p[:], w.Off); err != nil || uint32(p[0]) != want.first {
			t.Errorf("window %d holds %d, %v", i, p[0], err)
		}
		if w.Addr != want.addr || int64(w.Size) != pageSize || w.Off != want.off {
			t.Errorf("window %d: %+v", i, w)
		}
		if _, err := w.File.Write(p[:]); err == nil {
			t.Errorf("window %d can be written", i)
		}
		if flags, err := unix.FcntlInt(w.File.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("window %d would be inherited", i)
		}
	}
	if ws[0].File != ws[1].File || ws[1].File == ws[2].File {
		t.Error("the files are mixed up")
	}
	CloseWindows(ws)
	if now := descriptors(t); now != before {
		t.Errorf("%d descriptors, before %d", now, before)
	}
	// The connection goes on.
	if _, o, err := c.Load(MemoryAP, 0, 4); o != OK || err != nil {
		t.Errorf("afterwards: %v, %v", o, err)
	}
}

func TestNoWindows(t *testing.T) {
	c, _ := offering(t, new(ramTarget))
	if ws, o, err := c.Windows(); ws != nil || o != UnknownOp || err != nil {
		t.Errorf("a target without: %v, %v, %v", ws, o, err)
	}
	c, _ = offering(t, new(flashTarget))
	if ws, o, err := c.Windows(); len(ws) != 0 || o != OK || err != nil {
		t.Errorf("a target with none: %v, %v, %v", ws, o, err)
	}
}

// TestWindowsNotGiven: what would give more than the windows show is not sent,
// and is reported once for a connection that asks again and again.
func TestWindowsNotGiven(t *testing.T) {
	page := uint32(pageSize)
	two := readOnly(t, 2*pageSize)
	writable := opened(t, two.Name(), os.O_RDWR)
	nothing := opened(t, two.Name(), unix.O_PATH)
	many := make([]Window, MaxWindows+1)
	for i := range many {
		many[i] = Window{uint32(i) * page, page, two, 0}
	}
	tests := []struct {
		name    string
		windows []Window
		err     error
		want    string
	}{
		{"the target fails", nil, errors.New("no memory"), "no memory"},
		{"bytes behind the window", []Window{{0, page, two, 0}}, nil, "that no window shows"},
		{"bytes before the window", []Window{{0, page, two, pageSize}}, nil, "that no window shows"},
		{"writable", []Window{{0, 2 * page, writable, 0}}, nil, "not open for reading alone"},
		{"a path", []Window{{0, 2 * page, nothing, 0}}, nil, "not open for reading alone"},
		{"overlap", []Window{{0, 2 * page, two, 0}, {page, page, readOnly(t, pageSize), 0}}, nil, "overlaps"},
		{"bytes twice", []Window{{0, 2 * page, two, 0}, {2 * page, page, two, pageSize}}, nil, "shares bytes"},
		{"past the file", []Window{{0, 3 * page, two, 0}}, nil, "passes the end of its file"},
		{"off a page", []Window{{0, page, two, 1}}, nil, "not whole pages"},
		{"nothing", []Window{{0, 0, two, 0}}, nil, "not whole pages"},
		{"past 4 GiB", []Window{{-page, 2 * page, two, 0}}, nil, "passes 4 GiB"},
		{"too many", many, nil, "too many"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, reports := offering(t, &flashTarget{windows: tt.windows, err: tt.err})
			for range 3 {
				if ws, o, err := c.Windows(); ws != nil || o != Failed || err != nil {
					t.Fatalf("%v, %v, %v", ws, o, err)
				}
			}
			if err := <-reports; !strings.Contains(err.Error(), tt.want) {
				t.Errorf("reported %v", err)
			}
			select {
			case err := <-reports:
				t.Errorf("reported again: %v", err)
			default:
			}
		})
	}
}

// TestHostileWindows: a client keeps nothing of a map that is not as it should
// be, and no descriptor of it.
func TestHostileWindows(t *testing.T) {
	page := uint32(pageSize)
	two := readOnly(t, 2*pageSize)
	writable := opened(t, two.Name(), os.O_RDWR)
	directory := opened(t, t.TempDir(), os.O_RDONLY)
	good := []Window{{0, page, two, 0}}
	frame := func(ws []Window, files []*os.File, announced int) []byte {
		r := reply{value: uint32(announced), length: uint32(len(ws) * windowSize)}
		p := make([]byte, replySize)
		r.put(p)
		return appendWindows(p, ws, files)
	}
	many := make([]*os.File, MaxFiles+1)
	for i := range many {
		many[i] = two
	}
	one := []*os.File{two}
	tests := []struct {
		name  string
		p     []byte
		files []*os.File
	}{
		{"no file", frame(good, one, 1), nil},
		{"a file too many", frame(good, one, 1), []*os.File{two, two}},
		{"more files than can be", frame(good, one, 1), many},
		{"a file that is not announced", frame(nil, one, 0), one},
		{"a file without a window", frame(append(good, Window{page, page, two, 0}), one, 2), []*os.File{two, two}},
		{"a window of no file", frame([]Window{{0, page, writable, 0}}, []*os.File{two, writable}, 1), one},
		{"writable", frame(good, one, 1), []*os.File{writable}},
		{"a directory", frame(good, one, 1), []*os.File{directory}},
		{"overlap", frame([]Window{{0, 2 * page, two, 0}, {page, page, two, 0}}, one, 1), one},
		{"out of order", frame([]Window{{page, page, two, 0}, {0, page, two, 0}}, one, 1), one},
		{"off a page", frame([]Window{{1, page, two, 0}}, one, 1), one},
		{"past the file", frame([]Window{{0, page, two, 2 * pageSize}}, one, 1), one},
		{"past 4 GiB", frame([]Window{{-page, 2 * page, two, 0}}, one, 1), one},
		{"files with a refusal", []byte{byte(UnknownOp), 15: 0}, one},
		{"half a frame", frame(good, one, 1)[:replySize+4], one},
		{"half a header", frame(good, one, 1)[:7], one},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- sendMap(l, tt.p, tt.files) }()
			before := descriptors(t)
			c, err := Dial(path)
			if err != nil {
				t.Fatal(err)
			}
			ws, _, err := c.Windows()
			if err == nil {
				t.Errorf("accepted %+v", ws)
			}
			if _, _, again := c.Load(MemoryAP, 0, 4); again != err {
				t.Errorf("the connection lives on: %v", again)
			}
			c.Close()
			if err := <-served; err != nil {
				t.Error(err)
			}
			if now := descriptors(t); now >= before {
				t.Errorf("%d descriptors, before %d with the listener", now, before)
			}
		})
	}
}

// sendMap greets one client and answers what it asks with p and files.
func sendMap(l *net.UnixListener, p []byte, files []*os.File) error {
	conn, err := l.AcceptUnix()
	l.Close()
	if err != nil {
		return err
	}
	s, err := detach(conn)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.writeWithin(appendWelcome(nil, welcome, "hostile"), patience); err != nil {
		return err
	}
	var ask [greetingSize + requestSize]byte
	if err := s.read(ask[:]); err != nil {
		return err
	}
	if len(files) == 0 {
		return s.writeWithin(p, patience)
	}
	return s.writeFiles(p, files, patience)
}

// descriptors is how many this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

// TestFilesAtAnyOtherTime: a server that sends descriptors with an answer that
// has none gets rid of them, and the client has none more.
func TestFilesAtAnyOtherTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- sendMap(l, make([]byte, replySize), []*os.File{readOnly(t, 1)}) }()
	c := dial(t, path)
	before := descriptors(t)
	if _, o, err := c.Load(MemoryAP, 0, 4); o != OK || err != nil {
		t.Error(o, err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	// The server's end and the file of its answer are gone.
	if now := descriptors(t); now > before {
		t.Errorf("%d descriptors, before %d", now, before)
	}
}
