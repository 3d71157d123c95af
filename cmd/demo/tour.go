package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/platform/board"
)

// tour is a device, and the secure world that runs it at the moment.
type tour struct {
	ctx    context.Context // the programs end with it
	bin    string
	dir    string
	device string
	spe    *exec.Cmd
	end    context.CancelFunc // of spe
}

// patience is how long a program that is told to end may take.
const patience = 5 * time.Second

// command prepares one of the programs, which does not outlive ctx: it is asked
// to end (SIGTERM), and killed when it does not. Nor does it outlive this
// process. What it makes for a while, it makes in the tour's directory.
func (t *tour) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(t.bin, name), args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(os.Environ(), "TMPDIR="+t.dir, "POSTERN_SOCKET="+t.socket())
	return cmd
}

func (t *tour) socket() string { return filepath.Join(t.device, "run", "ns.sock") }

// areaOfSecrets is where Protected Storage lies in the board's flash. It is no
// secret.
func (t *tour) areaOfSecrets() (uint32, error) {
	b, ok := board.Lookup(board.Default)
	if !ok {
		return 0, fmt.Errorf("no board %s", board.Default)
	}
	a, ok := b.Area(board.PS)
	if !ok {
		return 0, fmt.Errorf("no area %s", board.PS)
	}
	return a.Base, nil
}

func (t *tour) provision(flags ...string) error {
	out, err := t.command(t.ctx, "spe", append([]string{"provision", t.device}, flags...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// boot starts the secure world and waits for its word that it is ready.
func (t *tour) boot() (string, error) { return t.bootWith() }

func (t *tour) bootWith(flags ...string) (string, error) {
	ctx, end := context.WithCancel(t.ctx)
	cmd := t.command(ctx, "spe", append([]string{"run", t.device, "--log", "error"}, flags...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		end()
		return "", err
	}
	t.spe, t.end = cmd, end
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "ready ") {
		return "", fmt.Errorf("the secure world says %q (%v)", line, err)
	}
	return fmt.Sprintf("secure world ready, process %d", cmd.Process.Pid), nil
}

// kill gives the secure world no chance to put anything in order.
func (t *tour) kill() (string, error) {
	if err := t.spe.Process.Kill(); err != nil {
		return "", err
	}
	pid := t.spe.Process.Pid
	t.halt()
	return fmt.Sprintf("SIGKILL to process %d", pid), nil
}

// halt ends the secure world the orderly way, if one runs.
func (t *tour) halt() {
	if t.spe != nil {
		t.end()
		t.spe.Wait()
		t.spe = nil
	}
}

// program runs a non-secure program, and returns what it says.
func (t *tour) program(name, stdin string, args ...string) (string, error) {
	cmd := t.command(t.ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return strings.TrimRight(string(out), "\n"), nil
}

// refused runs a program that must fail, for the reason given.
func (t *tour) refused(reason, name string, args ...string) (string, error) {
	out, err := t.program(name, "", args...)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "", fmt.Errorf("it went through: %s", out)
	case !errors.As(err, &exit) || !strings.Contains(err.Error(), reason):
		return "", err
	}
	_, said, _ := strings.Cut(err.Error(), ": ")
	said, _, _ = strings.Cut(said, "\n") // hints follow
	return "stopped: " + said, nil
}

// nowhereInFlash looks for a secret in the device's memory as an attacker with
// the opened chip would.
func (t *tour) nowhereInFlash(secret string) (string, error) {
	flash, err := os.ReadFile(filepath.Join(t.device, "flash.bin"))
	if err != nil {
		return "", err
	}
	if bytes.Contains(flash, []byte(secret)) {
		return "", errors.New("the secret lies in flash in the clear")
	}
	return fmt.Sprintf("the secret is nowhere in the %d KiB of flash", len(flash)>>10), nil
}

// wipe is what a probe may do to every device: erase all of it, keys first.
func (t *tour) wipe() (string, error) {
	if _, err := t.program("psa", "", "debug", "eraseall", "--yes"); err != nil {
		return "", err
	}
	keys, err := os.ReadFile(filepath.Join(t.device, "keys.bin"))
	if err != nil {
		return "", err
	}
	if len(bytes.Trim(keys, "\xff")) > 0 {
		return "", errors.New("a key is left in its slot")
	}
	return "ERASEALL through the debug port: the device is blank, its key slots are erased", nil
}

// bench measures how long the secure world takes to boot and how much memory it
// has when idle, and then runs psa bench, which needs the echo service.
func (t *tour) bench(args []string) error {
	if err := t.provision(); err != nil {
		return err
	}
	const boots = 21
	var took []time.Duration
	for range boots {
		began := time.Now()
		if _, err := t.boot(); err != nil {
			return err
		}
		took = append(took, time.Since(began))
		t.halt()
	}
	slices.Sort(took)
	if _, err := t.bootWith("--bench-echo"); err != nil {
		return err
	}
	resident, err := residentKiB(t.spe.Process.Pid)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "spe run to ready: median %.1f ms, longest of %d %.1f ms; resident when idle: %.1f MB\n\n",
		took[boots/2].Seconds()*1e3, boots, took[boots-1].Seconds()*1e3, float64(resident)/1000)
	return t.psaBench(args...)
}

// psaBench runs psa bench, whose output is this program's.
func (t *tour) psaBench(args ...string) error {
	cmd := t.command(t.ctx, "psa", append([]string{"bench"}, args...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Stdin = io.LimitReader(os.Stdin, 0)
	return runWithOffspring(cmd)
}

// benchStorage measures storage on a board with room for many assets, and then
// how long it takes to boot with them.
func (t *tour) benchStorage(args []string) error {
	if err := t.provision("--board", "virt"); err != nil {
		return err
	}
	if _, err := t.bootWith("--bench-echo"); err != nil {
		return err
	}
	if err := t.psaBench(append([]string{"--storage", "10,1000,100000"}, args...)...); err != nil {
		return err
	}
	t.halt()
	boot := append([]string{"--boot", "0,10,1000,100000"}, args...)
	fmt.Fprintln(os.Stderr)
	return t.psaBench(append(boot, "--", filepath.Join(t.bin, "spe"), "run", t.device, "--log", "error")...)
}

// runWithOffspring runs a program that starts others, and ends those that it has
// left: of an interrupted compiler, for one, the pass that was running. They are
// found by the program's process group, which an interrupt from the terminal
// reaches through the command's context, and are this process's to wait for.
func runWithOffspring(cmd *exec.Cmd) error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the parent of orphans: %w", err)
	}
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		return err
	}
	err := cmd.Wait()
	group := -cmd.Process.Pid
	// The group is signalled only while a child of ours is in it, since its number
	// is free for others afterwards.
	for {
		switch pid, e := unix.Wait4(group, nil, unix.WNOHANG, nil); {
		case e == unix.EINTR || pid > 0:
			continue
		case e != nil: // ECHILD: nobody is left
			return err
		}
		unix.Kill(group, unix.SIGKILL)
		unix.Wait4(group, nil, 0, nil)
	}
}

// residentKiB is VmRSS of a process (proc_pid_status(5)).
func residentKiB(pid int) (n int, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(status), "VmRSS:")
	if !ok {
		return 0, errors.New("no VmRSS in /proc/PID/status")
	}
	_, err = fmt.Sscan(rest, &n)
	return n, err
}
