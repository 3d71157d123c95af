package main

import (
	"context"
	"errors"
	"fmt"
	"os"
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
	kind     string
	storage  []int
	boot     []int
	baseline bool
}

func newBenchCommand(e *env) *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure calls through the gate, beside what they have to cost",
		Long: `Measure operations through the gate, in turns of a few milliseconds with
yardsticks in the same run: a C program that passes messages of the same bytes
over a blocking Unix socket (compiled with cc), the same computation in this
process, and an echo of the same bytes through the gate (spe run DIR
--bench-echo). The ratio holds the median against the first, or against the sum
of the other two, whichever the project has a target for. C+work is the C
program with a server that is busy for as long as the computation takes, which
the kernel charges more than the work alone.

With --clients it measures instead how many calls of framework_version a second
so many client processes make together: C programs on the gate for C, which in
turns do the same with a server in C that has a thread for each of them. The
table has the calls of the slowest, the median and the fastest client, and
holds the sum against that of two clients. --client-kind go starts Go processes,
which may do any operation.

--pin same puts both worlds on one core, --pin cross on one core each: across
cores every call pays for waking the other core up, which is dear on a virtual
machine. The secure process gets its cores back at the end.

With --storage it measures instead the storage services with so many assets in
each, drawn at random: 32 bytes in Internal Trusted Storage, 1 KiB in Protected
Storage, where all but a thousand have one byte, so that many fit. The yardsticks
are a bare call, an echo of the same bytes, and a file for each asset in the
directory for temporary files (written beside and renamed, never synced), by this
process and by Mbed TLS's psa_its_file.c, if its libmbedcrypto is there. The
spread is the longest median of an operation by its shortest.

With --boot it starts the program behind -- eleven times, with so many assets of
32 bytes in Internal Trusted Storage, and measures the time to its ready line. The
cores are the kernel's then.

"over" behind a target says that the ratio is above it, "under" with --clients
that the sum is below it. Either is for the reader to judge: machines differ, and
the exit status stays 0.`,
		Example: `  psa bench
  psa bench --pin same --op framework_version --op sha256/61440 --json
  psa bench --clients 1,2,8,64,512
  psa bench --storage 10,1000,100000
  psa bench --boot 0,100000 -- spe run DIR`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(o.boot) > 0 {
				return cobra.MinimumNArgs(1)(cmd, args)
			}
			return cobra.NoArgs(cmd, args)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			pin, err := bench.ParsePin(o.pin)
			if err != nil {
				return &usageError{err}
			}
			kind, err := bench.ParseClientKind(o.kind)
			if err != nil {
				return &usageError{err}
			}
			if len(o.clients) == 0 && cmd.Flags().Changed("client-kind") {
				return usagef("--client-kind needs --clients")
			}
			ops, err := o.operations(kind)
			if err != nil {
				return err
			}
			if o.duration <= 0 {
				return usagef("--duration must be more than 0")
			}
			if len(o.boot) > 0 {
				return o.start(cmd.Context(), e, args)
			}
			return e.withGate(func(gate veneer.Gate) error {
				return o.run(cmd.Context(), e, gate, pin, kind, ops)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.json, "json", false, "write one JSON object for each operation, a line each")
	f.StringVar(&o.pin, "pin", string(bench.PinNone), "`cores`: same, cross or none")
	f.DurationVar(&o.duration, "duration", time.Second, "`time` for each operation, yardsticks included; with --clients, what counts of it")
	f.StringSliceVar(&o.ops, "op", nil, "only this `operation`, as name or name/bytes; may be repeated")
	f.IntSliceVar(&o.clients, "clients", nil, "measure these `numbers` of client processes, such as 1,2,8,64,512")
	f.StringVar(&o.kind, "client-kind", string(bench.ClientC), "`language` of client processes: c or go")
	f.IntSliceVar(&o.storage, "storage", nil, "measure the storage services with these `numbers` of assets, such as 10,1000,100000")
	f.IntSliceVar(&o.boot, "boot", nil, "measure boots with these `numbers` of assets, such as 0,100000")
	f.BoolVar(&o.baseline, "baseline", true, "measure the C programs, or the server in C, too")
	var keys []string
	for _, op := range bench.Ops() {
		keys = append(keys, op.Key())
	}
	completeWords(cmd, "op", keys...)
	completeWords(cmd, "pin", string(bench.PinSame), string(bench.PinCross), string(bench.PinNone))
	completeWords(cmd, "client-kind", string(bench.ClientC), string(bench.ClientGo))
	completeWords(cmd, "duration")
	completeWords(cmd, "clients")
	completeWords(cmd, "storage")
	completeWords(cmd, "boot")
	return cmd
}

func (o *benchOptions) operations(kind bench.ClientKind) ([]bench.Op, error) {
	names := o.ops
	if len(o.clients) > 0 && len(names) == 0 {
		names = []string{bench.FrameworkVersion}
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
	if len(o.storage) > 0 && len(o.boot) > 0 || len(o.storage)+len(o.boot) > 0 && len(o.clients)+len(o.ops) > 0 {
		return nil, usagef("--storage and --boot stand alone: not with each other, --clients or --op")
	}
	for _, n := range o.storage {
		if n < 1 || n > bench.MaxAssets {
			return nil, usagef("--storage %d: 1 to %d", n, bench.MaxAssets)
		}
	}
	for _, n := range o.boot {
		if n < 0 || n > bench.MaxAssets {
			return nil, usagef("--boot %d: 0 to %d", n, bench.MaxAssets)
		}
	}
	if len(o.clients) > 0 && kind == bench.ClientC && (len(ops) != 1 || ops[0].Name != bench.FrameworkVersion) {
		return nil, usagef("C clients do %s alone; --client-kind go does any operation", bench.FrameworkVersion)
	}
	return ops, nil
}

func (o *benchOptions) run(ctx context.Context, e *env, gate veneer.Gate, pin bench.Pin, kind bench.ClientKind, ops []bench.Op) (err error) {
	path, err := e.socketPath()
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()

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
	if len(o.storage) > 0 {
		return interrupted(o.store(ctx, e, gate, placement))
	}
	if len(o.clients) > 0 {
		return interrupted(o.scale(ctx, e, path, placement, kind, ops))
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

// untilSignal returns a context that a first signal ends, so that the measurement
// ends in good order: the secure process gets its cores back, and assets are
// removed. A second one ends it at once. SIGPIPE is among them because a reader
// such as head(1) may leave early.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// interrupted says in a word what an ended context means here.
func interrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted")
	}
	return err
}
