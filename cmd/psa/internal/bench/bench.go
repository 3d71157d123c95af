// Package bench measures what a call through the gate costs, beside what it
// has to cost. It is the engine of "psa bench".
//
// A figure from one run on one machine says little alone, so every operation is
// measured together with yardsticks, in turns of a few milliseconds, in the same
// run: a C program that passes messages of the same bytes over a blocking Unix
// socket (pingpong/pingpong.c), the same computation in this process with Go's
// own packages, the C program again with a server that is busy for as long as
// that computation takes, and an echo of the same bytes through the gate. A turn
// is short against whatever else the machine does, so a disturbance falls on all
// of them alike.
//
// What many clients get together is measured apart: see CClients and ScaleGo.
//
// The secure world is trusted here no more than anywhere on this side: it can
// spoil the figures and nothing else.
package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/postern-spe/postern/veneer"
)

// turns is how many times each operation and its yardsticks take turns.
const turns = 20

// Config is what to measure and how.
type Config struct {
	// Gate is the connection to the secure world.
	Gate veneer.Gate
	// Ops are the operations, in order; see Select.
	Ops []Op
	// Duration is how long one operation is measured, all yardsticks included.
	Duration time.Duration
	// Placement is where the threads of both worlds were put, for the report;
	// the C program puts its own two processes likewise.
	Placement Placement
	// Baseline says whether to run the C program.
	Baseline bool
	// Warn is told, in a sentence, what had to be left out. May be nil.
	Warn func(sentence string)
}

// Run measures each operation and hands its result to emit as soon as it is
// known. It ends early when ctx does or emit fails.
func Run(ctx context.Context, cfg Config, emit func(Result) error) error {
	if cfg.Warn == nil {
		cfg.Warn = func(string) {}
	}
	var yardstick *pingpong
	if cfg.Baseline {
		var err error
		yardstick, err = startPingpong(ctx, cfg.Placement)
		if err != nil {
			cfg.Warn("no C ping-pong baseline: " + err.Error())
		} else {
			defer yardstick.stop()
		}
	}
	hasEcho := cfg.Gate.Version(echoSID) != veneer.VersionNone
	if !hasEcho {
		cfg.Warn("no echo through the gate: the secure world has no echo service (spe run DIR --bench-echo)")
	}
	for _, op := range cfg.Ops {
		if !op.bare() && cfg.Gate.Version(op.service) == veneer.VersionNone {
			cfg.Warn("no " + op.Key() + ": the secure world does not have the service")
			continue
		}
		r, err := measure(ctx, &cfg, op, yardstick, hasEcho)
		if ctx.Err() != nil {
			return ctx.Err() // whatever else ended with it
		}
		if err != nil {
			return fmt.Errorf("%s: %w", op.Key(), err)
		}
		if err := emit(r); err != nil {
			return err
		}
	}
	return nil
}

// measure runs one operation in turns with its yardsticks.
func measure(ctx context.Context, cfg *Config, op Op, yardstick *pingpong, hasEcho bool) (r Result, err error) {
	m := &meter{Gate: cfg.Gate}
	t, err := op.prepare(m)
	if err != nil {
		return r, fmt.Errorf("prepare: %w", err)
	}
	if t.end != nil {
		defer func() {
			if endErr := t.end(); err == nil && endErr != nil {
				err = fmt.Errorf("clean up: %w", endErr)
			}
		}()
	}
	x, err := m.observe(t)
	if err != nil {
		return r, err
	}

	// The operation is prepared on the meter, so calls in the measurement pass
	// through it as well: a type assertion and an interface call, some
	// nanoseconds of the microseconds measured.
	var gate, c, cWork, echo, local samples
	parts := []func(time.Duration) error{
		func(d time.Duration) error { return gate.collect(d, t.call, t.undo) },
	}
	if yardstick != nil {
		parts = append(parts, func(d time.Duration) error { return yardstick.batch(x, 0, d, &c) })
	}
	if t.local != nil {
		inner := calibrate(t.local)
		parts = append(parts, func(d time.Duration) error { local.collectInner(d, inner, t.local); return nil })
		if yardstick != nil {
			// The first turn may ask for the computation's time before it was
			// measured in turn.
			local.collectInner(shortest, inner, t.local)
			parts = append(parts, func(d time.Duration) error { return yardstick.batch(x, local.p50(), d, &cWork) })
		}
	}
	if hasEcho && !op.bare() {
		call := echoCall(cfg.Gate, x)
		if err := call(); err != nil {
			return r, fmt.Errorf("echo: %w", err)
		}
		parts = append(parts, func(d time.Duration) error { return echo.collect(d, call, nil) })
	}
	if err := takeTurns(ctx, cfg.Duration, parts); err != nil {
		return r, err
	}
	r = Result{
		Op: op.Name, Size: op.Size, Pin: cfg.Placement.Pin,
		RequestBytes: x.requestFrame(), ReplyBytes: x.replyFrame(),
		Baseline: c.p50(), InProcess: local.p50(), Echo: echo.p50(), CWork: cWork.p50(),
		bound: op.bound,
	}
	r.fill(&gate)
	return r, nil
}

// takeTurns has parts measure, each for a few milliseconds at a time, for d in
// all.
func takeTurns(ctx context.Context, d time.Duration, parts []func(time.Duration) error) error {
	turn := d / time.Duration(turns*len(parts))
	for range turns {
		// Another order each time: what runs before leaves its traces in caches
		// and in the scheduler, and should not always do so to the same part.
		rand.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		for _, part := range parts {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := part(turn); err != nil {
				return err
			}
		}
	}
	return nil
}

// Select returns the operations that the names ask for, in the table's order: a
// name alone ("sha256") means all its sizes, a name and a size ("sha256/64")
// that one. No names mean all operations.
func Select(names []string) ([]Op, error) {
	all := Ops()
	if len(names) == 0 {
		return all, nil
	}
	var chosen []Op
	for _, name := range names {
		if !slices.ContainsFunc(all, func(op Op) bool { return op.Name == name || op.Key() == name }) {
			return nil, fmt.Errorf("no operation %q", name)
		}
	}
	for _, op := range all {
		if slices.Contains(names, op.Name) || slices.Contains(names, op.Key()) {
			chosen = append(chosen, op)
		}
	}
	return chosen, nil
}
