package spm

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/postern-spe/postern/spe/manifest"
	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
)

// The world of these tests: SFN partition A with one service of each kind, IPC
// partition B that A depends on, and SFN partition C that nobody outside may use.
const (
	manifestA = `{
  "psa_framework_version": 1.1, "name": "A", "type": "PSA-ROT", "priority": "NORMAL", "model": "SFN", "stack_size": "0x400",
  "services": [
    {"name": "A_STATELESS", "sid": "0x1001", "non_secure_clients": true, "connection_based": false, "stateless_handle": 1, "version": 3, "version_policy": "STRICT"},
    {"name": "A_CONNECTED", "sid": "0x1002", "non_secure_clients": true, "connection_based": true, "version": 3, "version_policy": "RELAXED"},
    {"name": "A_SECURE", "sid": "0x1003", "non_secure_clients": false, "connection_based": false, "stateless_handle": 2},
  ],
  "dependencies": ["B_SERVICE"],
}`
	manifestB = `{
  "psa_framework_version": 1.1, "name": "B", "type": "APPLICATION-ROT", "priority": "NORMAL", "model": "IPC", "entry_point": "main", "stack_size": "0x400",
  "services": [
    {"name": "B_SERVICE", "sid": "0x2001", "non_secure_clients": true, "connection_based": false, "stateless_handle": 3},
    {"name": "B_CONNECTED", "sid": "0x2002", "non_secure_clients": true, "connection_based": true},
  ],
}`
	manifestC = `{
  "psa_framework_version": 1.1, "name": "C", "type": "PSA-ROT", "priority": "NORMAL", "model": "SFN", "stack_size": "0x400",
  "services": [
    {"name": "C_SERVICE", "sid": "0x3001", "non_secure_clients": false, "connection_based": false, "stateless_handle": 4},
  ],
}`
)

// Request types of the test services.
const (
	reqEcho int32 = iota
	reqPanic
	reqViolate
	reqPartitionB // A: ask B to echo
	reqPartitionC // A: ask C, which A does not depend on
	reqProgrammerError
	reqCount // A_CONNECTED: how many requests this connection has made
	reqWrapped
	reqNothing
)

type world struct {
	*SPM
	logs    *observer.ObservedLogs
	running atomic.Int32 // handlers of A at this moment
	most    atomic.Int32
	ended   sync.Map // session IDs whose end A was told of
	starts  atomic.Int32
	gate    chan struct{} // when not nil, echo waits for it
}

func newWorld(t *testing.T, policy FaultPolicy) *world {
	return newWorldLogging(t, policy, zapcore.InfoLevel)
}

