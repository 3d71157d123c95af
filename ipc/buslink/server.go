package buslink

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
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
	idle       time.Duration // idle but in tests

	mu        sync.Mutex
	listener  *net.UnixListener
	conns     map[socket]*visitor
	room      int           // how many more there may be
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
		idle:       idle,
		conns:      make(map[socket]*visitor),
		room:       MaxConnections,
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

// visitor is who is on a connection.
type visitor struct {
	pid  int32        // of the process that made it
	used atomic.Int64 // when its last request came, in Unix nanoseconds
	sent bool         // away, to make room; guarded by Server.mu
}

// idle is how long a connection has not been used that may have to make room.
const idle = time.Second

// admit starts a connection, unless there are too many, in all or of its
// process. Where there are too many in all, the one that has not been used for
// the longest goes: a process can pass its connections on to others and end, and
// what it has left would be there for ever.
func (s *Server) admit(sock socket, pid int32, uid uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !mayConnect(uid) || s.processes[pid] >= s.perProcess || s.room == 0 && !s.makeRoom() {
		return false
	}
	v := &visitor{pid: pid}
	v.used.Store(time.Now().UnixNano())
	s.conns[sock] = v
	s.processes[pid]++
	s.room--
	s.wg.Go(func() {
		err := s.serve(sock, v)
		s.mu.Lock()
		// Close shuts down what is in the table, and nothing else that has got
		// the number since.
		delete(s.conns, sock)
		sock.close()
		s.leave(v)
		closed := s.closed
		s.mu.Unlock()
		if err != nil && !closed {
			s.report(err)
		}
	})
	return true
}

// makeRoom sends away whoever has been idle for the longest. The caller holds mu.
func (s *Server) makeRoom() bool {
	var longest socket
	var who *visitor
	for sock, v := range s.conns {
		if !v.sent && (who == nil || v.used.Load() < who.used.Load()) {
			longest, who = sock, v
		}
	}
	if who == nil || time.Since(time.Unix(0, who.used.Load())) < s.idle {
		return false
	}
	longest.shutdown()
	s.leave(who)
	return true
}

// leave gives the place of a visitor back, once. The caller holds mu.
func (s *Server) leave(v *visitor) {
	if v.sent {
		return
	}
	v.sent = true
	s.room++
	if s.processes[v.pid]--; s.processes[v.pid] == 0 {
		delete(s.processes, v.pid)
	}
}

// Close stops the server: no connection is accepted any more, those that exist
// are ended, and their goroutines have returned when it does. It closes the
// listener. A request under way gets its reply, if its client reads it: the one
// that resets the chip is among them.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	var err error
	if s.listener != nil {
		err = s.listener.Close()
		s.listener = nil
	}
	for sock := range s.conns {
		sock.stopReading()
	}
	s.mu.Unlock()
	late := time.AfterFunc(parting, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for sock := range s.conns {
			sock.shutdown()
		}
	})
	defer late.Stop()
	s.wg.Wait()
	return err
}

// parting is how long Close waits for clients to take their last replies.
const parting = 100 * time.Millisecond

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
