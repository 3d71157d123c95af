package buslink

import (
	"errors"
	"fmt"
	"net"
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

const acceptPause = 50 * time.Millisecond

// Server serves a Target on a socket, each connection in a goroutine, and while
// it waits in a thread, of its own.
type Server struct {
	target     Target
	board      string
	report     func(error)
	perProcess int           // MaxPerProcess but in tests
	patience   time.Duration // patience but in tests

	mu        sync.Mutex
	listener  *net.UnixListener
	conns     map[socket]struct{}
	processes map[int32]int // connections by the PID of who made them; none is 0
	closed    bool
	wg        sync.WaitGroup
}

// NewServer returns a server of t. report, which may be nil, is told once of
// each connection that was refused or ended for a fault of the client's, and once
// for a connection of windows that could not be given; it is called from many goroutines, and
// the error holds nothing that the client sent.
func NewServer(t Target, report func(error)) *Server {
	if report == nil {
		report = func(error) {}
	}
	return &Server{
		target:     t,
		board:      t.Board(),
		report:     report,
		perProcess: MaxPerProcess,
		patience:   patience,
		conns:      make(map[socket]struct{}),
		processes:  make(map[int32]int),
	}
}

// ErrServerClosed is what Serve returns after Close.
var ErrServerClosed = errors.New("buslink: the server is closed")

// Serve accepts connections on l until Close, or until accepting fails. It is
// called once, and owns l. It refuses a target whose board has no proper name.
func (s *Server) Serve(l *net.UnixListener) error {
	if !isBoardName(s.board) {
		l.Close()
		return fmt.Errorf("buslink: %q is no name of a board", s.board)
	}
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
		if err == nil {
			err = s.accept(conn)
		}
		if err == nil {
			continue
		}
		if s.isClosed() {
			return ErrServerClosed
		}
		// Out of descriptors or memory: the next one may be served. The pause
		// keeps a lasting failure from spinning.
		if !transient(err) {
			return fmt.Errorf("buslink: accept: %w", err)
		}
		time.Sleep(acceptPause)
	}
}

// transient reports whether accepting may work again later.
func transient(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) ||
		errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
}

// accept takes a connection over.
func (s *Server) accept(conn *net.UnixConn) error {
	pid, uid := peer(conn)
	sock, err := detach(conn)
	if err != nil {
		return err
	}
	if !s.admit(sock, pid, uid) {
		// A fresh socket has room for a greeting: this does not wait.
		sock.writeWithin(appendWelcome(nil, noRoom, ""), 0)
		sock.close()
		s.report(ErrBusy)
	}
	return nil
}

// admit starts a connection, unless there are too many, in all or of its
// process.
func (s *Server) admit(sock socket, pid int32, uid uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !mayConnect(uid) || len(s.conns) >= MaxConnections || s.processes[pid] >= s.perProcess {
		return false
	}
	s.conns[sock] = struct{}{}
	s.processes[pid]++
	s.wg.Go(func() {
		err := s.serve(sock)
		s.mu.Lock()
		// Close shuts down what is in the table, and nothing else that has got
		// the number since.
		delete(s.conns, sock)
		sock.close()
		if s.processes[pid]--; s.processes[pid] == 0 {
			delete(s.processes, pid)
		}
		closed := s.closed
		s.mu.Unlock()
		if err != nil && !closed {
			s.report(err)
		}
	})
	return true
}

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
	for sock := range s.conns {
		sock.shutdown()
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
