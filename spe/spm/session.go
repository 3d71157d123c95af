package spm

import (
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/postern-spe/postern/veneer"
)

// Session is one caller of the client calls: a non-secure process on one
// context's socket, or a secure partition. Its calls are safe for concurrent
// use. The vectors given to Call must be memory that the caller cannot change
// while the call lasts.
type Session struct {
	spm    *SPM
	owner  veneer.Owner
	caller *partition // nil for a non-secure caller
	log    *zap.Logger

	mu          sync.Mutex
	connections map[*connection]struct{}
}

// OpenSession starts the session of a non-secure caller with a client ID, which
// is negative.
func (s *SPM) OpenSession(clientID int32) (*Session, error) {
	if clientID >= 0 {
		return nil, fmt.Errorf("client ID %d is not one of a non-secure caller: %w", clientID, veneer.ErrConnectionRefused)
	}
	return s.newSession(clientID, nil), nil
}

func (s *SPM) newSession(clientID int32, caller *partition) *Session {
	o := veneer.Owner{ClientID: clientID, Session: veneer.SessionID(s.sessions.Add(1))}
	return &Session{
		spm: s, owner: o, caller: caller,
		log:         s.log.With(zap.Int32("client", clientID), zap.Uint64("session", uint64(o.Session))),
		connections: make(map[*connection]struct{}),
	}
}

// Owner returns who the session's messages are from.
func (s *Session) Owner() veneer.Owner { return s.owner }

// FrameworkVersion is psa_framework_version.
func (s *Session) FrameworkVersion() uint32 { return veneer.FrameworkVersion11 }

// Version is psa_version.
func (s *Session) Version(sid veneer.SID) uint32 {
	svc := s.spm.services[sid]
	if svc == nil || !svc.admits(s) {
		return veneer.VersionNone
	}
	return svc.Version
}

// refuse logs why a call went no further than the SPM, and returns its status.
func (s *Session) refuse(call string, st veneer.Status, reason string, fields ...zap.Field) veneer.Status {
	s.log.Warn(call+" refused", append(fields, zap.Int32("status", int32(st)), zap.String("reason", reason))...)
	return st
}

// Connect is psa_connect.
func (s *Session) Connect(sid veneer.SID, version uint32) (veneer.Handle, error) {
	h, st, _ := s.connect(sid, version)
	return h, st.Err()
}

// connect makes a connection. served is false when the SPM itself refused it,
// which is a programmer error of a secure caller (FF-M 1.1, psa_connect).

func (s *Session) connect(sid veneer.SID, version uint32) (h veneer.Handle, st veneer.Status, served bool) {
	svc := s.spm.services[sid]
	refuse := func(st veneer.Status, reason string) (veneer.Handle, veneer.Status, bool) {
		return 0, s.refuse("psa_connect", st, reason, zap.Uint32("sid", uint32(sid)), zap.Uint32("version", version)), false
	}
	switch {
	case svc == nil:
		return refuse(veneer.ErrConnectionRefused, "no such service")
	case !svc.admits(s):
		return refuse(veneer.ErrConnectionRefused, "not a service for this caller")
	case !svc.ConnectionBased:
		return refuse(veneer.ErrProgrammerError, "the service is stateless")
	case !svc.accepts(version):
		return refuse(veneer.ErrConnectionRefused, "not in this version")
	}
	c := &connection{service: svc, session: s}
	c.state.Store(busy)
	s.mu.Lock()
	full := len(s.connections) >= maxConnectionsPerSession || !s.spm.connections.add(c)
	if !full {
		s.connections[c] = struct{}{}
	}
	s.mu.Unlock()
	if full {
		refuse(veneer.ErrConnectionBusy, "no room for another connection")
		return 0, veneer.ErrConnectionBusy, true // FF-M: not a programmer error
	}
	st, _ = svc.partition.serve(&call{session: s, service: svc, conn: c, typ: ipcConnect})
	if st != veneer.Success {
		s.forget(c)
		if st != veneer.ErrConnectionBusy {
			st = veneer.ErrConnectionRefused
		}
		return 0, st, true
	}
	c.state.Store(idle)
	return c.handle, veneer.Success, true
}

// Call is psa_call. served is false when the call was refused before the service
// saw it, with out left alone. The order of the checks is TF-M's: the form of the
// call, the handle, whether the caller may, the version.
func (s *Session) Call(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) (st veneer.Status, served bool) {
	var reason string
	switch {
	case typ < 0 || typ > veneer.MaxCallType:
		reason = "request type out of range"
	case len(in)+len(out) > veneer.MaxIOVec:
		reason = "too many vectors"
	}
	if h.IsStateless() {
		return s.callStateless(h, typ, in, out, reason)
	}
	return s.callConnection(h, typ, in, out, reason)
}

