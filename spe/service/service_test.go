package service

import (
	"errors"
	"fmt"
	"testing"

	"github.com/postern-spe/postern/veneer"
)

func deliver(typ int32, mm bool, in []string, caps ...int) *Message {
	m := new(Message)
	var ins []veneer.InVec
	for _, s := range in {
		ins = append(ins, veneer.InVec(s))
	}
	var outs []veneer.OutVec
	for _, n := range caps {
		outs = append(outs, make(veneer.OutVec, n))
	}
	m.Deliver(typ, veneer.Owner{ClientID: -1}, nil, mm, ins, outs)
	return m
}

// violation runs f and returns the PROGRAMMER ERROR that it made, or nil.
func violation(f func()) (v *Violation) {
	defer func() {
		if r := recover(); r != nil {
			v = r.(*Violation)
		}
	}()
	f()
	return nil
}

func TestReadAndSkip(t *testing.T) {
	m := deliver(0, false, []string{"0123456789", "abc"})
	buf := make([]byte, 4)
	if n := m.Read(0, buf); n != 4 || string(buf) != "0123" {
		t.Errorf("read %d %q", n, buf)
	}
	if n := m.Skip(0, 3); n != 3 {
		t.Errorf("skipped %d", n)
	}
	if n := m.Read(0, buf); n != 3 || string(buf[:n]) != "789" {
		t.Errorf("read %d %q", n, buf[:n])
	}
	if n := m.Read(0, buf); n != 0 {
		t.Errorf("read %d past the end", n)
	}
	if n := m.Skip(1, 100); n != 3 {
		t.Errorf("skipped %d of 3", n)
	}
	if m.InSize(0) != 10 || m.InSize(1) != 3 || m.InSize(2) != 0 {
		t.Error("in_size changes with what is read")
	}
}

func TestWriteAppends(t *testing.T) {
	m := deliver(0, false, nil, 0, 5)
	m.Write(1, []byte("abc"))
	m.Write(1, []byte("de"))
	m.Write(0, nil)
	var written [veneer.MaxIOVec]int
	m.Answer(&written)
	if written != [veneer.MaxIOVec]int{0, 5} {
		t.Errorf("written %v", written)
	}
}

func TestMappedVectors(t *testing.T) {
	m := deliver(0, true, []string{"abc"}, 5)
	in, out := m.MapInVec(0), m.MapOutVec(0)
	if string(in) != "abc" || len(out) != 5 {
		t.Errorf("%q, room for %d", in, len(out))
	}
	copy(out, in)
	m.UnmapInVec(0)
	m.UnmapOutVec(0, 3)
	var written [veneer.MaxIOVec]int
	if m.Answer(&written); written[0] != 3 {
		t.Errorf("written %v", written)
	}
}

// What was written to a vector that is still mapped at the answer does not count.
func TestMappedAtTheAnswer(t *testing.T) {
	m := deliver(0, true, nil, 5)
	copy(m.MapOutVec(0), "abc")
	var written [veneer.MaxIOVec]int
	if m.Answer(&written); written[0] != 0 {
		t.Errorf("written %v", written)
	}
}

