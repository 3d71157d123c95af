package spm

import (
	"math/bits"
	"sync"

	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
)

// thread is a partition of the IPC model: its goroutine, and the signals and
// messages that wait for it.
type thread struct {
	instance *instance

	mu      sync.Mutex
	raised  sync.Cond // signals has changed
	signals service.Signal
	queues  [][]*call // by index of the service
	taken   map[*service.Message]*call
	stopped bool
}

func newThread(inst *instance) *thread {
	t := &thread{
		instance: inst,
		queues:   make([][]*call, len(inst.partition.Services)),
		taken:    make(map[*service.Message]*call),
	}
	t.raised.L = &t.mu
	return t
}

// run is the partition's thread.
func (t *thread) run(main func(service.Runtime), rt *runtime) {
	fault, _ := contain(func() error { main(rt); return nil })
	defer t.abandon() // once the fault is in the log
	if fault == nil {
		if t.instance.dead.Load() {
			return
		}
		fault = &Fault{Reason: "its thread has ended"}
	}
	t.instance.fail(fault)
}

// deliver queues a call for the thread and waits for its answer.
func (t *thread) deliver(c *call) (a answer, again bool) {
	if c.done == nil {
		c.done = make(chan answer, 1)
	}
	c.prepare()
	t.mu.Lock()
	if t.stopped {
		t.mu.Unlock()
		return answer{}, true
	}
	t.queues[c.service.index] = append(t.queues[c.service.index], c)
	t.signals |= service.Signal(c.service.Signal)
	t.mu.Unlock()
	t.raised.Signal()
	return <-c.done, false
}

// stop fails every call that the thread has not taken, and lets it know.
func (t *thread) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	for i, q := range t.queues {
		for _, c := range q {
			c.done <- answer{veneer.ErrServiceFailure, false}
		}
		t.queues[i] = nil
	}
	t.raised.Broadcast()
}

// abandon fails the calls that the thread had taken when it ended. Until then
// they are its own: their memory must not go back to the callers before.
func (t *thread) abandon() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for m, c := range t.taken {
		delete(t.taken, m)
		c.done <- answer{veneer.ErrServiceFailure, false}
	}
}

func (t *thread) wait(mask service.Signal, timeout service.Timeout) service.Signal {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.signals&mask == 0 && timeout == service.Block && !t.stopped {
		t.raised.Wait()
	}
	if t.stopped {
		return 0
	}
	return t.signals & mask
}

func (t *thread) get(sig service.Signal) (*service.Message, error) {
	if bits.OnesCount32(uint32(sig)) != 1 {
		panic(&service.Violation{Call: "psa_get", Reason: "not one signal"})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i := bits.TrailingZeros32(uint32(sig / service.FirstServiceSignal))
	if sig < service.FirstServiceSignal || i >= len(t.queues) {
		panic(&service.Violation{Call: "psa_get", Reason: "not a service's signal"})
	}
	if t.stopped {
		return nil, veneer.ErrDoesNotExist
	}
	if t.signals&sig == 0 {
		panic(&service.Violation{Call: "psa_get", Reason: "the signal is not raised"})
	}
	c := t.queues[i][0]
	t.queues[i] = t.queues[i][1:]
	if len(t.queues[i]) == 0 {
		t.queues[i] = nil
		t.signals &^= sig
	}
	t.taken[&c.msg] = c
	return &c.msg, nil
}

func (t *thread) reply(m *service.Message, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.taken[m]
	if c == nil {
		panic(&service.Violation{Call: "psa_reply", Reason: "not a message of this partition, or answered before"})
	}
	delete(t.taken, m)
	c.done <- answer{c.finish(err), true}
}

func (t *thread) notify() {
	t.mu.Lock()
	t.signals |= service.Doorbell
	t.mu.Unlock()
	t.raised.Signal()
}

func (t *thread) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.signals&service.Doorbell == 0 {
		panic(&service.Violation{Call: "psa_clear", Reason: "the doorbell is not raised"})
	}
	t.signals &^= service.Doorbell
}
