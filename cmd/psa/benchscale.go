package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern-spe/postern/cmd/psa/internal/bench"
	"github.com/postern-spe/postern/veneer"
)

// scale measures numbers of client processes, the smaller first, since the
// larger are held against them.
func (o *benchOptions) scale(ctx context.Context, e *env, path string, where bench.Placement, kind bench.ClientKind, ops []bench.Op) error {
	measure, end, err := o.clientProcesses(ctx, e, path, where, kind)
	if err != nil {
		return err
	}
	defer end()
	var table *bench.ScalingTable
	if !o.json {
		if table, err = bench.NewScalingTable(e.stdout); err != nil {
			return err
		}
	}
	numbers := ascending(o.clients)
	for _, op := range ops {
		for _, n := range numbers {
			s, err := measure(op, n)
			if err != nil {
				return fmt.Errorf("%s with %d clients: %w", op.Key(), n, err)
			}
			if o.json {
				err = e.printJSON(s)
			} else {
				err = table.Write(&s)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// clientProcesses returns what measures n client processes of a kind, and what
// to call in the end. Where C clients cannot be built, Go clients stand in.
func (o *benchOptions) clientProcesses(ctx context.Context, e *env, path string, where bench.Placement, kind bench.ClientKind) (measure func(bench.Op, int) (bench.Scaling, error), end func(), err error) {
	if kind == bench.ClientC {
		c, err := bench.BuildCClients(ctx)
		if err == nil {
			return func(_ bench.Op, n int) (bench.Scaling, error) {
				return c.Scale(ctx, n, path, where, o.duration, o.baseline)
			}, c.Remove, nil
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		e.say("no C clients, Go clients instead: %v", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	return func(op bench.Op, n int) (bench.Scaling, error) {
		// This program again, each with a session of its own.
		return bench.ScaleGo(ctx, n, op, where.Pin, o.duration, func(ctx context.Context) *exec.Cmd {
			return exec.CommandContext(ctx, self, "--socket", path, benchClient, op.Key(), o.duration.String())
		})
	}, func() {}, nil
}

// benchClient is the hidden command that "psa bench --clients --client-kind go"
// starts.
const benchClient = "bench-client"

func newBenchClientCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:    benchClient + " OPERATION DURATION",
		Short:  "One client process of psa bench --clients --client-kind go",
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
