package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/postern-spe/postern/ipc"
	"github.com/postern-spe/postern/veneer"
)

// looseGate is a gate without a secure world behind it: it answers the bare
// calls and has the echo service, which is what the engine itself needs.
type looseGate struct{ echo bool }

func (g looseGate) FrameworkVersion() uint32 { return veneer.FrameworkVersion11 }

func (g looseGate) Version(sid veneer.SID) uint32 {
	if g.echo && sid == echoSID {
		return echoVersion
	}
	return veneer.VersionNone
}

func (g looseGate) Connect(veneer.SID, uint32) (veneer.Handle, error) {
	return veneer.NullHandle, veneer.ErrConnectionRefused
}

func (g looseGate) Call(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) veneer.Status {
	if !g.echo || h != veneer.StatelessHandle(echoNumber, echoVersion) || typ != echoCopy {
		return veneer.ErrProgrammerError
	}
	out[0] = out[0][:copy(out[0], in[0])]
	return veneer.Success
}

func (g looseGate) Close(veneer.Handle) {}

// bareOp is the call that reaches no service.
var bareOp = Op{"bare", 0, 0, byCarrier, prepareBare}

// exchangeOp is an operation that moves so many bytes each way.
func exchangeOp(in, out int) Op {
	return Op{Name: "exchange", Size: in, service: echoSID, bound: byWork, prepare: func(gate veneer.Gate) (*trial, error) {
		return &trial{call: echoCall(gate, exchange{in, out}), local: busy}, nil
	}}
}

// busyFor is how long busy takes at least.
const busyFor = 50 * time.Microsecond

func busy() {
	for end := time.Now().Add(busyFor); time.Now().Before(end); {
	}
}

