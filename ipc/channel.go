package ipc

import (
	"github.com/postern-spe/postern/veneer"
)

// carrier moves the frames of one channel, on the serving side. Only stop may be
// called from another goroutine than the one that serves.
type carrier interface {
	// receive waits for the next request, fills in r, and returns the input
	// vectors' bytes, which are the carrier's and good until done.
	receive(r *request) ([]byte, error)
	// room returns n bytes for the reply frame, good until done.
	room(n int) []byte
	// send sends a frame that lies in what room returned.
	send(frame []byte) error
	// done wipes and releases what receive and room gave.
	done()
	// stop makes receive and send return, now and from then on.
	stop()
	// close releases the carrier.
	close()
}

// channel serves one client thread's calls.
type channel struct {
	carrier carrier
	in      [veneer.MaxIOVec]veneer.InVec
	out     [veneer.MaxIOVec]veneer.OutVec
}

// serve answers requests until the channel ends. io.EOF is the client's leave.
func (ch *channel) serve(s Session) error {
	var req request
	for {
		payload, err := ch.carrier.receive(&req)
		if err != nil {
			return err
		}
		err = ch.carrier.send(ch.answer(s, &req, payload))
		ch.carrier.done()
		if err != nil {
			return err
		}
	}
}

// answer makes the call that req describes and returns the reply frame.
func (ch *channel) answer(s Session, req *request, payload []byte) []byte {
	rep := reply{op: req.op, nout: req.nout, seq: req.seq, length: ReplyHeaderSize}
	var frame []byte
	switch req.op {
	case opCall:
		frame = ch.call(s, req, &rep, payload)
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
		frame = ch.carrier.room(ReplyHeaderSize)
	}
	frame = frame[:rep.length]
	rep.encode(frame)
	return frame
}

// call makes a psa_call and returns the reply frame's memory with the outputs in
// their places behind the header, or nil where there are none.
func (ch *channel) call(s Session, req *request, rep *reply, payload []byte) []byte {
	var room uint64
	for _, c := range req.outCap {
		room += uint64(c)
	}
	if room > veneer.MaxPayload {
		rep.result, rep.flags = int32(veneer.ErrInsufficientMemory), flagRefused
		return nil
	}
	frame := ch.carrier.room(ReplyHeaderSize + int(room))
	in, out := ch.in[:req.nin], ch.out[:req.nout]
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
