package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/ps"
)

// MaxAssets is the most assets that a measurement makes.
const MaxAssets = 1 << uidBits

// StorageConfig is what to measure of the storage services, and how.
type StorageConfig struct {
	// Gate is the connection to the secure world.
	Gate veneer.Gate
	// Assets are the numbers of assets that each service holds while it is
	// measured, besides what it held before: ascending, 1..MaxAssets.
	Assets []int
	// Duration is how long one operation is measured, all yardsticks included.
	Duration time.Duration
	// Placement is where the threads of both worlds were put.
	Placement Placement
	// Baseline says whether to run the C program.
	Baseline bool
	// Warn is told, in a sentence, what had to be left out. May be nil.
	Warn func(sentence string)
}

// storageOp is one operation of a storage service, called verb in the C program.
type storageOp struct {
	verb string
	sid  veneer.SID
	size int
	most time.Duration // that it may take longer than a bare call; 0: no target
}

// storageOps are the operations and the targets of the project.
func storageOps() []storageOp {
	return []storageOp{
		{"set", its.SID, smallAsset, 15 * time.Microsecond},
		{"get", its.SID, smallAsset, 3 * time.Microsecond},
		{"info", its.SID, smallAsset, 0},
		{"remove", its.SID, smallAsset, 0},
		{"set", ps.SID, largeAsset, 30 * time.Microsecond},
		{"get", ps.SID, largeAsset, 15 * time.Microsecond},
	}
}

func (op *storageOp) name() string {
	if op.sid == its.SID {
		return "its_" + op.verb
	}
	return "ps_" + op.verb
}

