package spe

import (
	"encoding/binary"
	"testing"

	"go.uber.org/zap/zaptest"

	"github.com/postern-spe/postern/partitions/counter"
	"github.com/postern-spe/postern/spe/spm"
	"github.com/postern-spe/postern/veneer"
)

// bootCounter runs the counter partition, which is on no device, behind the
// secure partition manager, and returns the session of a non-secure caller.
func bootCounter(t *testing.T) *spm.Session {
	p, err := entry{"counter", counter.Manifest(), counter.New}.parse()
	if err != nil {
		t.Fatal(err)
	}
	manager, err := spm.New(spm.Config{Log: zaptest.NewLogger(t), Partitions: []spm.Partition{p}, OnFault: spm.Stop})
	if err != nil {
		t.Fatal(err)
	}
	if err := manager.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(manager.Stop)
	session, err := manager.OpenSession(DefaultClientID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.End)
	return session
}

func TestCounter(t *testing.T) {
	gate := bootCounter(t)
	connect := func() veneer.Handle {
		h, err := gate.Connect(counter.SID, counter.Version)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	next := func(h veneer.Handle, room int) (uint32, veneer.Status) {
		out := make([]byte, max(room, 4))
		st, _ := gate.Call(h, counter.TypeNext, nil, []veneer.OutVec{out[:room]})
		return binary.LittleEndian.Uint32(out), st
	}
	a, b := connect(), connect()
	for _, step := range []struct {
		name string
		h    veneer.Handle
		room int
		want uint32
		st   veneer.Status
	}{
		{"a counts", a, 4, 1, veneer.Success},
		{"a counts on", a, 4, 2, veneer.Success},
		{"b counts for itself", b, 4, 1, veneer.Success},
		{"too little room", b, 3, 0, veneer.ErrInvalidArgument},
		{"and the partition still runs", b, 4, 2, veneer.Success},
	} {
		if n, st := next(step.h, step.room); n != step.want || st != step.st {
			t.Errorf("%s: %d, %v", step.name, n, st)
		}
	}
	gate.Close(a)
	if n, st := next(connect(), 4); n != 1 || st != veneer.Success {
		t.Errorf("a new connection starts with %d, %v", n, st)
	}
}
