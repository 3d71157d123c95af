package ipc

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/postern-spe/postern/veneer"
)

// channel serves one client thread's calls, one at a time.
type channel struct {
	carrier carrier
	session *session
	worker  *worker
	slot    int32 // in the server's table
	turn    int32 // how many channels the slot had before

	// state says who may touch what follows: whoever has claimed the channel.
	state atomic.Int32
	// leaving is set when the client has said that it sends no more. The poll set
	// may say so together with a request, and never again.
	leaving atomic.Bool

	head    [RequestHeaderSize]byte // a header of which a part has come
	body    stash                   // a frame of which more than the header has come
	have    int                     // how many bytes of it have
	discard bool                    // there is no memory for it: its bytes are passed over

	unsent []byte // what is left of a reply that the client has no room for
	reply  stash  // the memory that it lies in

	stalled bool        // a part of a frame has come, or a reply is not read
	timer   *time.Timer // ends the channel when it stalls for long
	expired atomic.Bool // and has done so
}

// The states of a channel.
const (
	unclaimed int32 = iota
	claimed
	claimedAgain // and something has happened on it since
	ended
)

// claim makes the caller the one to serve the channel, or leaves word with the
// one who does.
func (ch *channel) claim() bool {
	for {
		if ch.state.CompareAndSwap(unclaimed, claimed) {
			return true
		}
		if ch.state.CompareAndSwap(claimed, claimedAgain) {
			return false
		}
		if s := ch.state.Load(); s == claimedAgain || s == ended {
			return false
		}
	}
}

// release gives the channel up, and reports false when something has happened on
// it meanwhile: then the caller has it still.
func (ch *channel) release() bool {
	if ch.state.CompareAndSwap(claimed, unclaimed) {
		return true
	}
	ch.state.Store(claimed)
	return false
}

// serve does all that can be done on the channel without waiting for the client.
// An error ends the channel; io.EOF is the client's leave.
func (ch *channel) serve(sh *shift) error {
	for {
		if len(ch.unsent) > 0 {
			if err := ch.flush(); err != nil {
				return again(err)
			}
		}
		var req request
		payload, err := ch.receive(sh, &req)
		if err == io.EOF && ch.have > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return again(err)
		}
		frame := sh.answer(ch.session, &req, payload)
		sh.in.giveBack()
		ch.body.giveBack(ch.worker.server.budget, ch.have)
		ch.have, ch.discard = 0, false
		err = ch.send(sh, frame)
		sh.out.giveBack()
		if err != nil {
			return err
		}
		if len(ch.unsent) == 0 && !ch.leaving.Load() {
			// A client has one call at a time: what comes now, comes with an
			// event of its own.
			return nil
		}
	}
}

// again is nil where serving is to go on at the channel's next event.
func again(err error) error {
	if err == errWait {
		return nil
	}
	return err
}

// receive returns the payload of the next request when all of it has come, or nil
// where there was no memory for it and its bytes were passed over. A
// frame that comes whole, as nearly all do, is read into the worker's memory;
// one that does not is collected in the channel's.
func (ch *channel) receive(sh *shift, req *request) ([]byte, error) {
	if ch.have == 0 {
		buf := sh.in.take(commonFrame)
		n, err := ch.carrier.read(buf)
		sh.in.taken = n // no more than this needs wiping
		if err != nil {
			return nil, err
		}
		if n < RequestHeaderSize {
			ch.have = copy(ch.head[:], buf[:n])
			sh.in.giveBack()
			return ch.collect(sh, req)
		}
		if err := req.decode(buf); err != nil {
			return nil, err
		}
		switch length := int(req.length); {
		case n == length:
			return buf[RequestHeaderSize:n], nil
		case n > length:
			return nil, &frameError{length, "bytes after the frame, which no reply has answered yet"}
		}
		copy(ch.head[:], buf)
		ch.keep(req, buf[:n])
		sh.in.giveBack()
	}
	return ch.collect(sh, req)
}

// keep begins to collect a frame whose header is there.
func (ch *channel) keep(req *request, part []byte) {
	ch.have = len(part)
	mem := ch.body.take(ch.worker.server.budget, int(req.length))
	ch.discard = mem == nil
	copy(mem, part)
}

// collect goes on with a frame of which a part has come.
func (ch *channel) collect(sh *shift, req *request) ([]byte, error) {
	whole := ch.have >= RequestHeaderSize
	for ch.have < RequestHeaderSize {
		n, err := ch.carrier.read(ch.head[ch.have:])
		if err != nil {
			return nil, err
		}
		ch.have += n
	}
	if err := req.decode(ch.head[:]); err != nil {
		return nil, err
	}
	if !whole {
		ch.keep(req, ch.head[:])
	}
	for left := int(req.length) - ch.have; left > 0; left = int(req.length) - ch.have {
		var into []byte
		if ch.discard {
			into = sh.in.take(min(left, commonFrame))
		} else {
			into = ch.body.mem[ch.have:]
		}
		n, err := ch.carrier.read(into)
		if err != nil {
			return nil, err
		}
		ch.have += n
	}
	if ch.discard {
		return nil, nil
	}
	return ch.body.mem[RequestHeaderSize:], nil
}

