package its_test

import (
	"errors"
	"testing"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
)

// answers is a gate whose service answers every call with the same bytes.
type answers struct {
	veneer.Gate
	bytes []byte
	calls int
}

func (a *answers) Call(_ veneer.Handle, _ int32, _ []veneer.InVec, out []veneer.OutVec) veneer.Status {
	a.calls++
	out[0] = out[0][:copy(out[0], a.bytes)]
	return veneer.Success
}

// FuzzList has a service answer anything: what is taken is what would be sent, in
// ascending order, and it comes to an end.
func FuzzList(f *testing.F) {
	first, second := its.Entry{UID: 1, Size: 40, Damaged: true}, its.Entry{UID: 1 << 63}
	f.Add(second.AppendTo(first.AppendTo(nil)))
	f.Add(first.AppendTo(second.AppendTo(nil)))
	f.Add(make([]byte, its.EntrySize))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		gate := &answers{bytes: b}
		var again []byte
		err := its.New(gate).List(func(e *its.Entry) error { again = e.AppendTo(again); return nil })
		if gate.calls > 2 || len(again) > len(b) || string(again) != string(b[:len(again)]) {
			t.Errorf("%d calls, %x is taken for %x", gate.calls, b, again)
		}
		if err != nil && !errors.Is(err, veneer.ErrCommunicationFailure) || err == nil && len(again) != len(b) {
			t.Errorf("%x: %v", b, err)
		}
	})
}
