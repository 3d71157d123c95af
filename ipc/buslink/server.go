package buslink

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// MaxConnections is how many clients a Server serves at once.
const MaxConnections = 64

// MaxPerProcess is how many of them one process has at most, so that no process
// alone can shut the others out by keeping connections that it does not use. The
// process is the one that connected, whoever has the connection since. Those
// that the server cannot see, in another PID namespace, share one process's
// number.
const MaxPerProcess = 8

// replyTime is how long a client may take to make room for a reply. One that
// stops reading loses its connection, so that it cannot keep one of the few.
const replyTime = 5 * time.Second

const acceptPause = 50 * time.Millisecond

// Server serves a Target on a socket, each connection in a goroutine of its
// own.
type Server struct {
	target     Target
	dropped    func(error)
	perProcess int // MaxPerProcess but in tests

	mu        sync.Mutex
	listener  *net.UnixListener
	conns     map[*net.UnixConn]struct{}
	processes map[int32]int // connections by the PID of who made them; none is 0
	closed    bool
	wg        sync.WaitGroup
}

// NewServer returns a server of t. dropped, which may be nil, is told once of
// each connection that was refused or ended for a fault of the client's; it is
// called from many goroutines, and the error holds nothing that the client
// sent.
func NewServer(t Target, dropped func(error)) *Server {
	if dropped == nil {
		dropped = func(error) {}
	}
	return &Server{
		target:     t,
		dropped:    dropped,
		perProcess: MaxPerProcess,
		conns:      make(map[*net.UnixConn]struct{}),
		processes:  make(map[int32]int),
	}
}

// ErrServerClosed is what Serve returns after Close.
var ErrServerClosed = errors.New("buslink: the server is closed")

// Serve accepts connections on l until Close, or until accepting fails. It is
// called once, and owns l.
func (s *Server) Serve(l *net.UnixListener) error {
	s.mu.Lock()
	if s.closed || s.listener != nil {
		s.mu.Unlock()
		l.Close()
		return ErrServerClosed
	}
	s.listener = l
	s.mu.Unlock()
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			if s.isClosed() {
				return ErrServerClosed
			}
			// Out of descriptors or memory: the next one may be served. The
			// pause keeps a lasting failure from spinning.
			if transient(err) {
				time.Sleep(acceptPause)
				continue
			}
			return fmt.Errorf("buslink: accept: %w", err)
		}
		if !s.admit(conn) {
			// A fresh socket has room for eight bytes: this does not wait.
			conn.Write(appendGreeting(nil, noRoom))
			conn.Close()
			s.dropped(ErrBusy)
		}
	}
}

// transient reports whether accepting may work again later.
func transient(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) ||
		errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
}

// admit starts a connection, unless there are too many, in all or of its
// process.
func (s *Server) admit(conn *net.UnixConn) bool {
	pid, uid := peer(conn)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !mayConnect(uid) || len(s.conns) >= MaxConnections || s.processes[pid] >= s.perProcess {
		return false
	}
	s.conns[conn] = struct{}{}
	s.processes[pid]++
	s.wg.Go(func() {
		err := s.serve(conn)
		conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		if s.processes[pid]--; s.processes[pid] == 0 {
			delete(s.processes, pid)
		}
		closed := s.closed
		s.mu.Unlock()
		if err != nil && !closed {
			s.dropped(err)
		}
	})
	return true
}

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

// Close stops the server: no connection is accepted any more, those that exist
// are ended, and their goroutines have returned when it does. It closes the
// listener.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	var err error
	if s.listener != nil {
		err = s.listener.Close()
		s.listener = nil
	}
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
	return err
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// connection is the memory of one client: all that it can make the server hold.
type connection struct {
	in  [requestSize]byte
	out [replySize + MaxBlock]byte
}

// serve answers a client until it goes, or breaks the wire. A client that goes
// between two frames is no error.
func (s *Server) serve(conn *net.UnixConn) error {
	if err := s.greet(conn); err != nil {
		return err
	}
	c := new(connection)
	for {
		if _, err := io.ReadFull(conn, c.in[:]); err != nil {
			if err == io.EOF {
				return nil
			}
			return fmt.Errorf("buslink: request: %w", err)
		}
		var q request
		if err := q.parse(&c.in); err != nil {
			return err
		}
		if err := conn.SetWriteDeadline(time.Now().Add(replyTime)); err != nil {
			return err
		}
		if _, err := conn.Write(s.answer(&q, &c.out)); err != nil {
			return fmt.Errorf("buslink: reply: %w", err)
		}
	}
}

func (s *Server) greet(conn *net.UnixConn) error {
	if err := conn.SetDeadline(time.Now().Add(greetingTime)); err != nil {
		return err
	}
	if _, err := conn.Write(appendGreeting(nil, welcome)); err != nil {
		return fmt.Errorf("buslink: greeting: %w", err)
	}
	var p [greetingSize]byte
	if _, err := io.ReadFull(conn, p[:]); err != nil {
		return fmt.Errorf("buslink: greeting: %w", err)
	}
	if _, err := parseGreeting(&p); err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}

// answer makes the access and returns the frame to send, in buf.
func (s *Server) answer(q *request, buf *[replySize + MaxBlock]byte) []byte {
	var r reply
	switch q.op {
	case Load:
		r.value, r.outcome = s.target.Load(q.addr, int(q.width))
	case Store:
		r.outcome = s.target.Store(q.addr, int(q.width), q.value)
	case Fetch:
		r.value, r.outcome = s.target.Fetch(q.addr, int(q.width))
	case Block:
		r.length = q.value
		r.addr, r.outcome = s.target.ReadBlock(q.addr, buf[replySize:replySize+r.length])
	default:
		r.outcome = UnknownOp
	}
	if r.outcome != OK {
		// Whatever a target left there, a refused access gives nothing.
		r.value, r.length = 0, 0
		if q.op != Block {
			r.addr = q.addr
		}
	} else {
		r.addr = 0
	}
	r.put(buf[:replySize])
	return buf[:replySize+r.length]
}