// send sends a reply frame that lies in the worker's memory. What the client has
// no room for is kept, and the channel served again when there is.
func (ch *channel) send(sh *shift, frame []byte) error {
	for len(frame) > 0 {
		n, err := ch.carrier.write(frame)
		if err == errWait {
			ch.unsent = ch.reply.take(ch.worker.server.budget, len(frame))
			if ch.unsent == nil {
				return errNoRoom
			}
			copy(ch.unsent, frame)
			return ch.worker.set.watch(ch, true)
		}
		if err != nil {
			return err
		}
		frame = frame[n:]
	}
	return nil
}

// flush goes on with a reply that the client had no room for.
func (ch *channel) flush() error {
	for len(ch.unsent) > 0 {
		n, err := ch.carrier.write(ch.unsent)
		if err != nil {
			return err
		}
		ch.unsent = ch.unsent[n:]
	}
	ch.reply.giveBack(ch.worker.server.budget, len(ch.reply.mem))
	return ch.worker.set.watch(ch, false)
}

// errNoRoom ends a channel whose client does not read its replies while there is
// no memory left to keep them in.
var errNoRoom = errors.New("a reply is not read, and there is no memory to keep it in")

// errStalled ends a channel on which nothing has come to an end for too long.
var errStalled = errors.New("half a request, or a reply that is not read, for too long")

// giveBack wipes and returns whatever memory the channel still has.
func (ch *channel) giveBack() {
	ch.body.giveBack(ch.worker.server.budget, ch.have)
	ch.reply.giveBack(ch.worker.server.budget, len(ch.reply.mem))
	if ch.timer != nil {
		ch.timer.Stop() // it would keep the channel in memory
	}
}

// watchStall starts the channel's timer when it has stalled, and stops it when it
// goes on.
func (ch *channel) watchStall() {
	stalled := ch.have > 0 || len(ch.unsent) > 0
	if stalled == ch.stalled {
		return
	}
	ch.stalled = stalled
	s := ch.worker.server
	switch {
	case !stalled:
		ch.timer.Stop()
	case ch.timer == nil:
		ch.timer = time.AfterFunc(s.limits.Stall, func() { s.expire(ch) })
	default:
		ch.timer.Reset(s.limits.Stall)
	}
}

// answer makes the call that req describes and returns the reply frame.
func (sh *shift) answer(s Session, req *request, payload []byte) []byte {
	rep := reply{op: req.op, nout: req.nout, seq: req.seq, length: ReplyHeaderSize}
	var frame []byte
	switch req.op {
	case opCall:
		frame = sh.call(s, req, &rep, payload)
	case opFrameworkVersion:
		rep.result = int32(s.FrameworkVersion())
	case opVersion:
		rep.result = int32(s.Version(req.sid))
	case opConnect:
		h, err := s.Connect(req.sid, req.version)
		rep.result = int32(h)
		if err != nil {
			rep.result = int32(statusOf(err))
		}
	case opClose:
		s.Close(req.handle)
	}
	if frame == nil {
		frame = sh.out.take(ReplyHeaderSize)
	}
	frame = frame[:rep.length]
	rep.encode(frame)
	return frame
}

// call makes a psa_call and returns the reply frame's memory with the outputs in
// their places behind the header, or nil where there are none.
func (sh *shift) call(s Session, req *request, rep *reply, payload []byte) []byte {
	var room uint64
	for _, c := range req.outCap {
		room += uint64(c)
	}
	if passedOver := len(payload) != int(req.length)-RequestHeaderSize; passedOver || room > veneer.MaxPayload {
		rep.result, rep.flags = int32(veneer.ErrInsufficientMemory), flagRefused
		return nil
	}
	frame := sh.out.take(ReplyHeaderSize + int(room))
	in, out := sh.inVec[:req.nin], sh.outVec[:req.nout]
	for i := range in {
		n := req.inLen[i]
		in[i], payload = payload[:n:n], payload[n:]
	}
	rest := frame[ReplyHeaderSize:]
	for i := range out {
		n := req.outCap[i]
		out[i], rest = rest[:n:n], rest[n:]
	}
	status, served := s.Call(req.handle, req.typ, in, out)
	rep.result = int32(status)
	if !served {
		rep.flags = flagRefused
		return frame
	}
	at := ReplyHeaderSize
	for i := range out {
		// What a service wrote stands at the start of its vector's room; in the
		// frame the vectors stand back to back.
		n := copy(frame[at:], out[i])
		rep.outLen[i] = uint32(n)
		at += n
	}
	rep.length = uint32(at)
	return frame
}

// statusOf is the status in an error that a Session returned.
func statusOf(err error) veneer.Status {
	if st, ok := err.(veneer.Status); ok {
		return st
	}
	return veneer.ErrGenericError
}
