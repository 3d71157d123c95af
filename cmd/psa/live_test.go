package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// TestLiveScripts runs what needs a secure world: the real one, in a process of
// its own, with a device of its own for each script. $DEVICE is its directory,
// $SPE the program. What needs a certain board is in a directory named after it.
func TestLiveScripts(t *testing.T) {
	spe := buildSPE(t)
	t.Run("default", func(t *testing.T) { runLive(t, spe, "testdata/script-live") })
	t.Run("nrf54l15", func(t *testing.T) { runLive(t, spe, "testdata/script-live-nrf54l15", "--board", "nrf54l15") })
}

// runLive runs the scripts in dir, each with a device that is provisioned with
// these flags.
func runLive(t *testing.T, spe, dir string, flags ...string) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		Cmds:                scriptCommands,
		RequireExplicitExec: true,
		Setup: func(s *testscript.Env) error {
			// Not below the script's directory: a socket's path has at most 107
			// bytes.
			dir, err := os.MkdirTemp("", "psa-")
			if err != nil {
				return err
			}
			s.Defer(func() { os.RemoveAll(dir) })
			device := filepath.Join(dir, "device")
			stop, err := startSPE(spe, device, flags...)
			if err != nil {
				return err
			}
			s.Defer(stop)
			s.Values[stopValue{}] = stop
			s.Setenv("DEVICE", device)
			s.Setenv("SPE", spe)
			s.Setenv("POSTERN_SOCKET", filepath.Join(device, "run", "ns.sock"))
			return nil
		},
	})
}

// buildSPE builds the secure world as a program: this side may start it, and
// never link it.
func buildSPE(t *testing.T) string {
	program := filepath.Join(t.TempDir(), "spe")
	if out, err := exec.Command("go", "build", "-o", program, "../spe").CombinedOutput(); err != nil {
		t.Fatalf("build spe: %v\n%s", err, out)
	}
	return program
}

// startSPE provisions a device with these flags and runs it until stop. It
// returns when the secure world says on its standard output that it is ready.
func startSPE(program, device string, flags ...string) (stop func(), err error) {
	if out, err := exec.Command(program, append([]string{"provision", device}, flags...)...).CombinedOutput(); err != nil {
		return nil, &startError{"spe provision", err, string(out)}
	}
	cmd := exec.Command(program, "run", device, "--bench-echo")
	log, err := os.Create(device + ".log")
	if err != nil {
		return nil, err
	}
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		log.Close()
		return nil, err
	}
	stop = sync.OnceFunc(func() {
		cmd.Process.Signal(unix.SIGTERM)
		cmd.Wait()
		log.Close()
	})
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		stop()
		words, _ := os.ReadFile(log.Name())
		return nil, &startError{"spe run", err, string(words)}
	}
	return stop, nil
}

type startError struct {
	command string
	err     error
	words   string
}

func (s *startError) Error() string { return s.command + ": " + s.err.Error() + "\n" + s.words }
