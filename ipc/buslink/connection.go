package buslink

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// connection is the memory of one client: all that it can make the server hold.
type connection struct {
	in  [requestSize]byte
	out [replySize + MaxBlock]byte
	// told is set when the client has made the server report something: it must
	// not be able to fill a log.
	told bool
}

// serve answers a client until it goes, or breaks the wire. A client that goes
// between two frames is no error.
func (s *Server) serve(sock socket, peer *visitor) error {
	if err := s.greet(sock); err != nil {
		return err
	}
	c := new(connection)
	for {
		if err := sock.readBegun(c.in[:], s.patience); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("buslink: request: %w", err)
		}
		if s.isClosed() {
			return nil // it was sent before, and is still to be read
		}
		peer.used.Store(time.Now().UnixNano())
		var q request
		if err := q.parse(&c.in); err != nil {
			return err
		}
		var err error
		if q.op == Map {
			err = s.answerMap(sock, c)
		} else {
			err = sock.writeWithin(s.answer(&q, &c.out), s.patience)
		}
		if err != nil {
			return fmt.Errorf("buslink: reply: %w", err)
		}
	}
}

func (s *Server) greet(sock socket) error {
	if err := sock.writeWithin(appendWelcome(nil, welcome, s.board), s.patience); err != nil {
		return fmt.Errorf("buslink: greeting: %w", err)
	}
	var p [greetingSize]byte
	if err := sock.readWithin(p[:], s.patience); err != nil {
		return fmt.Errorf("buslink: greeting: %w", err)
	}
	_, err := parseGreeting(p[:])
	return err
}

// answer makes the access and returns the frame to send, in buf.
func (s *Server) answer(q *request, buf *[replySize + MaxBlock]byte) []byte {
	var r reply
	switch q.op {
	case Load:
		r.value, r.outcome = s.target.Load(q.ap, q.addr, int(q.width))
		r.value &= mask(q.width)
	case Store:
		r.outcome = s.target.Store(q.ap, q.addr, int(q.width), q.value)
	case Fetch:
		r.value, r.outcome = s.target.Fetch(q.ap, q.addr, int(q.width))
		r.value &= mask(q.width)
	case Block:
		r = s.readBlock(q, buf[replySize:replySize+q.value])
	default:
		r.outcome = UnknownOp
	}
	if r.outcome != OK {
		// Whatever a target left there, a refused access gives nothing.
		r.value, r.length = 0, 0
	}
	r.put(buf[:replySize])
	return buf[:replySize+r.length]
}

func (s *Server) readBlock(q *request, p []byte) reply {
	if uint64(q.addr)+uint64(q.value) > 1<<32 {
		return reply{outcome: BusFault, addr: q.addr}
	}
	at, o := s.target.ReadBlock(q.ap, q.addr, p)
	switch {
	case o == OK:
		return reply{length: q.value}
	case at < q.addr || at-q.addr >= q.value:
		at = q.addr
	}
	return reply{outcome: o, addr: at}
}

// answerMap sends the target's windows.
func (s *Server) answerMap(sock socket, c *connection) error {
	ws, files, o, err := s.windows()
	if err != nil && !c.told {
		c.told = true
		s.report(fmt.Errorf("buslink: windows: %w", err))
	}
	frame := c.out[:replySize]
	r := reply{outcome: o, value: uint32(len(files)), length: uint32(len(ws) * windowSize)}
	r.put(frame)
	if len(files) == 0 {
		return sock.writeWithin(frame, s.patience)
	}
	return sock.writeFiles(appendWindows(frame, ws, files), files, s.patience)
}

// windows returns the target's windows, in the order of the wire, and their
// files. What would give a client more than the windows show is an error, and is
// not given.
func (s *Server) windows() ([]Window, []*os.File, Outcome, error) {
	m, ok := s.target.(Mapper)
	if !ok {
		return nil, nil, UnknownOp, nil
	}
	ws, err := m.Windows()
	var files []*os.File
	if err == nil {
		ws = slices.SortedFunc(slices.Values(ws), func(a, b Window) int { return cmp.Compare(a.Addr, b.Addr) })
		files = filesOf(ws)
		err = checkOffer(ws, files)
	}
	if err != nil {
		return nil, nil, Failed, err
	}
	return ws, files, OK, nil
}

func checkOffer(ws []Window, files []*os.File) error {
	if len(ws) > MaxWindows || len(files) > MaxFiles {
		return &ProtocolError{fmt.Sprintf("%d windows in %d files are too many", len(ws), len(files))}
	}
	if err := checkWindows(ws, files); err != nil {
		return err
	}
	return checkNothingElse(ws, files)
}
