package ipc

import (
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/veneer"
)

// A worker serves the channels of one poll set. Its goroutine waits in the kernel
// for any of them and makes their calls itself: a call that passes through
// another goroutine, or the runtime's poller, costs a wake-up more, which is most
// of what a small call costs. And it is not a thread for each channel, because
// with hundreds of those, some wait for seconds while others are served.
//
// What a call must not do is keep the worker's other clients waiting. So a
// worker's goroutine has the set for a shift: when the overseer finds it with one
// and the same call for a while, another goroutine takes the set over, and the
// first one leaves when its call is answered.
type worker struct {
	server *Server
	set    *pollSet
	shift  atomic.Pointer[shift]
}

// shift is one goroutine's time with a worker's set, and the memory that its
// calls are made in.
type shift struct {
	worker *worker
	// at counts its calls: odd during one, even between. relieved is added when
	// the set has been taken over.
	at atomic.Uint64
	// events are what is left of a batch, in the order in which it came. They go
	// to whoever relieves this goroutine, before anything newer.
	events []unix.EpollEvent
	batch  [batchSize]unix.EpollEvent

	in, out lease
	inVec   [veneer.MaxIOVec]veneer.InVec
	outVec  [veneer.MaxIOVec]veneer.OutVec
}

const relieved = 1 << 63

// batchSize is how many events are taken from the kernel at a time.
const batchSize = 16

func newShift(w *worker) *shift {
	return &shift{
		worker: w,
		in:     lease{own: make([]byte, commonFrame)},
		out:    lease{own: make([]byte, commonFrame)},
	}
}

// run serves the set until it is relieved or the set is closed.
func (sh *shift) run() {
	w := sh.worker
	defer w.server.workers.Done()
	for {
		if len(sh.events) == 0 {
			n := w.set.wait(sh.batch[:])
			if n < 0 {
				return
			}
			sh.events = sh.batch[:n]
		}
		e := sh.events[0]
		sh.events = sh.events[1:]
		ch := w.server.lookup(e.Fd, e.Pad)
		if ch == nil {
			continue
		}
		if e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			ch.leaving.Store(true)
		}
		if ch.claim() && !sh.serve(ch) {
			return // relieved
		}
	}
}

// serve serves a channel that has been claimed. It reports whether the shift
// goes on.
func (sh *shift) serve(ch *channel) bool {
	s := sh.worker.server
	at := sh.at.Add(1)
	if !s.overseen.Load() {
		s.oversee()
	}
	var err error
	for {
		if err = ch.serve(sh); err != nil {
			break
		}
		ch.watchStall()
		if ch.release() {
			break
		}
	}
	sh.in.giveBack()
	if err != nil {
		s.end(ch, err)
	}
	return sh.at.CompareAndSwap(at, at+1)
}

// Times of the overseer.
const (
	overseerTick = 2 * time.Millisecond
	overseerRest = 50 // ticks without a call, after which it sleeps
)

// oversee wakes the overseer.
func (s *Server) oversee() {
	if s.overseen.CompareAndSwap(false, true) {
		s.wake <- struct{}{}
	}
}

// overseer relieves workers that are long with one call. While no calls are made
// it sleeps: an idle secure world does nothing at all.
func (s *Server) overseer() {
	defer s.workers.Done()
	seen := make([]uint64, len(s.pool))
	for range s.wake {
		tick := time.NewTicker(overseerTick)
		for idle := 0; ; {
			<-tick.C
			calling := false
			for i, w := range s.pool {
				sh := w.shift.Load()
				at := sh.at.Load()
				if at != seen[i] {
					calling, seen[i] = true, at
				} else if at&1 == 1 && sh.at.CompareAndSwap(at, at|relieved) {
					calling, seen[i] = true, 0
					s.relieve(w, sh.events)
				}
			}
			if idle++; calling {
				idle = 0
			}
			if idle < overseerRest {
				continue
			}
			s.overseen.Store(false)
			// A call that began just before sees no need to wake anybody.
			if !s.calling() || !s.overseen.CompareAndSwap(false, true) {
				break
			}
			idle = 0
		}
		tick.Stop()
	}
}

// calling reports whether any worker is with a call.
func (s *Server) calling() bool {
	for _, w := range s.pool {
		if w.shift.Load().at.Load()&1 == 1 {
			return true
		}
	}
	return false
}

// relieve puts a new goroutine in the place of one that is long with a call, and
// that will not touch its events any more, since it finds itself relieved.
func (s *Server) relieve(w *worker, events []unix.EpollEvent) {
	sh := newShift(w)
	sh.events = append(sh.batch[:0], events...)
	w.shift.Store(sh)
	s.workers.Add(1)
	go sh.run()
}

// Workers returns how many workers a server has: more than processors, so that
// those whose calls wait for something leave somebody to serve the others.
func Workers() int { return max(8, runtime.NumCPU()) }
