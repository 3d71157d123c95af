package crypto

import (
	"sync"

	"github.com/postern-spe/postern/veneer"
)

// kind is what a multipart operation does. A handle is good for the functions of
// its kind only.
type kind uint8

const (
	kindNone kind = iota
	kindHash
	kindMAC
	kindDerivation
)

// operation is a multipart operation of a session.
//
// Its states: active from setup; failed from the first error, when only abort
// does anything; gone when it was aborted or has finished.
type operation struct {
	kind kind

	mu     sync.Mutex
	failed bool
	state  ender // nil once the operation has failed or ended
}

// ender is the state of an operation: it is wiped at the end.
type ender interface{ end() }

// addOperation starts an operation and returns its handle, which is not 0.
func (p *partition) addOperation(r *request, k kind, state ender) (uint32, error) {
	s := r.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return 0, veneer.ErrBadState
	}
	if len(s.ops) >= p.limits.Operations {
		return 0, veneer.ErrInsufficientMemory
	}
	for {
		s.lastOp++
		if _, taken := s.ops[s.lastOp]; s.lastOp != 0 && !taken {
			break
		}
	}
	s.ops[s.lastOp] = &operation{kind: k, state: state}
	return s.lastOp, nil
}

// operation returns the operation of a request, locked, or nil.
func (r *request) operation(k kind) *operation {
	r.session.mu.RLock()
	op := r.session.ops[r.Operation]
	r.session.mu.RUnlock()
	if op == nil || op.kind != k {
		return nil
	}
	op.mu.Lock()
	return op
}

// removeOperation releases the slot of the request's operation.
func (r *request) removeOperation(k kind) {
	s := r.session
	s.mu.Lock()
	op := s.ops[r.Operation]
	if op == nil || op.kind != k {
		s.mu.Unlock()
		return
	}
	delete(s.ops, r.Operation)
	s.mu.Unlock()
	op.end()
}

// end wipes the operation once nobody uses it.
func (op *operation) end() {
	op.mu.Lock()
	op.fail()
	op.mu.Unlock()
}

// fail puts the operation, which is locked, into the error state.
func (op *operation) fail() {
	op.failed = true
	if op.state != nil {
		op.state.end()
		op.state = nil
	}
}

// setup answers a setup function: the new handle, 0 when the setup fails, and the
// handle that was received when the caller's object is already active.
func (p *partition) setup(r *request, k kind, start func() (ender, error)) error {
	if r.Operation != 0 {
		r.putWord(r.Operation)
		return veneer.ErrBadState
	}
	state, err := start()
	if err != nil {
		r.putWord(0)
		return err
	}
	h, err := p.addOperation(r, k, state)
	if err != nil {
		state.end()
	}
	r.putWord(h)
	return err
}

// step runs a function of an active operation that leaves it active. An error
// puts it into the error state.
func step[T ender](r *request, k kind, do func(T) error) error {
	return run(r, k, false, do)
}

func run[T ender](r *request, k kind, last bool, do func(T) error) error {
	op := r.operation(k)
	if op == nil {
		return veneer.ErrBadState
	}
	defer op.mu.Unlock()
	state, ok := op.state.(T)
	if op.failed || !ok {
		op.fail()
		return veneer.ErrBadState
	}
	err := do(state)
	if err != nil || last {
		op.fail()
	}
	return err
}

// finish runs a function that ends an active operation, and answers the handle:
// 0 on success, the received one on failure, when the caller still has an
// operation to abort. What else there is to answer, do does.
func finish[T ender](r *request, k kind, do func(T) error) error {
	if err := run(r, k, true, do); err != nil {
		r.putWord(r.Operation)
		return err
	}
	r.removeOperation(k)
	r.putWord(0)
	return nil
}

// abort answers an abort function: success whatever the handle, and 0 for it, so
// that the caller's object can be set up again.
func abort(k kind) func(*partition, *request) error {
	return func(_ *partition, r *request) error {
		r.removeOperation(k)
		r.putWord(0)
		return nil
	}
}