// RunStorage measures the operations of Internal Trusted Storage on assets of 32
// bytes, and of Protected Storage on assets of 1 KiB, with each number of assets
// there, on assets drawn at random, and hands each result to emit. Of 1 KiB are
// the first thousand in Protected Storage, the others have a byte. In turns with
// an operation it measures a bare call, an echo of the same bytes, and the same
// operation on a file for each asset, by this process and by Mbed TLS. Either has
// one directory, of as many files of 32 bytes and a thousand of 1 KiB at most.
//
// It removes its assets in the end, also when ctx ends or emit fails.
func RunStorage(ctx context.Context, cfg StorageConfig, emit func(StorageResult) error) (err error) {
	if cfg.Warn == nil {
		cfg.Warn = func(string) {}
	}
	hasEcho := cfg.Gate.Version(echoSID) != veneer.VersionNone
	if !hasEcho {
		cfg.Warn("no echo through the gate: the secure world has no echo service (spe run DIR --bench-echo)")
	}
	refs, err := newReferences(ctx, &cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, refs.end()) }()
	m := &meter{Gate: cfg.Gate}
	var shelves []*shelf
	defer func() {
		for _, s := range shelves {
			if endErr := s.gate.shrink(0); err == nil && endErr != nil {
				err = fmt.Errorf("clean up: %w", endErr)
			}
		}
	}()
	for _, service := range []struct {
		name   string
		sid    veneer.SID
		size   int
		client storage
	}{{"its", its.SID, smallAsset, its.New(m)}, {"ps", ps.SID, largeAsset, ps.New(m)}} {
		if cfg.Gate.Version(service.sid) == veneer.VersionNone {
			cfg.Warn("no " + service.name + ": the secure world does not have the service")
			continue
		}
		shelves = append(shelves, &shelf{
			sid: service.sid, references: refs,
			gate:  population{keeper: newGateKeeper(service.client), size: service.size},
			files: population{keeper: &fileKeeper{refs.files, service.name}, size: service.size},
		})
	}
	for _, n := range cfg.Assets {
		for _, s := range shelves {
			if err := s.grow(ctx, n); err != nil {
				return err
			}
		}
		if err := refs.settle(); err != nil {
			return err
		}
		for _, s := range shelves {
			for _, op := range storageOps() {
				if op.sid != s.sid {
					continue
				}
				r, err := s.measure(ctx, &cfg, m, op, hasEcho)
				if ctx.Err() != nil {
					return ctx.Err() // whatever else ended with it
				}
				if err != nil {
					return fmt.Errorf("%s with %d assets: %w", op.name(), n, err)
				}
				if err := emit(r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// references is the places of what is kept in files.
type references struct {
	dir, files string
	mbed       *fileBacked // nil: not at hand
}

func newReferences(ctx context.Context, cfg *StorageConfig) (_ *references, err error) {
	r := &references{}
	if r.dir, err = os.MkdirTemp("", "psa-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(r.dir)
		}
	}()
	r.files = filepath.Join(r.dir, "files")
	mbed := filepath.Join(r.dir, "mbedtls")
	for _, dir := range []string{r.files, mbed} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, err
		}
	}
	if !cfg.Baseline {
		return r, nil
	}
	program, err := buildFileBacked(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		cfg.Warn("no Mbed TLS to compare with: " + err.Error())
		return r, nil
	}
	r.mbed, err = startFileBacked(ctx, program, cfg.Placement, mbed)
	return r, err
}

// settle waits until what was made in files is on the disk: to write it is not
// part of what is measured after it.
func (r *references) settle() error {
	dir, err := os.Open(r.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return os.NewSyscallError("syncfs", unix.Syncfs(int(dir.Fd())))
}

// end ends the C program and removes the files.
func (r *references) end() error {
	if r.mbed != nil {
		r.mbed.stop()
	}
	return os.RemoveAll(r.dir)
}

// shelf is the assets in one service, and those in files beside it.
type shelf struct {
	*references
	sid   veneer.SID
	gate  population
	files population
}

// grow makes the assets n, everywhere. Those that are only there to be many are
// not made in files a second time.
func (s *shelf) grow(ctx context.Context, n int) error {
	if err := s.gate.grow(ctx, n); err != nil {
		return err
	}
	if s.gate.size == largeAsset {
		n = min(n, largeCount)
	}
	from := s.files.n
	if err := s.files.grow(ctx, n); err != nil {
		return err
	}
	if s.mbed != nil {
		return s.mbed.fill(ctx, from, n, s.gate.size)
	}
	return nil
}

// trial is an operation on assets of the population that are drawn at random.
func (p *population) trial(verb string) *trial {
	data, buf := make([]byte, p.size), make([]byte, p.size)
	drawn := 0
	draw := func() int { drawn = rand.IntN(p.measured()); return drawn }
	switch verb {
	case "set":
		return &trial{call: func() error {
			data[0]++ // a service might skip writing what is there already
			return p.keeper.set(draw(), data)
		}}
	case "get":
		return &trial{call: func() error {
			n, err := p.keeper.get(draw(), buf)
			if err == nil && n != len(buf) {
				return errors.New("the asset came back shorter")
			}
			return err
		}}
	case "info":
		return &trial{call: func() error { return p.keeper.info(draw()) }}
	}
	return &trial{
		call: func() error { return p.keeper.remove(draw()) },
		undo: func() error { return p.keeper.set(drawn, data) },
	}
}

// measure runs one operation in turns with its yardsticks.
func (s *shelf) measure(ctx context.Context, cfg *StorageConfig, m *meter, op storageOp, hasEcho bool) (r StorageResult, err error) {
	t, local := s.gate.trial(op.verb), s.files.trial(op.verb)
	m.calls, m.seen = 0, exchange{}
	x, err := m.observe(t)
	if err != nil {
		return r, err
	}
	var gate, bare, echo, files, mbed samples
	parts := []func(time.Duration) error{
		func(d time.Duration) error { return gate.collect(d, t.call, t.undo) },
		func(d time.Duration) error {
			return bare.collect(d, func() error {
				if cfg.Gate.FrameworkVersion() != veneer.FrameworkVersion11 {
					return veneer.ErrCommunicationFailure
				}
				return nil
			}, nil)
		},
		func(d time.Duration) error { return files.collect(d, local.call, local.undo) },
	}
	if hasEcho {
		call := echoCall(cfg.Gate, x)
		if err := call(); err != nil {
			return r, fmt.Errorf("echo: %w", err)
		}
		parts = append(parts, func(d time.Duration) error { return echo.collect(d, call, nil) })
	}
	if s.mbed != nil {
		parts = append(parts, func(d time.Duration) error { return s.mbed.batch(op.verb, s.files.measured(), op.size, d, &mbed) })
	}
	if err := takeTurns(ctx, cfg.Duration, parts); err != nil {
		return r, err
	}
	return StorageResult{
		Op: op.name(), Size: op.size, Assets: s.gate.n, Pin: cfg.Placement.Pin,
		N: len(gate.ns), P50: gate.p50(), P99: gate.quantile(99),
		Bare: bare.p50(), Echo: echo.p50(), Files: files.p50(), MbedTLS: mbed.p50(),
		Most: op.most.Nanoseconds(),
	}, nil
}