func (s *Session) callStateless(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec, reason string) (veneer.Status, bool) {
	n, version := h.StatelessIndex()
	svc := s.spm.stateless[n-1]
	st := veneer.ErrProgrammerError
	switch {
	case reason != "":
	case svc == nil:
		reason = "no such stateless handle"
	case !svc.admits(s):
		st, reason = veneer.ErrConnectionRefused, "not a service for this caller"
	case !svc.accepts(version):
		reason = "not in this version"
	case tooLarge(in, out):
		st, reason = veneer.ErrInsufficientMemory, "more than one call carries"
	default:
		return s.deliver(svc, nil, typ, in, out)
	}
	return s.refuse("psa_call", st, reason, zap.Int32("handle", int32(h)), zap.Int32("type", typ)), false
}

func (s *Session) callConnection(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec, reason string) (veneer.Status, bool) {
	refuse := func(st veneer.Status, reason string) (veneer.Status, bool) {
		return s.refuse("psa_call", st, reason, zap.Int32("handle", int32(h)), zap.Int32("type", typ)), false
	}
	conn := s.spm.connections.lookup(h, s)
	if conn == nil {
		return refuse(veneer.ErrProgrammerError, "no such handle")
	}
	if !conn.state.CompareAndSwap(idle, busy) {
		return refuse(veneer.ErrProgrammerError, "the connection has a call under way")
	}
	if reason != "" {
		// FF-M 1.1, section 3.5: a programmer error ends the connection it was
		// made on.
		s.drop(conn)
		return refuse(veneer.ErrProgrammerError, reason)
	}
	if tooLarge(in, out) {
		conn.state.Store(idle)
		return refuse(veneer.ErrInsufficientMemory, "more than one call carries")
	}
	st, served := s.deliver(conn.service, conn, typ, in, out)
	if st == veneer.ErrProgrammerError || !served {
		s.drop(conn)
	} else {
		conn.state.Store(idle)
	}
	return st, served
}

// deliver takes a call that may be made to its service.
func (s *Session) deliver(svc *rotService, conn *connection, typ int32, in []veneer.InVec, out []veneer.OutVec) (veneer.Status, bool) {
	c := getCall()
	c.session, c.service, c.conn, c.typ, c.in, c.out = s, svc, conn, typ, in, out
	if !s.spm.traces {
		st, served := svc.partition.serve(c)
		putCall(c)
		return st, served
	}
	// The service shortens out to what it writes.
	sent, room := total(in), total(out)
	began := time.Now()
	st, served := svc.partition.serve(c)
	putCall(c)
	s.log.Debug("call", zap.String("service", svc.Name), zap.Int32("type", typ), zap.Int("in", sent), zap.Int("room", room),
		zap.Int32("status", int32(st)), zap.Duration("took", time.Since(began)))
	return st, served
}

// Close is psa_close. What FF-M forbids is logged and has no effect, since the
// call has no result.
func (s *Session) Close(h veneer.Handle) { s.close(h) }

func (s *Session) close(h veneer.Handle) bool {
	if h == veneer.NullHandle {
		return true
	}
	conn := s.spm.connections.lookup(h, s)
	switch {
	case h.IsStateless():
		s.refuse("psa_close", veneer.ErrProgrammerError, "the handle is stateless", zap.Int32("handle", int32(h)))
	case conn == nil:
		s.refuse("psa_close", veneer.ErrProgrammerError, "no such handle", zap.Int32("handle", int32(h)))
	case !conn.state.CompareAndSwap(idle, busy):
		s.refuse("psa_close", veneer.ErrProgrammerError, "the connection has a call under way", zap.Int32("handle", int32(h)))
	default:
		s.drop(conn)
		return true
	}
	return false
}

// drop ends a connection that the caller has made busy, and tells its service.
func (s *Session) drop(c *connection) {
	c.service.partition.serve(&call{session: s, service: c.service, conn: c, typ: ipcDisconnect})
	s.forget(c)
}

// forget takes a connection out of the tables.
func (s *Session) forget(c *connection) {
	c.state.Store(dropped)
	s.mu.Lock()
	delete(s.connections, c)
	s.mu.Unlock()
	s.spm.connections.remove(c)
}

// End ends the session: its connections are closed, and every partition drops
// what it kept for it. No call may be under way.
func (s *Session) End() {
	s.mu.Lock()
	open := make([]*connection, 0, len(s.connections))
	for c := range s.connections {
		open = append(open, c)
	}
	s.mu.Unlock()
	for _, c := range open {
		if c.state.CompareAndSwap(idle, busy) {
			s.drop(c)
		}
	}
	for _, p := range s.spm.partitions {
		if s.mayUse(p) {
			p.endSession(s.owner)
		}
	}
}

// mayUse reports whether the caller may use a service of p. A partition's session
// can end while it serves a message, so that the turns of those that wait for it
// are taken: they are among those that it may not use, since dependencies form
// no circle.
func (s *Session) mayUse(p *partition) bool {
	for i := range p.Services {
		if s.spm.services[veneer.SID(p.Services[i].SID)].admits(s) {
			return true
		}
	}
	return false
}

func tooLarge(in []veneer.InVec, out []veneer.OutVec) bool {
	return total(in) > veneer.MaxPayload || total(out) > veneer.MaxPayload
}

// total returns how many bytes vectors have.
func total[V ~[]byte](vectors []V) int {
	n := 0
	for _, v := range vectors {
		n += len(v)
	}
	return n
}
