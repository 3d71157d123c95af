package ipc

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/veneer"
)

// session is one process on this server's socket.
type session struct {
	Session
	id       process
	peer     Peer
	pidfd    int                   // open until the session has ended
	process  *os.File              // the same, as something to wait for
	channels map[*channel]struct{} // guarded by Server.mu
	ending   bool                  // guarded by Server.mu
}

// join puts a channel into its process's session, opening one for a process
// that has none. It takes pidfd over.
func (s *Server) join(peer Peer, id process, pidfd int, ch *channel) error {
	s.mu.Lock()
	if ss := s.sessions[id]; ss != nil && !ss.ending && !exited(ss.pidfd) {
		defer s.mu.Unlock()
		unix.Close(pidfd)
		return s.seat(ss, ch)
	}
	s.mu.Unlock()

	// Opening calls into the secure world, so it is done without the lock. Two
	// first channels of one process may both come here; the second finds the
	// first's session below and ends its own unused.
	opened, err := s.world.Open(peer)
	if err != nil {
		unix.Close(pidfd)
		return err
	}
	unix.SetNonblock(pidfd, true) // lets the runtime's poller wait for it
	ss := &session{Session: opened, id: id, peer: peer, pidfd: pidfd, process: os.NewFile(uintptr(pidfd), "pidfd"), channels: make(map[*channel]struct{})}
	s.mu.Lock()
	if other := s.sessions[id]; other != nil && !other.ending && !exited(other.pidfd) {
		err := s.seat(other, ch)
		s.mu.Unlock()
		ss.process.Close()
		opened.End()
		return err
	}
	if err := s.seat(ss, ch); err != nil {
		s.mu.Unlock()
		ss.process.Close()
		opened.End()
		return err
	}
	s.sessions[id] = ss
	s.live.Add(1)
	s.mu.Unlock()
	s.event(Event{SessionOpened, peer, nil})
	go s.watch(ss)
	return nil
}

// seat adds a channel to a session. The caller holds s.mu.
func (s *Server) seat(ss *session, ch *channel) error {
	switch {
	case s.closed:
		return net.ErrClosed
	case s.channels >= s.limits.Channels:
		return fmt.Errorf("%d channels in all: %w", s.limits.Channels, veneer.ErrConnectionBusy)
	case len(ss.channels) >= s.limits.ChannelsPerSession:
		return fmt.Errorf("%d channels of one process: %w", s.limits.ChannelsPerSession, veneer.ErrConnectionBusy)
	}
	ss.channels[ch] = struct{}{}
	ch.session = ss
	s.channels++
	return nil
}

// watch waits for the end of a session's process and then stops the session's
// channels: a descriptor that a child inherited does not keep it alive.
func (s *Server) watch(ss *session) {
	defer s.live.Done()
	raw, err := ss.process.SyscallConn()
	if err != nil {
		return
	}
	err = raw.Read(func(fd uintptr) bool { return exited(int(fd)) })
	if err != nil {
		return // closed: the last channel left
	}
	s.mu.Lock()
	for ch := range ss.channels {
		ch.carrier.stop()
	}
	s.mu.Unlock()
}

// leave takes a channel out of its session, and ends the session with the last.
func (s *Server) leave(ch *channel) {
	ss := ch.session
	s.mu.Lock()
	delete(ss.channels, ch)
	s.channels--
	last := len(ss.channels) == 0 && !ss.ending
	if last {
		ss.ending = true
		if s.sessions[ss.id] == ss {
			delete(s.sessions, ss.id)
		}
	}
	s.mu.Unlock()
	if last {
		ss.process.Close()
		ss.Session.End()
		s.event(Event{SessionEnded, ss.peer, nil})
	}
}