func TestRunMeasuresBesideYardsticks(t *testing.T) {
	_, noCompiler := exec.LookPath("cc")
	var warnings []string
	var results []Result
	cfg := Config{
		Gate: looseGate{echo: true}, Ops: []Op{exchangeOp(100, 30)}, Duration: 40 * time.Millisecond,
		Placement: Placement{Pin: PinNone}, Baseline: true,
		Warn: func(s string) { warnings = append(warnings, s) },
	}
	if err := Run(t.Context(), cfg, func(r Result) error { results = append(results, r); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(results) != 1 {
		t.Fatalf("%d results", len(results))
	}
	r := results[0]
	if r.RequestBytes != ipc.RequestHeaderSize+100 || r.ReplyBytes != ipc.ReplyHeaderSize+30 {
		t.Errorf("frames of %d and %d bytes", r.RequestBytes, r.ReplyBytes)
	}
	if r.N < turns || r.P50 <= 0 || r.P99 < r.P50 || r.OpsPerSec <= 0 || r.MBPerSec <= 0 || r.Echo <= 0 {
		t.Errorf("figures: %+v", r)
	}
	if r.InProcess < busyFor.Nanoseconds() {
		t.Errorf("%d ns in process, of work for %v", r.InProcess, busyFor)
	}
	if noCompiler == nil && (r.Baseline <= 0 || r.CWork < busyFor.Nanoseconds() || len(warnings) > 0) {
		t.Errorf("baseline %d, with work %d, warnings %q", r.Baseline, r.CWork, warnings)
	}
}

func TestRunSaysWhatIsLeftOut(t *testing.T) {
	withoutCompiler(t)
	var warnings []string
	cfg := Config{
		Gate: looseGate{}, Ops: []Op{bareOp}, Duration: time.Millisecond,
		Baseline: true, Warn: func(s string) { warnings = append(warnings, s) },
	}
	err := Run(t.Context(), cfg, func(r Result) error {
		if r.Baseline != 0 || r.Echo != 0 {
			t.Errorf("yardsticks from nowhere: %+v", r)
		}
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if bytes.Contains(line, []byte("baseline")) || bytes.Contains(line, []byte("c_work")) || bytes.Contains(line, []byte("echo")) {
			t.Errorf("JSON names what was not measured: %s", line)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 2 || !strings.Contains(warnings[0], "cc") || !strings.Contains(warnings[1], "--bench-echo") {
		t.Errorf("warnings: %q", warnings)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cfg := Config{Gate: looseGate{}, Ops: []Op{bareOp}, Duration: time.Hour}
	if err := Run(ctx, cfg, func(Result) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Run with an ended context: %v", err)
	}
}

func TestObserveRefusesSeveralCalls(t *testing.T) {
	op := Op{Name: "two", prepare: func(gate veneer.Gate) (*trial, error) {
		return &trial{call: func() error { gate.FrameworkVersion(); gate.FrameworkVersion(); return nil }}, nil
	}}
	cfg := Config{Gate: looseGate{}, Ops: []Op{op}, Duration: time.Millisecond}
	if err := Run(t.Context(), cfg, func(Result) error { return nil }); err == nil {
		t.Error("an operation of two calls was measured against yardsticks of one")
	}
}

func TestQuantile(t *testing.T) {
	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[i] = int64(100 - i)
	}
	for _, tt := range []struct {
		name    string
		ns      []int64
		percent int
		want    int64
	}{
		{"none", nil, 50, 0},
		{"one", []int64{7}, 99, 7},
		{"median of two is the lower", []int64{9, 3}, 50, 3},
		{"median of hundred", hundred, 50, 50},
		{"99th of hundred", hundred, 99, 99},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := samples{ns: tt.ns}
			if got := s.quantile(tt.percent); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestRatio(t *testing.T) {
	for _, tt := range []struct {
		name  string
		r     Result
		ratio float64
		ok    bool
	}{
		{"bare call against C", Result{P50: 30, Baseline: 20, Echo: 99, bound: byCarrier}, 1.5, true},
		{"work against Go and echo", Result{P50: 30, Baseline: 20, InProcess: 5, Echo: 15, bound: byWork}, 1.5, true},
		{"no baseline", Result{P50: 30, bound: byCarrier}, 0, false},
		{"no echo", Result{P50: 30, InProcess: 5, bound: byWork}, 0, false},
		{"no target", Result{P50: 30, Baseline: 20, InProcess: 5, Echo: 15}, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ratio, _, ok := tt.r.Ratio()
			if ratio != tt.ratio || ok != tt.ok {
				t.Errorf("got %v %v, want %v %v", ratio, ok, tt.ratio, tt.ok)
			}
		})
	}
}

func TestRow(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    Result
		want string
	}{
		{
			"all yardsticks, over the target",
			Result{Op: "sha256", Size: 64, N: 9, P50: 24_000, P99: 30_000, OpsPerSec: 40_000, MBPerSec: 2.56,
				Baseline: 9_500, InProcess: 5_000, Echo: 10_000, CWork: 16_000, bound: byWork},
			"sha256 64 9 24.00 µs 30.00 µs 40000 2.6 9.50 µs 5.00 µs 10.00 µs 16.00 µs 1.50 1.60 ≤ 1.15 of Go + echo, over",
		},
		{
			"C alone",
			Result{Op: "bare", N: 9, P50: 12_000, P99: 30_000, OpsPerSec: 80_000, Baseline: 10_000, bound: byCarrier},
			"bare - 9 12.00 µs 30.00 µs 80000 - 10.00 µs - - - - 1.20 ≤ 1.50 of C",
		},
		{
			"nothing",
			Result{Op: "bare", N: 9, P50: 12_000, P99: 30_000, OpsPerSec: 80_000, bound: byCarrier},
			"bare - 9 12.00 µs 30.00 µs 80000 - - - - - - -",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			if err := tt.r.WriteRow(&b); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(strings.Fields(b.String()), " "); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestSelect(t *testing.T) {
	for _, tt := range []struct {
		name  string
		names []string
		want  int
	}{
		{"all", nil, len(Ops())},
		{"one size", []string{"sha256/64"}, 1},
		{"all sizes", []string{"sha256"}, 4},
		{"twice the same", []string{"sha256", "sha256/64"}, 4},
		{"unknown", []string{"sha256", "md5"}, 0},
		{"unknown size", []string{"sha256/65"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ops, err := Select(tt.names)
			if len(ops) != tt.want || (err == nil) != (tt.want > 0) {
				t.Errorf("%d operations, error %v", len(ops), err)
			}
		})
	}
	keys := map[string]bool{}
	for _, op := range Ops() {
		if keys[op.Key()] {
			t.Errorf("two operations are called %s", op.Key())
		}
		keys[op.Key()] = true
	}
}
