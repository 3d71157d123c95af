package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
)

// bootTarget is how long a boot with bootAssets assets should take at most: a
// target of the project.
const (
	bootTarget = 300 * time.Millisecond
	bootAssets = 100_000
)

// BootResult is how long a secure world takes from the start of its process to
// the line that says that it is ready. As JSON it is one line of
// "psa bench --boot --json". Times are in nanoseconds.
type BootResult struct {
	Assets int   `json:"assets"` // of 32 bytes in Internal Trusted Storage, besides what was there
	Boots  int   `json:"boots"`
	Min    int64 `json:"boot_min_ns"`
	P50    int64 `json:"boot_p50_ns"`
	Max    int64 `json:"boot_max_ns"`
	Most   int64 `json:"target_ns,omitempty"` // that P50 should be; 0: no target
}

// BootConfig is a secure world that is started again and again.
type BootConfig struct {
	// Command is the program and its arguments: spe run DIR. It says "ready
	// POSTERN_SOCKET=" and a path on standard output, and ends on SIGTERM.
	Command []string
	// Connect reaches the secure world at a socket.
	Connect func(path string) (gate veneer.Gate, disconnect func() error, err error)
	// Assets are the numbers of assets to start with: ascending, 0..MaxAssets.
	Assets []int
	// Boots is how many starts are measured for each, 1 or more.
	Boots int
	// Stderr is the program's standard error.
	Stderr io.Writer
}

// RunBoot measures the boots with each number of assets and hands its result to
// emit. It removes the assets in the end.
func RunBoot(ctx context.Context, cfg BootConfig, emit func(BootResult) error) (err error) {
	// The kernel ends a child when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	assets := population{keeper: newGateKeeper(nil), size: smallAsset}
	defer func() {
		if assets.n == 0 {
			return
		}
		endErr := cfg.with(context.WithoutCancel(ctx), &assets, func() error { return assets.shrink(0) })
		if err == nil && endErr != nil {
			err = fmt.Errorf("clean up: %w", endErr)
		}
	}()
	for _, n := range cfg.Assets {
		if n > assets.n {
			if err := cfg.with(ctx, &assets, func() error { return assets.grow(ctx, n) }); err != nil {
				return err
			}
		}
		var took samples
		for range cfg.Boots {
			began := time.Now()
			w, err := cfg.start(ctx)
			if err != nil {
				return err
			}
			took.add(time.Since(began).Nanoseconds())
			if err := w.stop(); err != nil {
				return err
			}
		}
		r := BootResult{Assets: assets.n, Boots: cfg.Boots, Min: took.quantile(0), P50: took.p50(), Max: took.quantile(100)}
		if assets.n <= bootAssets {
			r.Most = bootTarget.Nanoseconds()
		}
		if err := emit(r); err != nil {
			return err
		}
	}
	return nil
}

// world is a secure world that has said that it is ready.
type world struct {
	cmd    *exec.Cmd
	end    context.CancelFunc
	socket string
}

func (cfg *BootConfig) start(ctx context.Context) (*world, error) {
	running, end := context.WithCancel(ctx)
	cmd := exec.CommandContext(running, cfg.Command[0], cfg.Command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	// A process group of its own, so that an interrupt from the terminal reaches
	// it through ctx and the measurement ends in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = cfg.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		end()
		return nil, err
	}
	w := &world{cmd: cmd, end: end}
	line, err := bufio.NewReader(out).ReadString('\n')
	socket, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "ready POSTERN_SOCKET=")
	if err != nil || !ok {
		w.stop() // its status adds nothing
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%s says %q instead of ready (%v)", cfg.Command[0], line, err)
	}
	w.socket = socket
	return w, nil
}

// stop ends the secure world the orderly way.
func (w *world) stop() error {
	w.end()
	if err := w.cmd.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("the secure world ended badly: %w", err)
	}
	return nil
}

// with has do use the assets in a secure world of its own.
func (cfg *BootConfig) with(ctx context.Context, assets *population, do func() error) (err error) {
	w, err := cfg.start(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := w.stop(); err == nil {
			err = stopErr
		}
	}()
	gate, disconnect, err := cfg.Connect(w.socket)
	if err != nil {
		return err
	}
	assets.keeper.(*gateKeeper).storage = its.New(gate)
	if err := do(); err != nil {
		disconnect() // the error that counts is the first
		return err
	}
	return disconnect()
}

// WriteBootHeader writes the heading of the table whose rows BootResult.WriteRow
// writes.
func WriteBootHeader(w io.Writer) error {
	_, err := fmt.Fprintf(w, bootFormat+"\n", "assets", "boots", "shortest", "p50", "longest", "target")
	return err
}

const bootFormat = "%-7s %6s %9s %9s %9s  %s"

// WriteRow writes r as one line for people.
func (r *BootResult) WriteRow(w io.Writer) error {
	target := ""
	if r.Most > 0 {
		target = fmt.Sprintf("≤ %d ms", time.Duration(r.Most).Milliseconds())
		if r.P50 > r.Most {
			target += ", over"
		}
	}
	return writeTrimmed(w, bootFormat, strconv.Itoa(r.Assets), strconv.Itoa(r.Boots), span(r.Min), span(r.P50), span(r.Max), target)
}
