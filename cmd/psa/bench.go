package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern-spe/postern/cmd/psa/internal/bench"
	"github.com/postern-spe/postern/veneer"
)

type benchOptions struct {
	json     bool
	pin      string
	duration time.Duration
	ops      []string
	clients  []int
	baseline bool
}

// scaledOp is what client processes do by default: the cheapest call that
// reaches a service.
const scaledOp = "key_attributes"

func newBenchCommand(e *env) *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure calls through the gate, beside what they have to cost",
		Long: `Measure operations through the gate, in turns of a few milliseconds with three
yardsticks in the same run: a C program that passes messages of the same bytes
over a blocking Unix socket (compiled with cc), the same computation in this
process, and an echo of the same bytes through the gate (spe run DIR
--bench-echo). The table holds the median against the first, or against the sum
of the other two, whichever the project has a target for.

With --clients it measures instead how many calls a second so many client
processes make together.

--pin same puts both worlds on one core, --pin cross on one core each: across
cores every call pays for waking the other core up, which is dear on a virtual
machine. The secure process gets its cores back at the end.`,
		Example: `  psa bench
  psa bench --pin same --op framework_version --op sha256/61440 --json
  psa bench --clients 1,2,8,64,512`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			pin, err := bench.ParsePin(o.pin)
			if err != nil {
				return &usageError{err}
			}
			ops, err := o.operations()
			if err != nil {
				return err
			}
			if o.duration <= 0 {
				return usagef("--duration must be more than 0")
			}
			return e.withGate(func(gate veneer.Gate) error {
				return o.run(cmd.Context(), e, gate, pin, ops)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.json, "json", false, "write one JSON object for each operation, a line each")
	f.StringVar(&o.pin, "pin", string(bench.PinNone), "`cores`: same, cross or none")
	f.DurationVar(&o.duration, "duration", time.Second, "`time` for each operation, yardsticks included")
	f.StringSliceVar(&o.ops, "op", nil, "only this `operation`, as name or name/bytes; may be repeated")
	f.IntSliceVar(&o.clients, "clients", nil, "measure these `numbers` of client processes, such as 1,2,8,64,512")
	f.BoolVar(&o.baseline, "baseline", true, "measure the C program too")
	var keys []string
	for _, op := range bench.Ops() {
		keys = append(keys, op.Key())
	}
	completeWords(cmd, "op", keys...)
	completeWords(cmd, "pin", string(bench.PinSame), string(bench.PinCross), string(bench.PinNone))
	completeWords(cmd, "duration")
	completeWords(cmd, "clients")
	return cmd
}

func (o *benchOptions) operations() ([]bench.Op, error) {
	names := o.ops
	if len(o.clients) > 0 && len(names) == 0 {
		names = []string{scaledOp}
	}
	ops, err := bench.Select(names)
	if err != nil {
		return nil, &usageError{err}
	}
	for _, n := range o.clients {
		if n < 1 || n > bench.MaxClients {
			return nil, usagef("--clients %d: 1 to %d", n, bench.MaxClients)
		}
	}
	return ops, nil
}

func (o *benchOptions) run(ctx context.Context, e *env, gate veneer.Gate, pin bench.Pin, ops []bench.Op) (err error) {
	path, err := e.socketPath()
	if err != nil {
		return err
	}
	// A first signal ends the measurement in good order, so that the secure
	// process gets its cores back; a second one ends it at once. SIGPIPE is among
	// them because a reader such as head(1) may leave early.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	context.AfterFunc(ctx, stop)

	placement := bench.Placement{Pin: pin}
	if pin != bench.PinNone {
		pid, err := bench.PeerPID(path)
		if err != nil {
			return fmt.Errorf("find the secure process: %w", err)
		}
		var restore func() error
		if placement, restore, err = bench.Place(pin, pid); err != nil {
			return hint(err, "pinning the secure process takes its user's rights; --pin none does without")
		}
		defer func() {
			if restoreErr := restore(); restoreErr != nil {
				err = errors.Join(err, restoreErr)
			}
		}()
	}
	if len(o.clients) > 0 {
		return interrupted(o.scale(ctx, e, path, pin, ops))
	}
	cfg := bench.Config{
		Gate: gate, Ops: ops, Duration: o.duration, Placement: placement, Baseline: o.baseline,
		Warn: func(sentence string) { e.say("%s", sentence) },
	}
	if !o.json {
		if err := bench.WriteHeader(e.stdout); err != nil {
			return err
		}
	}
	return interrupted(bench.Run(ctx, cfg, func(r bench.Result) error {
		if o.json {
			return e.printJSON(r)
		}
		return r.WriteRow(e.stdout)
	}))
}

// interrupted says in a word what an ended context means here.
func interrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted")
	}
	return err
}

// scale measures numbers of client processes: this program again, each with a
// session of its own.
func (o *benchOptions) scale(ctx context.Context, e *env, path string, pin bench.Pin, ops []bench.Op) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if !o.json {
		if err := bench.WriteScalingHeader(e.stdout); err != nil {
			return err
		}
	}
	for _, op := range ops {
		for _, n := range o.clients {
			s, err := bench.Scale(ctx, n, op, pin, o.duration, func(ctx context.Context) *exec.Cmd {
				return exec.CommandContext(ctx, self, "--socket", path, benchClient, op.Key(), o.duration.String())
			})
			if err != nil {
				return fmt.Errorf("%s with %d clients: %w", op.Key(), n, err)
			}
			if o.json {
				err = e.printJSON(s)
			} else {
				err = s.WriteRow(e.stdout)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// benchClient is the hidden command that "psa bench --clients" starts.
const benchClient = "bench-client"

func newBenchClientCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:    benchClient + " OPERATION DURATION",
		Short:  "One client process of psa bench --clients",
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			ops, err := bench.Select(args[:1])
			if err != nil {
				return &usageError{err}
			}
			d, err := time.ParseDuration(args[1])
			if err != nil || d <= 0 || len(ops) != 1 {
				return usagef("%s takes one operation and a duration", benchClient)
			}
			return e.withGate(func(gate veneer.Gate) error {
				return bench.Work(gate, ops[0], d, e.stdin, e.stdout)
			})
		},
	}
}
