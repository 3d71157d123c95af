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
// descriptor and a few hundred bytes.
type Limits struct {
	Channels           int // in all
	ChannelsPerSession int // of one process
	// Ungreeted connections, which nobody has promised anything: in all, and of
	// one process. They do not count as channels.
	Ungreeted           int
	UngreetedPerProcess int
	// Stashed is how many bytes of frames that have come in part, and of replies
	// that are not read, there may be in all.
	Stashed int
	// Greeting is how long a client may take to greet, Stall how long half a
	// frame or a reply that is not read may last.
	Greeting, Stall time.Duration
}

// DefaultLimits suits a developer's machine and its test suites.
var DefaultLimits = Limits{
	Channels: 4096, ChannelsPerSession: 1024,
	Ungreeted: 1024, UngreetedPerProcess: 64,
	Stashed:  64 << 20,
	Greeting: 2 * time.Second, Stall: 10 * time.Second,
}

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
	budget   *budget                   // of their stashes

	mu       sync.Mutex
	closed   bool
	channels int // greeted and not yet gone
	sessions map[process]*session
	waiting  map[*net.UnixConn]int32 // not yet greeted: the process ID
	greeting map[int32]int           // how many of them a process has
	free     []place                 // in slots
	next     int                     // the worker that the next channel goes to
	live     sync.WaitGroup          // channels, and watchers of sessions
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
		waiting:  make(map[*net.UnixConn]int32),
		greeting: make(map[int32]int),
		budget:   new(budget),
	}
	s.budget.left.Store(int64(limits.Stashed))
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
		peer, id, pidfd, err := peerOf(c)
		if err != nil {
			c.Close()
			s.report(ChannelRefused, peer, err)
			continue
		}
		if err := s.wait(c, peer); err != nil {
			unix.Close(pidfd)
			w := welcome{status: veneer.ErrConnectionBusy}.encode()
			c.Write(w[:]) // a new connection has room for it
			c.Close()
			s.report(ChannelRefused, peer, err)
			continue
		}
		go s.greet(c, peer, id, pidfd)
	}
}

// wait enters a connection among those that have not greeted.
func (s *Server) wait(c *net.UnixConn, peer Peer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return net.ErrClosed
	case len(s.waiting) >= s.limits.Ungreeted:
		return fmt.Errorf("%d connections that have not greeted: %w", s.limits.Ungreeted, veneer.ErrConnectionBusy)
	case s.greeting[peer.PID] >= s.limits.UngreetedPerProcess:
		return fmt.Errorf("%d connections of one process that have not greeted: %w", s.limits.UngreetedPerProcess, veneer.ErrConnectionBusy)
	}
	s.waiting[c] = peer.PID
	s.greeting[peer.PID]++
	s.live.Add(1)
	return nil
}

// waited takes it out again.
func (s *Server) waited(c *net.UnixConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pid := s.waiting[c]
	delete(s.waiting, c)
	if s.greeting[pid]--; s.greeting[pid] == 0 {
		delete(s.greeting, pid)
	}
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
func (s *Server) greet(c *net.UnixConn, peer Peer, id process, pidfd int) {
	ch, err := s.admit(c, peer, id, pidfd)
	s.waited(c)
	c.Close()
	if err == nil {
		err = s.assign(ch)
	}
	if err == nil {
		return
	}
	if ch != nil {
		s.leave(ch)
		ch.carrier.close()
	}
	s.report(ChannelRefused, peer, err)
	s.live.Done()
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
	if ch.expired.Load() {
		err = errStalled // and not the end of the stream that expire made of it
	}
	ch.giveBack()
	s.vacate(ch)
	s.report(ChannelDropped, ch.session.peer, err)
	// Out of the session first: stop must not meet a descriptor that has been
	// closed, and is perhaps someone else's by then.
	s.leave(ch)
	ch.carrier.close()
	s.live.Done()
}

// expire stops a channel that has stalled. Its worker, who has its memory, ends it.
func (s *Server) expire(ch *channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := ch.session.channels[ch]; open {
		ch.expired.Store(true)
		ch.carrier.stop()
	}
}

// report makes an event of an error that is more than somebody's leave.
func (s *Server) report(kind EventKind, peer Peer, err error) {
	if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		s.event(Event{kind, peer, err})
	}
}

// admit exchanges greetings and finds the peer's session. It takes pidfd over.
// The connection stays the caller's to close; the channel has its own descriptor.
func (s *Server) admit(c *net.UnixConn, peer Peer, id process, pidfd int) (*channel, error) {
	refuse := func(st veneer.Status, err error) error {
		w := welcome{status: st}.encode()
		c.Write(w[:])
		return err
	}
	c.SetDeadline(time.Now().Add(s.limits.Greeting))
	var b [greetingSize]byte
	var h hello
	if _, err := io.ReadFull(c, b[:]); err != nil {
		unix.Close(pidfd)
		return nil, fmt.Errorf("greeting: %w", err)
	}
	if err := h.decode(b); err != nil {
		unix.Close(pidfd)
		return nil, fmt.Errorf("greeting: %w", err)
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
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	ctlErr := raw.Control(func(own uintptr) {
		if fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 3); err == nil {
			err = unix.SetNonblock(fd, false)
		}
	})
	if ctlErr != nil {
		return -1, ctlErr
	}
	return fd, os.NewSyscallError("fcntl", err)
}
