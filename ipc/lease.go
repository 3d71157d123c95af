package ipc

import (
	"sync"
	"sync/atomic"
)

// commonFrame is the most bytes of a frame for which a worker has memory at all
// times; a larger one borrows for the length of its call.
const commonFrame = 72 << 10

var wholeFrames = sync.Pool{New: func() any { b := make([]byte, maxRequest); return &b }}

// lease is memory for one frame: own, when it has some that is large enough, or
// on loan.
type lease struct {
	own   []byte
	loan  *[]byte
	taken int // bytes handed out, which are wiped when given back
}

func (l *lease) take(n int) []byte {
	l.taken = n
	if n <= len(l.own) {
		return l.own[:n]
	}
	l.loan = wholeFrames.Get().(*[]byte)
	return (*l.loan)[:n]
}

// giveBack wipes the memory, since it held a client's data or keys, and may hold
// another's next.
func (l *lease) giveBack() {
	if l.loan != nil {
		clear((*l.loan)[:l.taken])
		wholeFrames.Put(l.loan)
		l.loan = nil
	} else {
		clear(l.own[:l.taken])
	}
	l.taken = 0
}

// stash is memory that a channel keeps between events: for a frame of which a
// part has come, or a reply that its client has not read. How long that takes is
// the client's choice, so all stashes of a server share a budget.
type stash struct {
	mem  []byte
	loan *[]byte // where mem is, when it is large
}

// take returns n bytes, or nil when the budget is spent.
func (s *stash) take(b *budget, n int) []byte {
	if !b.spend(n) {
		return nil
	}
	if n <= commonFrame {
		s.mem = make([]byte, n)
	} else {
		s.loan = wholeFrames.Get().(*[]byte)
		s.mem = (*s.loan)[:n]
	}
	return s.mem
}

// giveBack wipes the first used bytes, which are all that the client has made
// anything of, and lets the memory go.
func (s *stash) giveBack(b *budget, used int) {
	clear(s.mem[:min(used, len(s.mem))])
	b.spend(-len(s.mem))
	if s.loan != nil {
		wholeFrames.Put(s.loan)
	}
	*s = stash{}
}

// budget is how many bytes are left to spend.
type budget struct{ left atomic.Int64 }

func (b *budget) spend(n int) bool {
	if b.left.Add(int64(-n)) >= 0 || n <= 0 {
		return true
	}
	b.left.Add(int64(n))
	return false
}
