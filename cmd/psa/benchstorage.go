package main

import (
	"context"
	"slices"

	"github.com/postern-spe/postern/cmd/psa/internal/bench"
	"github.com/postern-spe/postern/veneer"
)

// ascending returns the numbers once each, the smaller first: what there is more
// of is held against what there is less of, and is added to it.
func ascending(numbers []int) []int {
	return slices.Compact(slices.Sorted(slices.Values(numbers)))
}

// store measures the storage services with these numbers of assets.
func (o *benchOptions) store(ctx context.Context, e *env, gate veneer.Gate, where bench.Placement) error {
	cfg := bench.StorageConfig{
		Gate: gate, Assets: ascending(o.storage), Duration: o.duration,
		Placement: where, Baseline: o.baseline,
		Warn: func(sentence string) { e.say("%s", sentence) },
	}
	if o.json {
		return bench.RunStorage(ctx, cfg, func(r bench.StorageResult) error { return e.printJSON(r) })
	}
	table, err := bench.NewStorageTable(e.stdout)
	if err != nil {
		return err
	}
	return bench.RunStorage(ctx, cfg, func(r bench.StorageResult) error { return table.Write(&r) })
}

// boots is how many boots are measured for each number of assets.
const boots = 11

// start measures boots of the secure world that the command starts.
func (o *benchOptions) start(ctx context.Context, e *env, command []string) error {
	ctx, stop := untilSignal(ctx)
	defer stop()
	cfg := bench.BootConfig{
		Command: command, Connect: e.connect, Assets: ascending(o.boot), Boots: boots, Stderr: e.stderr,
	}
	if !o.json {
		if err := bench.WriteBootHeader(e.stdout); err != nil {
			return err
		}
	}
	return interrupted(bench.RunBoot(ctx, cfg, func(r bench.BootResult) error {
		if o.json {
			return e.printJSON(r)
		}
		return r.WriteRow(e.stdout)
	}))
}