// FF-M 1.1, chapters 4.3 and 5: each of these is a PROGRAMMER ERROR.
func TestViolations(t *testing.T) {
	for _, row := range []struct {
		name string
		mm   bool
		do   func(*Message)
	}{
		{"psa_read of vector 4", true, func(m *Message) { m.Read(4, nil) }},
		{"psa_read of vector -1", true, func(m *Message) { m.Read(-1, nil) }},
		{"psa_skip of a negative length", true, func(m *Message) { m.Skip(0, -1) }},
		{"psa_write past the capacity", true, func(m *Message) { m.Write(0, make([]byte, 5)) }},
		{"psa_write past the capacity, in two", true, func(m *Message) { m.Write(0, make([]byte, 3)); m.Write(0, make([]byte, 2)) }},
		{"psa_write to an absent vector", true, func(m *Message) { m.Write(1, []byte{1}) }},
		{"psa_map_invec without mm_iovec", false, func(m *Message) { m.MapInVec(0) }},
		{"psa_map_outvec without mm_iovec", false, func(m *Message) { m.MapOutVec(0) }},
		{"psa_map_invec of an absent vector", true, func(m *Message) { m.MapInVec(1) }},
		{"psa_map_invec twice", true, func(m *Message) { m.MapInVec(0); m.MapInVec(0) }},
		{"psa_map_invec after psa_unmap_invec", true, func(m *Message) { m.MapInVec(0); m.UnmapInVec(0); m.MapInVec(0) }},
		{"psa_map_invec after psa_read", true, func(m *Message) { m.Read(0, nil); m.MapInVec(0) }},
		{"psa_read after psa_map_invec", true, func(m *Message) { m.MapInVec(0); m.Read(0, nil) }},
		{"psa_map_outvec after psa_write", true, func(m *Message) { m.Write(0, nil); m.MapOutVec(0) }},
		{"psa_write after psa_unmap_outvec", true, func(m *Message) { m.MapOutVec(0); m.UnmapOutVec(0, 0); m.Write(0, nil) }},
		{"psa_unmap_invec unmapped", true, func(m *Message) { m.UnmapInVec(0) }},
		{"psa_unmap_outvec of more than there is", true, func(m *Message) { m.MapOutVec(0); m.UnmapOutVec(0, 5) }},
		{"psa_unmap_outvec of less than nothing", true, func(m *Message) { m.MapOutVec(0); m.UnmapOutVec(0, -1) }},
		{"anything after psa_reply", true, func(m *Message) { m.Answer(new([veneer.MaxIOVec]int)); m.Read(0, nil) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := deliver(0, row.mm, []string{"abcd"}, 4)
			if violation(func() { row.do(m) }) == nil {
				t.Error("allowed")
			}
		})
	}
	t.Run("vectors of a connection message", func(t *testing.T) {
		m := deliver(IPCConnect, true, nil)
		if violation(func() { m.Read(0, nil) }) == nil {
			t.Error("allowed")
		}
	})
}

func TestCountsStopAtTheLastVectorThatIsNotEmpty(t *testing.T) {
	m := deliver(0, false, []string{"a", "", "b", ""}, 0, 0)
	if m.InCount() != 3 || m.OutCount() != 0 {
		t.Errorf("%d in, %d out", m.InCount(), m.OutCount())
	}
}

func TestRoutes(t *testing.T) {
	called := errors.New("called")
	h := Routes(map[int32]Route{
		7: {In: []Length{Exactly(2), AtLeast(1)}, Out: []Length{Any}, Do: func(*Message) error { return called }},
	}, veneer.ErrNotSupported, veneer.ErrProgrammerError)
	for _, row := range []struct {
		typ  int32
		in   []string
		caps []int
		want error
	}{
		{7, []string{"ab", "c"}, []int{9}, called},
		{7, []string{"ab", "cdef"}, nil, called},
		{8, []string{"ab", "c"}, nil, veneer.ErrNotSupported},
		{IPCConnect, nil, nil, nil}, // what a connection-based service need not list
		{IPCDisconnect, nil, nil, nil},
		{-3, nil, nil, veneer.ErrNotSupported}, // no message type of FF-M
		{7, []string{"a", "c"}, nil, veneer.ErrProgrammerError},
		{7, []string{"abc", "c"}, nil, veneer.ErrProgrammerError},
		{7, []string{"ab"}, nil, veneer.ErrProgrammerError},
		{7, []string{"ab", "c", "d"}, nil, veneer.ErrProgrammerError},
		{7, []string{"ab", "c"}, []int{0, 1}, veneer.ErrProgrammerError},
	} {
		t.Run(fmt.Sprint(row.typ, row.in, row.caps), func(t *testing.T) {
			if err := h(deliver(row.typ, false, row.in, row.caps...)); err != row.want {
				t.Errorf("%v, want %v", err, row.want)
			}
		})
	}
}

// A service that lists the connection messages gets them.
func TestRoutesOfConnections(t *testing.T) {
	h := Routes(map[int32]Route{
		IPCConnect:    {Do: func(m *Message) error { m.SetRHandle("kept"); return nil }},
		IPCDisconnect: {Do: func(*Message) error { return veneer.ErrGenericError }},
	}, veneer.ErrNotSupported, veneer.ErrProgrammerError)
	m := deliver(IPCConnect, false, nil)
	if err := h(m); err != nil || m.RHandle != "kept" {
		t.Errorf("connect: %v, handle %v", err, m.RHandle)
	}
	if err := h(deliver(IPCDisconnect, false, nil)); err != veneer.ErrGenericError {
		t.Errorf("disconnect: %v", err)
	}
}
