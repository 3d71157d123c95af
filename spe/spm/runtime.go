package spm

import (
	"fmt"

	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
)

// runtime is the service.Runtime of one instance.
type runtime struct{ instance *instance }

var _ service.Runtime = (*runtime)(nil)

// violate panics in the partition, which stops it there.
func violate(call, format string, args ...any) {
	panic(&service.Violation{Call: call, Reason: fmt.Sprintf(format, args...)})
}

// secure applies the rule for secure callers: what the SPM itself refuses as a
// programmer error, or as a connection that may not be, does not come back.
func secure(call string, st veneer.Status, served bool) veneer.Status {
	if !served && (st == veneer.ErrProgrammerError || st == veneer.ErrConnectionRefused) {
		violate(call, "refused with %v", st)
	}
	return st
}

func (r *runtime) FrameworkVersion() uint32 { return r.instance.session.FrameworkVersion() }

func (r *runtime) Version(sid veneer.SID) uint32 { return r.instance.session.Version(sid) }

func (r *runtime) Connect(sid veneer.SID, version uint32) (veneer.Handle, error) {
	h, st, served := r.instance.session.connect(sid, version)
	return h, secure("psa_connect", st, served).Err()
}

func (r *runtime) Call(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) veneer.Status {
	st, served := r.instance.session.Call(h, typ, in, out)
	return secure("psa_call", st, served)
}

func (r *runtime) Close(h veneer.Handle) {
	if !r.instance.session.close(h) {
		violate("psa_close", "refused")
	}
}

func (r *runtime) thread(call string) *thread {
	if r.instance.thread == nil {
		violate(call, "not in the SFN model")
	}
	return r.instance.thread
}

func (r *runtime) Wait(mask service.Signal, timeout service.Timeout) service.Signal {
	if mask == 0 {
		violate("psa_wait", "no signals to wait for")
	}
	return r.thread("psa_wait").wait(mask, timeout)
}

func (r *runtime) Get(sig service.Signal) (*service.Message, error) {
	return r.thread("psa_get").get(sig)
}

func (r *runtime) Reply(m *service.Message, err error) { r.thread("psa_reply").reply(m, err) }

func (r *runtime) Notify(partitionID int32) {
	for _, p := range r.instance.partition.spm.partitions {
		if p.ID != partitionID {
			continue
		}
		if inst := p.current.Load(); inst != nil && inst.thread != nil {
			inst.thread.notify()
		}
		return
	}
	violate("psa_notify", "no partition %d", partitionID)
}

func (r *runtime) Clear() { r.thread("psa_clear").clear() }

func (r *runtime) Panic() { violate("psa_panic", "called") }

func (r *runtime) Lifecycle() uint32 { return r.instance.partition.spm.lifecycle() }
