package ipc

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/veneer"
)

// World is the secure world as a server sees it.
type World interface {
	// Open starts a session for a process that has connected. An error that is
	// a veneer.Status is given to the process; any other becomes
	// veneer.ErrConnectionRefused.
	Open(Peer) (Session, error)
}

// Session is the five client calls as one client makes them, from several
// channels at once. The slices given to Call are the server's own copies.
type Session interface {
	FrameworkVersion() uint32
	Version(veneer.SID) uint32
	Connect(veneer.SID, uint32) (veneer.Handle, error)
	// Call makes one call. served is false when it was refused before the
	// service saw it; otherwise out has been re-sliced to what it wrote.
	Call(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) (status veneer.Status, served bool)
	Close(veneer.Handle)
	// End ends the session. No call is under way, and none follows.
	End()
}

// Limits bounds what clients can make a server hold. A channel costs a
// descriptor and a few hundred bytes, and, while a frame of it is on its way in
// parts, up to veneer.MaxPayload in that direction.
type Limits struct {
	Channels           int           // in all
	ChannelsPerSession int           // of one process
	Greeting           time.Duration // how long a client may take to greet
}

// DefaultLimits suits a developer's machine and its test suites.
var DefaultLimits = Limits{Channels: 4096, ChannelsPerSession: 1024, Greeting: 5 * time.Second}

// Event is something a server saw that belongs in the secure log. Err says
// what; it never holds payload.
type Event struct {
	Kind EventKind
	Peer Peer
	Err  error
}

// EventKind says what an Event is about.
type EventKind string

const (
	SessionOpened  EventKind = "session opened"
	SessionEnded   EventKind = "session ended"
	ChannelRefused EventKind = "channel refused"
	ChannelDropped EventKind = "channel dropped"
	AcceptFailed   EventKind = "accept failed"
)

// Server serves the veneer on one socket: one non-secure context.
type Server struct {
	world    World
	listener *net.UnixListener
	limits   Limits
	event    func(Event)

	pool     []*worker
	workers  sync.WaitGroup // their goroutines, and the overseer
	overseen atomic.Bool    // the overseer is awake
	wake     chan struct{}
	slots    []atomic.Pointer[channel] // the channels that workers serve

	mu       sync.Mutex
	closed   bool
	channels int // accepted and not yet gone, greeted or not
	sessions map[process]*session
	waiting  map[*net.UnixConn]struct{} // not yet greeted
	free     []place                    // in slots
	next     int                        // the worker that the next channel goes to
	live     sync.WaitGroup             // channels, and watchers of sessions
}

// place is a free place in the table of channels. The turn tells its next channel
// from those before, of which the kernel may still have something to report.
type place struct{ slot, turn int32 }

// NewServer returns a server for connections that l accepts. It takes l over.
// event is called from several goroutines, and must not call the server.
func NewServer(l *net.UnixListener, w World, limits Limits, event func(Event)) (*Server, error) {
	s := &Server{
		world: w, listener: l, limits: limits, event: event,
		wake:     make(chan struct{}, 1),
		slots:    make([]atomic.Pointer[channel], limits.Channels),
		sessions: make(map[process]*session),
		waiting:  make(map[*net.UnixConn]struct{}),
	}
	for i := range s.slots {
		s.free = append(s.free, place{slot: int32(i)})
	}
	for range Workers() {
		set, err := newPollSet()
		if err != nil {
			for _, w := range s.pool {
				w.set.close()
			}
			return nil, err
		}
		s.pool = append(s.pool, &worker{server: s, set: set})
	}
	for _, w := range s.pool {
		sh := newShift(w)
		w.shift.Store(sh)
		s.workers.Add(1)
		go sh.run()
	}
	s.workers.Add(1)
	go s.overseer()
	return s, nil
}

// Serve accepts channels until Close, and returns nil then.
func (s *Server) Serve() error {
	for {
		c, err := s.listener.AcceptUnix()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			// Out of descriptors is the usual reason: those who hold them
			// let go some time, and until then nobody is served by spinning.
			s.event(Event{Kind: AcceptFailed, Err: err})
			time.Sleep(10 * time.Millisecond)
			continue
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			c.Close()
			return nil
		}
		full := s.channels >= s.limits.Channels
		if !full {
			s.channels++
			s.waiting[c] = struct{}{}
			s.live.Add(1)
		}
		s.mu.Unlock()
		if full {
			s.turnAway(c)
		} else {
			go s.greet(c)
		}
	}
}

// turnAway refuses a connection for which there is no room, not even for its
// greeting.
func (s *Server) turnAway(c *net.UnixConn) {
	w := welcome{status: veneer.ErrConnectionBusy}.encode()
	c.Write(w[:]) // a new connection has room for it
	c.Close()
	s.event(Event{Kind: ChannelRefused, Err: s.tooMany()})
}

func (s *Server) tooMany() error {
	return fmt.Errorf("%d channels in all: %w", s.limits.Channels, veneer.ErrConnectionBusy)
}

