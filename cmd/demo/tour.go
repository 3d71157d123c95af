package main

import (
	"bufio"
	"bytes"
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

	"github.com/postern-spe/postern/platform/board"
)

// tour is a device, and the secure world that runs it at the moment.
type tour struct {
	bin    string
	dir    string
	device string
	spe    *exec.Cmd
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

func (t *tour) provision() error {
	out, err := exec.Command(filepath.Join(t.bin, "spe"), "provision", t.device).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// boot starts the secure world and waits for its word that it is ready.
func (t *tour) boot() (string, error) { return t.bootWith() }

func (t *tour) bootWith(flags ...string) (string, error) {
	began := time.Now()
	cmd := exec.Command(filepath.Join(t.bin, "spe"), append([]string{"run", t.device}, flags...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	t.spe = cmd
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "ready ") {
		return "", fmt.Errorf("the secure world says %q (%v)", line, err)
	}
	return fmt.Sprintf("secure world ready after %.0f ms, process %d", time.Since(began).Seconds()*1e3, cmd.Process.Pid), nil
}

// kill gives the secure world no chance to put anything in order.
func (t *tour) kill() (string, error) {
	if err := t.spe.Process.Kill(); err != nil {
		return "", err
	}
	pid := t.spe.Process.Pid
	t.spe.Wait()
	t.spe = nil
	return fmt.Sprintf("SIGKILL to process %d", pid), nil
}

// halt ends the secure world the orderly way, if one runs.
func (t *tour) halt() {
	if t.spe != nil {
		t.spe.Process.Signal(syscall.SIGTERM)
		t.spe.Wait()
		t.spe = nil
	}
}

// program runs a non-secure program, and returns what it says.
func (t *tour) program(name, stdin string, args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(t.bin, name), args...)
	cmd.Env = append(os.Environ(), "POSTERN_SOCKET="+t.socket())
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
	cmd := exec.Command(filepath.Join(t.bin, "psa"), append([]string{"bench", "--socket", t.socket()}, args...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Stdin = io.LimitReader(os.Stdin, 0)
	return cmd.Run()
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
