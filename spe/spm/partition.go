package spm

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/postern-spe/postern/spe/manifest"
	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
)

// Message types of the framework.
const (
	ipcConnect    = service.IPCConnect
	ipcDisconnect = service.IPCDisconnect
)

// partition is one secure partition over the life of the SPM, through restarts.
type partition struct {
	*manifest.Partition
	spm    *SPM
	log    *zap.Logger
	create func() service.Partition
	uses   map[veneer.SID]bool

	current atomic.Pointer[instance] // nil when stopped

	mu       sync.Mutex // held while current changes
	stopped  bool       // for good
	restarts []time.Time
}

// A partition that faults more than maxRestarts times within restartPeriod stays
// stopped: it would do nothing but start.
const (
	maxRestarts   = 100
	restartPeriod = time.Minute
)

// instance is a partition between two starts.
type instance struct {
	partition  *partition
	session    *Session // in which it makes its own calls
	endSession func(veneer.Owner)
	handlers   []service.Handler // SFN: by index of the service
	turn       sync.Mutex        // SFN: held while a message is with it, unless it takes several
	thread     *thread           // IPC: nil for SFN
	dead       atomic.Bool       // takes no messages
	failed     atomic.Bool       // its fault is being dealt with
}

// call is one message on its way to a service and back.
type call struct {
	session *Session
	service *rotService
	conn    *connection // nil for a stateless service
	typ     int32
	in      []veneer.InVec
	out     []veneer.OutVec

	msg     service.Message
	written [veneer.MaxIOVec]int
	done    chan answer // IPC: made when first needed
}

// answer is how a call ended. served says that the service had the message and
// answered it.
type answer struct {
	status veneer.Status
	served bool
}

var calls = sync.Pool{New: func() any { return new(call) }}

func getCall() *call { return calls.Get().(*call) }

func putCall(c *call) {
	done := c.done
	*c = call{done: done}
	calls.Put(c)
}

// start makes a new instance and brings it to where it takes messages.
func (p *partition) start() (*instance, error) {
	code := p.create()
	inst := &instance{partition: p, session: p.spm.newSession(p.ID, p), endSession: code.EndSession}
	rt := &runtime{instance: inst}
	if code.Main != nil {
		if p.Model == manifest.SFN {
			return nil, errors.New("its manifest says SFN, its code has an IPC thread")
		}
		inst.thread = newThread(inst)
		go inst.thread.run(code.Main, rt)
		return inst, nil
	}
	if p.Model == manifest.IPC {
		return nil, errors.New("its manifest says IPC, its code has no thread")
	}
	inst.handlers = make([]service.Handler, len(p.Services))
	for i := range p.Services {
		if inst.handlers[i] = code.Services[p.Services[i].Name]; inst.handlers[i] == nil {
			return nil, fmt.Errorf("its code has no service %s", p.Services[i].Name)
		}
	}
	if code.Init == nil {
		return inst, nil
	}
	fault, err := contain(func() error { return code.Init(rt) })
	if fault != nil {
		err = fault
	}
	return inst, err
}

// serve carries a call to its service and waits for the answer.
func (p *partition) serve(c *call) (veneer.Status, bool) {
	for {
		inst := p.current.Load()
		if inst == nil {
			return veneer.ErrServiceFailure, false
		}
		if c.conn != nil && c.typ == ipcConnect {
			c.conn.inst = inst
		}
		if c.conn != nil && c.conn.inst != inst {
			// The service has restarted since, and knows no such connection.
			return veneer.ErrProgrammerError, false
		}
		var a answer
		var again bool
		if inst.thread != nil {
			a, again = inst.thread.deliver(c)
		} else {
			a, again = inst.deliver(c)
		}
		if !again {
			return a.status, a.served
		}
	}
}

// deliver calls the service's SFN. again says that the instance has died while
// the call waited for its turn.
func (inst *instance) deliver(c *call) (a answer, again bool) {
	c.prepare()
	fault, err := inst.invoke(c)
	switch {
	case fault == errDead:
		return answer{}, true
	case fault != nil:
		inst.fail(fault)
		return answer{veneer.ErrServiceFailure, false}, false
	}
	return answer{c.finish(err), true}, false
}

