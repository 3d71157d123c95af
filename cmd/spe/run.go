package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/postern-spe/postern/ipc"
	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spm"
	"github.com/postern-spe/postern/veneer"
)

const runUsage = `Boot a device and serve its doors until SIGTERM or SIGINT.

Usage:
  spe run DIR [flags]

When the doors are open, one line on stdout says so:

  ready POSTERN_SOCKET=DIR/run/ns.sock

and again after every reset of the chip (by software, the watchdog or a
debugger), which begins this process anew. A device that has been wiped by
ERASEALL has no secure world; it says

  blank DIR

and only its debug port answers, until spe provision makes it a device again.

The secure log goes to stderr. It names clients, services and statuses, and
never holds what they sent. With --log debug it has a line for every call;
otherwise a line that comes up very often is left out sometimes.

Flags:
  --log LEVEL        debug, info, warn or error (default warn)
  --on-fault POLICY  what becomes of a partition that panics: restart or stop (default restart)
  --power-fail N[:SEED]
                     cut the power at the Nth word programmed or page erased from
                     the boot on, and leave those cells torn as SEED says (default 0);
                     the process then ends with status 3
  --durable          let what was acknowledged survive that the host loses its power,
                     not only that this process is killed: each change waits for
                     the host's disk, which takes milliseconds. DIR on a tmpfs is refused
  --bench-echo       add the echo service that psa bench measures the gate with
`

func runCommand() command {
	return command{name: "run", usage: runUsage, run: runDevice}
}

func runDevice(args []string, stdout, stderr io.Writer) error {
	began := time.Now()
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	level := zapcore.WarnLevel
	flags.Var(&level, "log", "")
	policy := flags.String("on-fault", "restart", "")
	benchEcho := flags.Bool("bench-echo", false, "")
	durable := flags.Bool("durable", false, "")
	var fail powerFail
	flags.Var(&fail, "power-fail", "")
	dir, err := parse(flags, args)
	if err != nil {
		return err
	}
	onFault, ok := map[string]spm.FaultPolicy{"restart": spm.Restart, "stop": spm.Stop}[*policy]
	if !ok {
		return &usageError{reason: fmt.Sprintf("no policy %q", *policy)}
	}
	log := newLog(level, stderr)

	// The doors' workers wait in the kernel, and want a processor of the Go
	// scheduler the moment they come back. With one for each, and some to spare,
	// it is there: with fewer they stand in line for it, which costs a switch of
	// threads for half of the calls of many clients, and, on a single core, a third
	// of a P-256 signature.
	runtime.GOMAXPROCS(ipc.Workers() + runtime.NumCPU())

	// Signals are caught before there is anything that needs an orderly end.
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	reset := make(chan platform.ResetReason, 2)

	if err := harden(); err != nil {
		return err
	}
	program, err := program()
	if err != nil {
		return err
	}
	dir, err = filepath.Abs(dir) // so that the ready line holds wherever it is read
	if err != nil {
		return err
	}
	world, err := spe.Boot(dir, spe.Options{
		Log: log, OnFault: onFault, BenchEcho: *benchEcho, Durable: *durable,
		BeforeDoors: func() error { return confine(dir, program) },
		Program:     program,
		Reset:       resetReason(), OnReset: func(why platform.ResetReason) { reset <- why },
		PowerFailAt: fail.at, PowerFailSeed: fail.seed, OnPowerLoss: func() {
			fmt.Fprintf(stderr, "spe: the power has failed, at point %d\n", fail.at)
			os.Exit(exitPowerLost)
		},
	})
	if errors.Is(err, veneer.ErrDataCorrupt) {
		return fmt.Errorf("%w; `spe fsck %s` says more", err, dir)
	}
	if err != nil {
		return err
	}
	log.Info("ready", zap.String("board", world.Board()), zap.String("keys in", world.KeyMemory()), zap.Duration("took", time.Since(began)))
	if world.Blank() {
		fmt.Fprintf(stdout, "blank %s\n", dir)
	} else {
		fmt.Fprintf(stdout, "ready POSTERN_SOCKET=%s\n", world.Socket())
	}
	select {
	case <-end:
		return world.Close()
	case why := <-reset:
		log.Warn("reset", zap.Stringer("by", why))
		// A reset waits for nobody, but whoever asked for it is to get an answer.
		closed := make(chan error, 1)
		go func() { closed <- world.Close() }()
		select {
		case <-closed:
		case <-time.After(resetPatience):
		}
		select {
		case why = <-reset: // an ERASEALL: nothing else comes after a reset
		default:
		}
		return restart(program, why)
	}
}

// resetPatience is how long calls under way are waited for before a reset.
const resetPatience = time.Second

// exitPowerLost is the exit status when the power has failed.
const exitPowerLost = 3

// powerFail is the value of --power-fail.
type powerFail struct{ at, seed uint64 }

func (p *powerFail) String() string { return fmt.Sprintf("%d:%d", p.at, p.seed) }

func (p *powerFail) Set(s string) error {
	at, seed, seeded := strings.Cut(s, ":")
	var err error
	if p.at, err = strconv.ParseUint(at, 0, 64); err == nil && seeded {
		p.seed, err = strconv.ParseUint(seed, 0, 64)
	}
	if err != nil || p.at == 0 {
		return errors.New("not N or N:SEED, N from 1 on")
	}
	return nil
}

// newLog returns the secure log. Clients decide how often some of its lines come
// up, so each message has 100 lines a second and every 1000th beyond: but for who
// asks for all of it.
func newLog(level zapcore.Level, w io.Writer) *zap.Logger {
	cfg := zap.NewProductionEncoderConfig()
	cfg.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	cfg.EncodeDuration = zapcore.StringDurationEncoder
	core := zapcore.NewCore(zapcore.NewJSONEncoder(cfg), zapcore.Lock(zapcore.AddSync(w)), level)
	if level == zapcore.DebugLevel {
		return zap.New(core)
	}
	return zap.New(zapcore.NewSamplerWithOptions(core, time.Second, 100, 1000))
}