func newWorldLogging(t *testing.T, policy FaultPolicy, level zapcore.Level) *world {
	core, logs := observer.New(level)
	w := &world{logs: logs}
	parse := func(text string) *manifest.Manifest {
		m, err := manifest.Parse("test", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	s, err := New(Config{
		Log: zap.New(core), OnFault: policy, Lifecycle: func() uint32 { return 0x3000 },
		Partitions: []Partition{
			{parse(manifestA), w.partitionA},
			{parse(manifestB), partitionB},
			{parse(manifestC), func() service.Partition {
				return service.Partition{Services: map[string]service.Handler{"C_SERVICE": echo}}
			}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	w.SPM = s
	return w
}

func echo(m *service.Message) error {
	buf := make([]byte, m.InSize(0))
	m.Read(0, buf)
	if m.OutSize(0) < len(buf) {
		return veneer.ErrBufferTooSmall
	}
	m.Write(0, buf)
	return nil
}

func (w *world) partitionA() service.Partition {
	w.starts.Add(1)
	var rt service.Runtime
	stateless := func(m *service.Message) error {
		w.most.Store(max(w.most.Load(), w.running.Add(1)))
		defer w.running.Add(-1)
		switch m.Type {
		case reqPanic:
			panic("on request")
		case reqViolate:
			m.Write(0, make([]byte, m.OutSize(0)+1))
		case reqPartitionB, reqPartitionC:
			h := veneer.StatelessHandle(3, 1)
			if m.Type == reqPartitionC {
				h = veneer.StatelessHandle(4, 1)
			}
			out := []veneer.OutVec{make([]byte, 16)}
			st := rt.Call(h, reqEcho, []veneer.InVec{[]byte("from A")}, out)
			m.Write(0, out[0])
			return st.Err()
		case reqProgrammerError:
			return veneer.ErrProgrammerError
		case reqNothing:
			return nil
		case reqWrapped:
			return fmt.Errorf("the inner reason: %w", veneer.ErrDataCorrupt)
		}
		if w.gate != nil {
			<-w.gate
		}
		return echo(m)
	}
	connected := func(m *service.Message) error {
		switch m.Type {
		case service.IPCConnect:
			m.SetRHandle(new(int))
			return nil
		case service.IPCDisconnect:
			return nil
		case reqCount:
			n := m.RHandle.(*int)
			*n++
			m.Write(0, []byte{byte(*n)})
			return nil
		}
		return stateless(m)
	}
	return service.Partition{
		Init:       func(r service.Runtime) error { rt = r; return nil },
		Services:   map[string]service.Handler{"A_STATELESS": stateless, "A_CONNECTED": connected, "A_SECURE": echo},
		EndSession: func(o veneer.Owner) { w.ended.Store(o.Session, true) },
	}
}

func partitionB() service.Partition {
	return service.Partition{Main: func(rt service.Runtime) {
		for {
			sigs := rt.Wait(service.WaitAny, service.Block)
			if sigs == 0 {
				return
			}
			for sig := service.FirstServiceSignal; sig <= sigs; sig <<= 1 {
				if sigs&sig == 0 {
					continue
				}
				m, err := rt.Get(sig)
				if err != nil {
					continue
				}
				switch m.Type {
				case service.IPCConnect, service.IPCDisconnect:
					rt.Reply(m, nil)
				case reqPanic:
					rt.Panic()
				default:
					rt.Reply(m, echo(m))
				}
			}
		}
	}}
}

func (w *world) session(t *testing.T) *Session {
	s, err := w.OpenSession(-1)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// try makes a call with one input and one output vector.
func try(s *Session, h veneer.Handle, typ int32, text string) (st veneer.Status, served bool, got string) {
	out := []veneer.OutVec{make([]byte, 32)}
	st, served = s.Call(h, typ, []veneer.InVec{[]byte(text)}, out)
	return st, served, string(out[0])
}

var statelessA = veneer.StatelessHandle(1, 3)

func TestPolicy(t *testing.T) {
	w := newWorld(t, Restart)
	s := w.session(t)
	t.Run("version", func(t *testing.T) {
		for sid, want := range map[veneer.SID]uint32{0x1001: 3, 0x1002: 3, 0x1003: 0, 0x2001: 1, 0x3001: 0, 0xdead: 0} {
			if got := s.Version(sid); got != want {
				t.Errorf("version of %#x is %d, want %d", sid, got, want)
			}
		}
	})
	for _, row := range []struct {
		name    string
		sid     veneer.SID
		version uint32
		want    error
	}{
		{"relaxed, same version", 0x1002, 3, nil},
		{"relaxed, older version", 0x1002, 1, nil},
		{"relaxed, newer version", 0x1002, 4, veneer.ErrConnectionRefused},
		{"relaxed, version none", 0x1002, 0, veneer.ErrConnectionRefused},
		{"stateless", 0x1001, 3, veneer.ErrProgrammerError},
		{"absent", 0xdead, 1, veneer.ErrConnectionRefused},
		{"secure only", 0x1003, 1, veneer.ErrConnectionRefused},
		{"IPC partition", 0x2002, 1, nil},
	} {
		t.Run("connect/"+row.name, func(t *testing.T) {
			h, err := s.Connect(row.sid, row.version)
			if err != row.want {
				t.Fatalf("got %v, want %v", err, row.want)
			}
			if err == nil && (h <= 0 || h.IsStateless()) {
				t.Fatalf("handle %#x", h)
			}
		})
	}
	conn, err := s.Connect(0x1002, 3)
	if err != nil {
		t.Fatal(err)
	}
	closed, err := s.Connect(0x1002, 3)
	if err != nil {
		t.Fatal(err)
	}
	s.Close(closed)
	other := w.session(t)
	for _, row := range []struct {
		name   string
		s      *Session
		handle veneer.Handle
		typ    int32
		want   veneer.Status
	}{
		{"stateless", s, statelessA, 0, 0},
		{"connection", s, conn, 0, 0},
		{"largest type", s, statelessA, veneer.MaxCallType, 0},
		{"null handle", s, 0, 0, veneer.ErrProgrammerError},
		{"negative handle", s, -5, 0, veneer.ErrProgrammerError},
		{"made-up handle", s, 12345, 0, veneer.ErrProgrammerError},
		{"closed handle", s, closed, 0, veneer.ErrProgrammerError},
		{"wrong generation", s, conn ^ 1<<slotBits, 0, veneer.ErrProgrammerError},
		{"another session's handle", other, conn, 0, veneer.ErrProgrammerError},
		{"stateless with wrong version", s, veneer.StatelessHandle(1, 2), 0, veneer.ErrProgrammerError},
		{"stateless that is absent", s, veneer.StatelessHandle(9, 1), 0, veneer.ErrProgrammerError},
		{"stateless with stray bits", s, statelessA | 1<<20, 0, veneer.ErrProgrammerError},
		{"stateless, secure only", s, veneer.StatelessHandle(2, 1), 0, veneer.ErrConnectionRefused},
		{"type -1", s, statelessA, -1, veneer.ErrProgrammerError},
		{"type 32768", s, statelessA, 32768, veneer.ErrProgrammerError},
	} {
		t.Run("call/"+row.name, func(t *testing.T) {
			before := w.logs.Len()
			st, served, got := try(row.s, row.handle, row.typ, "hello")
			if st != row.want || served != (row.want == 0) {
				t.Fatalf("status %d served %v, want %d", st, served, row.want)
			}
			if row.want == 0 && got != "hello" {
				t.Errorf("echo gave %q", got)
			}
			if row.want != 0 && len(got) != 32 {
				t.Errorf("a refused call changed the length of its output to %d", len(got))
			}
			if logged := w.logs.Len() - before; row.want != 0 && logged != 1 {
				t.Errorf("logged %d times, want once", logged)
			}
		})
	}
	t.Run("call/five vectors", func(t *testing.T) {
		in := make([]veneer.InVec, 3)
		out := make([]veneer.OutVec, 2)
		if st, served := s.Call(statelessA, 0, in, out); st != veneer.ErrProgrammerError || served {
			t.Fatalf("status %d served %v", st, served)
		}
	})
	t.Run("call/programmer error ends the connection", func(t *testing.T) {
		if st, _, _ := try(s, conn, -1, ""); st != veneer.ErrProgrammerError {
			t.Fatal(st)
		}
		if st, _, _ := try(s, conn, 0, ""); st != veneer.ErrProgrammerError {
			t.Fatalf("the connection is still there: %d", st)
		}
	})
	t.Run("call/service's programmer error ends the connection", func(t *testing.T) {
		h, _ := s.Connect(0x1002, 3)
		if st, served, _ := try(s, h, reqProgrammerError, ""); st != veneer.ErrProgrammerError || !served {
			t.Fatal(st, served)
		}
		if _, served, _ := try(s, h, reqEcho, ""); served {
			t.Fatal("the connection is still there")
		}
	})
}

func TestOpenSessionWantsNegativeClient(t *testing.T) {
	w := newWorld(t, Restart)
	for _, id := range []int32{0, 1, 257} {
		if _, err := w.OpenSession(id); !errors.Is(err, veneer.ErrConnectionRefused) {
			t.Errorf("client ID %d: %v", id, err)
		}
	}
}

func TestConnectionState(t *testing.T) {
	w := newWorld(t, Restart)
	s := w.session(t)
	a, _ := s.Connect(0x1002, 3)
	b, _ := s.Connect(0x1002, 3)
	for i, want := range []string{"\x01", "\x02"} {
		if _, _, got := try(s, a, reqCount, ""); got != want {
			t.Errorf("request %d: %q", i, got)
		}
	}
	if _, _, got := try(s, b, reqCount, ""); got != "\x01" {
		t.Errorf("the other connection: %q", got)
	}
}

func TestConnectionsRunOut(t *testing.T) {
	w := newWorld(t, Restart)
	s := w.session(t)
	seen := map[veneer.Handle]bool{}
	for range maxConnectionsPerSession {
		h, err := s.Connect(0x1002, 3)
		if err != nil || seen[h] {
			t.Fatal(h, err)
		}
		seen[h] = true
	}
	if _, err := s.Connect(0x1002, 3); err != veneer.ErrConnectionBusy {
		t.Fatal(err)
	}
	if _, err := w.session(t).Connect(0x1002, 3); err != nil {
		t.Fatalf("another session: %v", err)
	}
	s.End()
	if n := len(w.connections.free); n != maxConnections-1 {
		t.Errorf("%d slots free after the session's end", n)
	}
}

func TestPartitionCalls(t *testing.T) {
	w := newWorld(t, Restart)
	s := w.session(t)
	if st, _, got := try(s, statelessA, reqPartitionB, ""); st != 0 || got != "from A" {
		t.Errorf("A through B: %d %q", st, got)
	}
	// C is not among A's dependencies: A is stopped, its caller told so.
	if st, _, _ := try(s, statelessA, reqPartitionC, ""); st != veneer.ErrServiceFailure {
		t.Errorf("A through C: %d", st)
	}
}

func TestFaults(t *testing.T) {
	for _, fault := range []struct {
		name   string
		handle veneer.Handle
		typ    int32
	}{
		{"panic", statelessA, reqPanic},
		{"violation", statelessA, reqViolate},
		{"IPC panic", veneer.StatelessHandle(3, 1), reqPanic},
	} {
		t.Run(fault.name, func(t *testing.T) {
			w := newWorld(t, Restart)
			s := w.session(t)
			h, _ := s.Connect(0x1002, 3)
			if st, _, _ := try(s, fault.handle, fault.typ, ""); st != veneer.ErrServiceFailure {
				t.Errorf("the caller got %d", st)
			}
			if n := w.logs.FilterMessage("partition stopped").Len(); n != 1 {
				t.Errorf("logged %d times", n)
			}
			// The partition may still be on its way up again.
			for {
				if st, _, got := try(s, fault.handle, reqEcho, "again"); st == 0 && got == "again" {
					break
				} else if st != veneer.ErrServiceFailure {
					t.Fatalf("after the restart: %d %q", st, got)
				}
			}
			if fault.handle == statelessA {
				if _, served, _ := try(s, h, reqCount, ""); served {
					t.Error("a connection has outlived its partition")
				}
			}
		})
		t.Run(fault.name+"/stop", func(t *testing.T) {
			w := newWorld(t, Stop)
			s := w.session(t)
			for range 2 {
				if st, _, _ := try(s, fault.handle, fault.typ, ""); st != veneer.ErrServiceFailure {
					t.Errorf("got %d", st)
				}
			}
			if st, _, got := try(s, veneer.StatelessHandle(5, 1), reqEcho, ""); st != veneer.ErrProgrammerError {
				t.Error(st, got)
			}
		})
	}
}

func TestOneMessageAtATime(t *testing.T) {
	w := newWorld(t, Restart)
	w.gate = make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		s := w.session(t)
		wg.Go(func() {
			if st, _, _ := try(s, statelessA, reqEcho, "x"); st != 0 {
				t.Error(st)
			}
		})
	}
	for range 8 {
		w.gate <- struct{}{}
	}
	wg.Wait()
	if n := w.most.Load(); n != 1 {
		t.Errorf("%d messages at once", n)
	}
}

func TestManyCallers(t *testing.T) {
	w := newWorld(t, Restart)
	var wg sync.WaitGroup
	for c := range 8 {
		s := w.session(t)
		wg.Go(func() {
			for i := range 200 {
				text := fmt.Sprintf("%d/%d", c, i)
				h := statelessA
				if i%2 == 1 {
					h = veneer.StatelessHandle(3, 1)
				}
				if i == 100 {
					try(s, h, reqPanic, "")
				}
				st, _, got := try(s, h, reqEcho, text)
				if st != veneer.ErrServiceFailure && (st != 0 || got != text) {
					t.Errorf("%d %q", st, got)
				}
			}
			s.End()
		})
	}
	wg.Wait()
}

func TestPartitionsAreToldOfASessionsEnd(t *testing.T) {
	w := newWorld(t, Restart)
	a, b := w.session(t), w.session(t)
	a.End()
	if _, ok := w.ended.Load(a.Owner().Session); !ok {
		t.Error("A was not told")
	}
	if _, ok := w.ended.Load(b.Owner().Session); ok {
		t.Error("A was told of a session that has not ended")
	}
}

func TestRichErrorsStayInTheLog(t *testing.T) {
	w := newWorld(t, Restart)
	if st, served, _ := try(w.session(t), statelessA, reqWrapped, ""); st != veneer.ErrDataCorrupt || !served {
		t.Fatal(st, served)
	}
	entries := w.logs.FilterMessage("call failed").All()
	if len(entries) != 1 || !strings.Contains(fmt.Sprint(entries[0].ContextMap()), "the inner reason") {
		t.Errorf("log: %v", entries)
	}
}

// A client that breaks the rules of a service is in the log, once, also where the
// service had nothing to say about it.
func TestProgrammerErrorsAreLogged(t *testing.T) {
	w := newWorld(t, Restart)
	if st, served, _ := try(w.session(t), statelessA, reqProgrammerError, ""); st != veneer.ErrProgrammerError || !served {
		t.Fatal(st, served)
	}
	if n := w.logs.FilterMessage("call failed").Len(); n != 1 {
		t.Errorf("%d lines", n)
	}
}

func TestCallAllocatesNothing(t *testing.T) {
	w := newWorld(t, Restart)
	s := w.session(t)
	in, room := []veneer.InVec{make([]byte, 8)}, make([]byte, 8)
	out := []veneer.OutVec{room}
	if n := testing.AllocsPerRun(100, func() {
		out[0] = room
		if st, _ := s.Call(veneer.StatelessHandle(1, 3), reqNothing, in, out); st != veneer.Success {
			t.Fatal(st)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// At the level debug the log has every call: who, what, how many bytes and how it
// ended, and nothing that was in it.
func TestEveryCallIsLogged(t *testing.T) {
	w := newWorldLogging(t, Restart, zapcore.DebugLevel)
	s := w.session(t)
	if st, _, got := try(s, veneer.StatelessHandle(3, 1), reqEcho, "a secret"); st != veneer.Success || got != "a secret" {
		t.Fatal(st, got)
	}
	calls := w.logs.FilterMessage("call").All()
	if len(calls) != 1 {
		t.Fatalf("%d lines for one call", len(calls))
	}
	fields := calls[0].ContextMap()
	delete(fields, "took")
	delete(fields, "session")
	if got, want := fmt.Sprint(fields), "map[client:-1 in:8 room:32 service:B_SERVICE status:0 type:0]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A partition whose thread ends at once is started again a number of times, and
// then left alone; its callers never wait for it.
func TestPartitionThatCannotStayUp(t *testing.T) {
	m, err := manifest.Parse("test", []byte(manifestB))
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.InfoLevel)
	s, err := New(Config{
		Log: zap.New(core), Lifecycle: func() uint32 { return 0 },
		Partitions: []Partition{{m, func() service.Partition {
			return service.Partition{Main: func(service.Runtime) { panic("at once") }}
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	session, err := s.OpenSession(-1)
	if err != nil {
		t.Fatal(err)
	}
	for logs.FilterMessage("partition stays stopped").Len() == 0 {
		if st, served, _ := try(session, veneer.StatelessHandle(3, 1), reqEcho, ""); st != veneer.ErrServiceFailure || served {
			t.Fatal(st, served)
		}
	}
	if n := logs.FilterMessage("partition started again").Len(); n != maxRestarts {
		t.Errorf("started again %d times", n)
	}
}