// errDead is the fault of an instance that another message has brought down.
var errDead = &Fault{Reason: "stopped before"}

func (inst *instance) invoke(c *call) (fault *Fault, err error) {
	if !inst.partition.ConcurrentMessages {
		inst.turn.Lock()
		defer inst.turn.Unlock()
	}
	if inst.dead.Load() {
		return errDead, nil
	}
	defer func() {
		if r := recover(); r != nil {
			fault = newFault(r)
		}
	}()
	return nil, inst.handlers[c.service.index](&c.msg)
}

func (c *call) prepare() {
	var rhandle any
	if c.conn != nil {
		rhandle = c.conn.rhandle
	}
	c.msg.Deliver(c.typ, c.session.owner, rhandle, c.service.MMIOVec, c.in, c.out)
}

// finish takes what the service left in the message back to the caller.
func (c *call) finish(err error) veneer.Status {
	if c.conn != nil {
		c.conn.rhandle = c.msg.RHandle
	}
	c.msg.Answer(&c.written)
	for i := range c.out {
		c.out[i] = c.out[i][:c.written[i]]
	}
	return c.status(err)
}

// endSession tells the partition that a caller is gone.
func (p *partition) endSession(o veneer.Owner) {
	inst := p.current.Load()
	if inst == nil || inst.endSession == nil || inst.session.owner == o {
		return
	}
	if !p.ConcurrentMessages {
		inst.turn.Lock()
	}
	fault, _ := contain(func() error { inst.endSession(o); return nil })
	if !p.ConcurrentMessages {
		inst.turn.Unlock()
	}
	if fault != nil {
		inst.fail(fault)
	}
}

// run starts the partition for the first time.
func (p *partition) run() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.startAnew()
}

// startAnew makes a new instance the current one. The caller holds p.mu, so that
// the instance is in its place before a fault of it is dealt with.
func (p *partition) startAnew() error {
	inst, err := p.start()
	if err == nil {
		p.current.Store(inst)
	}
	return err
}

// stop ends the partition for good.
func (p *partition) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if inst := p.current.Swap(nil); inst != nil {
		inst.retire()
	}
}

// fail stops an instance at its first fault, and starts the partition anew if
// that is the policy.
func (inst *instance) fail(f *Fault) {
	p := inst.partition
	if inst.failed.Swap(true) {
		return
	}
	p.log.Error("partition stopped", zap.String("fault", f.Reason), zap.String("stack", f.stack))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current.CompareAndSwap(inst, nil)
	inst.retire()
	inst.session.End()
	if p.stopped || p.spm.onFault == Stop {
		return
	}
	if p.tooOften(time.Now()) {
		p.log.Error("partition stays stopped", zap.Int("restarts", maxRestarts), zap.Duration("within", restartPeriod))
		return
	}
	if err := p.startAnew(); err != nil {
		p.log.Error("partition does not start again", zap.Error(err))
		return
	}
	p.log.Info("partition started again")
}

// tooOften enters a restart, and reports whether it is one too many.
func (p *partition) tooOften(now time.Time) bool {
	recent := p.restarts[:0]
	for _, t := range p.restarts {
		if now.Sub(t) < restartPeriod {
			recent = append(recent, t)
		}
	}
	p.restarts = append(recent, now)
	return len(p.restarts) > maxRestarts
}

// retire lets no further message reach the instance.
func (inst *instance) retire() {
	inst.dead.Store(true)
	if inst.thread != nil {
		inst.thread.stop()
	}
}

// Fault is a panic of a partition: a bug, or a PROGRAMMER ERROR.
type Fault struct {
	Reason string
	stack  string
}

func (f *Fault) Error() string { return f.Reason }

func newFault(r any) *Fault {
	if v, ok := r.(*service.Violation); ok {
		return &Fault{Reason: "PROGRAMMER ERROR: " + v.Error()}
	}
	return &Fault{Reason: fmt.Sprint(r), stack: string(debug.Stack())}
}

// contain runs a partition's function, and turns its panic into a fault.
func contain(f func() error) (fault *Fault, err error) {
	defer func() {
		if r := recover(); r != nil {
			fault = newFault(r)
		}
	}()
	return nil, f()
}
