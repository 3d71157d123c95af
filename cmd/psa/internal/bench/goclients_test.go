package bench

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/postern-spe/postern/veneer/crypto"
)

// clientRole, when set, makes the test binary a client process of ScaleGo:
// "work" does its part, "fail" fails, "vanish" ends without a word.
const clientRole = "POSTERN_TEST_BENCH_CLIENT"

// workFor is how long those that work count. A client may get no processor for
// that long where a machine is busy, so a count of 0 is no failure; all of them
// at once is.
const workFor = 200 * time.Millisecond

func TestMain(m *testing.M) {
	switch os.Getenv(clientRole) {
	case "work":
		if Work(looseGate{}, bareOp, workFor, os.Stdin, os.Stdout) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	case "fail":
		// looseGate has no Crypto service.
		Work(looseGate{}, Op{"random", 32, crypto.SID, byWork, prepareRandom(32)}, time.Second, os.Stdin, os.Stdout)
		os.Exit(1)
	case "vanish":
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func clients(role string) func(context.Context) *exec.Cmd {
	return func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env = append(os.Environ(), clientRole+"="+role)
		return cmd
	}
}

func TestScaleGoAddsProcessesUp(t *testing.T) {
	const n = 3
	s, err := ScaleGo(t.Context(), n, bareOp, PinNone, workFor, clients("work"))
	if err != nil {
		t.Fatal(err)
	}
	if s.Clients != n || s.Kind != ClientGo || s.Max < 1 || s.N < n*s.Min || s.Max < s.Median || s.Median < s.Min || s.ScalingBaseline != nil || s.OpsPerSec <= 0 {
		t.Errorf("figures: %+v", s)
	}
}

func TestScaleGoReportsClients(t *testing.T) {
	for _, tt := range []struct{ name, role, want string }{
		{"a client that fails says why", "fail", "PSA_ERROR_PROGRAMMER_ERROR"},
		{"a client that vanishes is missed", "vanish", "ended early"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ScaleGo(t.Context(), 2, bareOp, PinNone, time.Second, clients(tt.role))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
	for _, n := range []int{0, -1, MaxClients + 1} {
		if _, err := ScaleGo(t.Context(), n, Op{}, PinNone, time.Second, clients("work")); err == nil {
			t.Errorf("%d clients: no error", n)
		}
	}
}

func TestScaleGoCanBeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ScaleGo(ctx, 2, bareOp, PinNone, time.Hour, clients("work")); err == nil {
		t.Error("no error from an interrupted measurement")
	}
}
