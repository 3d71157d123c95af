package crypto

import (
	"encoding/binary"

	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// request is one call being answered: its request block, its message, and room
// for what goes back. Requests are pooled, so that a call costs no allocation.
type request struct {
	contract.Request
	m       *service.Message
	session *session
	scratch [psa.AttributesSize]byte
	digest  [contract.MaxHashSize]byte
}

// input returns input vector i where it is; nil where it is empty.
func (r *request) input(i int) []byte {
	if r.m.InSize(i) == 0 {
		return nil
	}
	return r.m.MapInVec(i)
}

// room returns output vector i where it is, for wrote to end; nil where it is
// empty.
func (r *request) room(i int) []byte {
	if r.m.OutSize(i) == 0 {
		return nil
	}
	out := r.m.MapOutVec(i)
	return out[:len(out):len(out)]
}

// wrote says that n bytes of output vector i, which room gave, are the answer.
func (r *request) wrote(i, n int) {
	if r.m.OutSize(i) > 0 {
		r.m.UnmapOutVec(i, n)
	}
}

// put answers data in output vector i, or ErrBufferTooSmall.
func (r *request) put(i int, data []byte) error {
	if r.m.OutSize(i) < len(data) {
		return veneer.ErrBufferTooSmall
	}
	r.m.Write(i, data)
	return nil
}

// putWord answers a handle, key identifier or int in output vector 0, which the
// route says has room for it.
func (r *request) putWord(v uint32) {
	binary.LittleEndian.PutUint32(r.scratch[:], v)
	r.m.Write(0, r.scratch[:4])
}

// attributes parses input vector 1. A length other than 24 is
// ErrProgrammerError.
func (r *request) attributes() (psa.KeyAttributes, error) {
	if r.m.InSize(1) != psa.AttributesSize {
		return psa.KeyAttributes{}, veneer.ErrProgrammerError
	}
	r.m.Read(1, r.scratch[:])
	return psa.ParseKeyAttributes(r.scratch[:])
}

// route is a function of the service: the form of its vectors after the request
// block, and what answers it. Input i of the form is input vector i+1.
type route struct {
	form service.Route
	do   func(*partition, *request) error
}

// serve is the SFN of the service. The request block and the form of the vectors
// are checked here, once for all functions.
func (p *partition) serve(m *service.Message) error {
	switch m.Type {
	case contract.CallFunction:
	case contract.CallList:
		return p.list(m)
	default:
		return veneer.ErrNotSupported
	}
	r := p.requests.Get().(*request)
	r.m, r.session = m, p.sessions.open(m.Owner)
	err := p.function(r)
	// The next caller's request must not find this one's data.
	*r = request{}
	p.requests.Put(r)
	return err
}

func (p *partition) function(r *request) error {
	// As TF-M answers a block that is missing or short. A longer one, which it
	// takes, comes from a client built with another layout, and is refused.
	if n := r.m.InSize(0); n < contract.RequestSize {
		return veneer.ErrGenericError
	} else if n > contract.RequestSize {
		return veneer.ErrProgrammerError
	}
	if err := r.Request.Parse(r.m.MapInVec(0)); err != nil {
		return err
	}
	group, index := int(r.Function>>8), int(r.Function&0xff)
	if group >= len(routes) || index >= len(routes[group]) || routes[group][index].do == nil {
		return veneer.ErrNotSupported
	}
	rt := &routes[group][index]
	if !rt.form.Fits(r.m) {
		return veneer.ErrProgrammerError
	}
	return rt.do(p, r)
}