// Close ends every channel and session, and returns when nothing of them is
// left.
func (s *Server) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	err := s.listener.Close()
	for c := range s.waiting {
		c.Close()
	}
	for _, ss := range s.sessions {
		for ch := range ss.channels {
			ch.carrier.stop()
		}
	}
	s.mu.Unlock()
	s.live.Wait()
	if first {
		for _, w := range s.pool {
			w.set.ring()
		}
		close(s.wake)
	}
	s.workers.Wait()
	if first {
		for _, w := range s.pool {
			w.set.close()
		}
	}
	return err
}

// greet makes a channel of a connection, and gives it to a worker.
func (s *Server) greet(c *net.UnixConn) {
	ch, err := s.admit(c)
	s.mu.Lock()
	delete(s.waiting, c)
	s.mu.Unlock()
	c.Close()
	if err == nil {
		err = s.assign(ch)
	}
	if err != nil {
		if ch != nil {
			s.leave(ch)
			ch.carrier.close()
		}
		s.report(ChannelRefused, Peer{}, err)
		s.mu.Lock()
		s.channels--
		s.mu.Unlock()
		s.live.Done()
	}
}

// assign gives a channel its place in the table and the next worker in turn.
func (s *Server) assign(ch *channel) error {
	s.mu.Lock()
	p := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	ch.slot, ch.turn = p.slot, p.turn
	ch.worker = s.pool[s.next%len(s.pool)]
	s.next++
	s.mu.Unlock()
	s.slots[ch.slot].Store(ch)
	if err := ch.worker.set.add(ch); err != nil {
		s.vacate(ch)
		return err
	}
	return nil
}

// vacate takes a channel out of the table.
func (s *Server) vacate(ch *channel) {
	s.slots[ch.slot].Store(nil)
	s.mu.Lock()
	s.free = append(s.free, place{ch.slot, ch.turn + 1})
	s.mu.Unlock()
}

// lookup returns the channel that an event of a poll set is about, or nil when it
// is no more.
func (s *Server) lookup(slot, turn int32) *channel {
	ch := s.slots[slot].Load()
	if ch == nil || ch.turn != turn {
		return nil
	}
	return ch
}

// end ends a channel that the caller has claimed.
func (s *Server) end(ch *channel, err error) {
	ch.state.Store(ended)
	ch.giveBack()
	s.vacate(ch)
	s.report(ChannelDropped, ch.session.peer, err)
	// Out of the session first: stop must not meet a descriptor that has been
	// closed, and is perhaps someone else's by then.
	s.leave(ch)
	ch.carrier.close()
	s.mu.Lock()
	s.channels--
	s.mu.Unlock()
	s.live.Done()
}

// report makes an event of an error that is more than somebody's leave.
func (s *Server) report(kind EventKind, peer Peer, err error) {
	if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		s.event(Event{kind, peer, err})
	}
}

// admit identifies the peer, exchanges greetings and finds its session. The
// connection stays the caller's to close; the channel has its own descriptor.
func (s *Server) admit(c *net.UnixConn) (*channel, error) {
	peer, id, pidfd, err := peerOf(c)
	if err != nil {
		return nil, err
	}
	refuse := func(st veneer.Status, err error) error {
		w := welcome{status: st}.encode()
		c.Write(w[:])
		return fmt.Errorf("%v: %w", peer, err)
	}
	c.SetDeadline(time.Now().Add(s.limits.Greeting))
	var b [greetingSize]byte
	var h hello
	if _, err := io.ReadFull(c, b[:]); err != nil {
		unix.Close(pidfd)
		return nil, fmt.Errorf("%v: greeting: %w", peer, err)
	}
	if err := h.decode(b); err != nil {
		unix.Close(pidfd)
		return nil, fmt.Errorf("%v: greeting: %w", peer, err)
	}
	w := h.answer()
	if w.version == 0 {
		unix.Close(pidfd)
		return nil, refuse(veneer.ErrNotSupported, fmt.Errorf("greeting: frames of version %d to %d", h.min, h.max))
	}
	fd, err := detach(c)
	if err != nil {
		unix.Close(pidfd)
		return nil, err
	}
	ch := &channel{carrier: &socketCarrier{fd: fd}}
	if err := s.join(peer, id, pidfd, ch); err != nil {
		ch.carrier.close()
		var st veneer.Status
		if !errors.As(err, &st) {
			st = veneer.ErrConnectionRefused
		}
		return nil, refuse(st, err)
	}
	b = w.encode()
	if _, err := c.Write(b[:]); err != nil {
		return ch, err
	}
	return ch, nil
}

// detach returns a blocking descriptor for a connection, beside its own.
func detach(c *net.UnixConn) (int, error) {
	f, err := c.File()
	if err != nil {
		return -1, err
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return -1, os.NewSyscallError("fcntl", err)
	}
	return fd, unix.SetNonblock(fd, false)
}
