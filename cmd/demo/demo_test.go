package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// build makes the real programs, but for the C one, which the tour comes to last.
func build(t *testing.T) (bin string) {
	t.Helper()
	bin = t.TempDir()
	for dir, packages := range map[string][]string{
		bin:                            {"../spe", "../psa", "."},
		filepath.Join(bin, "examples"): {"../../nspe/examples/..."},
	} {
		args := append([]string{"build", "-o", dir + "/"}, packages...)
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	return bin
}

// run is a demo that runs, in a process group of its own and with a directory
// for temporary files of its own.
type run struct {
	*exec.Cmd
	stdout *os.File // our end
	lines  *bufio.Reader
	stderr *bytes.Buffer
	tmp    string
}

func start(t *testing.T, bin string, args ...string) *run {
	t.Helper()
	// Not t.TempDir: a socket's path has at most 107 bytes.
	tmp, err := os.MkdirTemp("", "demo-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(tmp) })
	ours, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r := &run{
		Cmd:    exec.Command(filepath.Join(bin, "demo"), append([]string{"--bin", bin}, args...)...),
		stdout: ours, lines: bufio.NewReader(ours), stderr: new(bytes.Buffer), tmp: tmp,
	}
	r.Env = append(os.Environ(), "TMPDIR="+tmp)
	r.Stdout, r.Stderr = theirs, r.stderr
	r.WaitDelay = 2 * patience // for who is left with demo's stderr
	r.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = r.Start()
	theirs.Close()
	if err != nil {
		t.Fatal(err)
	}
	// What should end by itself and does not must not outlive the test.
	t.Cleanup(func() { ours.Close(); unix.Kill(-r.Process.Pid, unix.SIGKILL); r.Wait() })
	return r
}

// until reads the output up to the step with this name, and returns its line.
func (r *run) until(t *testing.T, step string) string {
	t.Helper()
	for {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the tour never came to %q: %v", step, err)
		}
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == step {
			return line
		}
	}
}

// orphans waits for the processes of the group that outlive demo, which are ours
// since adopt, and returns how many there were. It fails when they do not end by
// themselves.
func (r *run) orphans(t *testing.T) (n int) {
	t.Helper()
	kill := time.AfterFunc(2*patience, func() { unix.Kill(-r.Process.Pid, unix.SIGKILL) })
	for {
		switch _, err := syscall.Wait4(-r.Process.Pid, nil, 0, nil); {
		case err == syscall.EINTR:
		case err != nil: // ECHILD: nobody is left
			if !kill.Stop() {
				t.Errorf("the %d processes went on", n)
			}
			return n
		default:
			n++
		}
	}
}

// adopt makes orphans of our descendants children of this process, so that none
// escapes being seen.
func adopt(t *testing.T) {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) })
}

// nothingLeft waits for demo to end with status 1, and looks for what it left: a
// process, even one that is on its way out, or a file.
func (r *run) nothingLeft(t *testing.T) {
	t.Helper()
	io.Copy(io.Discard, r.lines)
	r.Wait()
	if r.ProcessState.ExitCode() != 1 {
		t.Errorf("%v, saying %q", r.ProcessState, r.stderr)
	}
	if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("a process is left (%d, %v)", pid, err)
	}
	names, err := os.ReadDir(r.tmp)
	if err != nil || len(names) > 0 {
		t.Errorf("left: %v (%v)", names, err)
	}
}

func TestDemo(t *testing.T) {
	bin := build(t)
	adopt(t)
	for name, test := range map[string]func(*testing.T, string){
		"nothing is left":                 testNothingIsLeft,
		"nothing is left of a bench":      testBenchInterrupted,
		"no process outlives a kill":      testNoProcessOutlivesAKill,
		"a file that cannot be signed":    testFileThatCannotBeSigned,
		"the line of a boot has one time": testBootLine,
	} {
		t.Run(name, func(t *testing.T) { test(t, bin) })
	}
}

func testNothingIsLeft(t *testing.T, bin string) {
	signal := func(s syscall.Signal) func(*run) error {
		return func(r *run) error { return r.Process.Signal(s) } // to demo alone: the hardest case
	}
	for _, row := range []struct {
		name string
		step string // after which it happens
		end  func(*run) error
		says string
	}{
		{"SIGINT with no secure world", "provision", signal(syscall.SIGINT), "interrupt"},
		{"SIGINT", "boot", signal(syscall.SIGINT), "interrupt"},
		{"SIGINT with a second secure world", "kill", signal(syscall.SIGINT), "interrupt"},
		{"SIGINT to all, as from a terminal", "boot", func(r *run) error { return unix.Kill(-r.Process.Pid, unix.SIGINT) }, ""},
		{"SIGTERM", "store", signal(syscall.SIGTERM), "terminated"},
		{"SIGHUP", "boot", signal(syscall.SIGHUP), "hangup"},
		{"closed standard output", "boot", func(r *run) error { return r.stdout.Close() }, "broken pipe"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := start(t, bin, "../../README.md")
			r.until(t, row.step)
			if err := row.end(r); err != nil {
				t.Fatal(err)
			}
			r.nothingLeft(t)
			if !strings.Contains(r.stderr.String(), row.says) {
				t.Errorf("it says %q", r.stderr)
			}
		})
	}
}

// SIGKILL gives demo no chance to put anything in order; the kernel ends its
// children.
func testNoProcessOutlivesAKill(t *testing.T, bin string) {
	r := start(t, bin, "../../README.md")
	r.until(t, "boot")
	r.Process.Kill()
	r.Process.Wait() // not Cmd.Wait, which waits for the children to let go of stderr
	if r.orphans(t) == 0 {
		t.Error("there was no secure world to end: the test looks in the wrong place")
	}
}

func testBenchInterrupted(t *testing.T, bin string) {
	for _, which := range []string{"--bench", "--bench-storage"} {
		t.Run(which, func(t *testing.T) {
			r := start(t, bin, which, "--", "--duration", "10s")
			// Its first word on standard output comes when psa bench runs.
			if _, err := r.lines.ReadString('\n'); err != nil {
				t.Fatalf("%v\n%s", err, r.stderr)
			}
			r.Process.Signal(syscall.SIGINT)
			r.nothingLeft(t)
		})
	}
}

// What cannot be signed is found before anything is made: the programs are not
// even looked for.
func testFileThatCannotBeSigned(t *testing.T, bin string) {
	for name, file := range map[string]string{
		"missing":     filepath.Join(t.TempDir(), "nothing"),
		"a directory": t.TempDir(),
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, bin, "--bin", filepath.Join(bin, "nowhere"), file)
			out, _ := io.ReadAll(r.lines)
			r.nothingLeft(t)
			if len(out) > 0 || !strings.Contains(r.stderr.String(), file) {
				t.Errorf("%q, saying %q", out, r.stderr)
			}
		})
	}
}

// The one time is that of the step.
func testBootLine(t *testing.T, bin string) {
	r := start(t, bin, "../../README.md")
	line := r.until(t, "boot")
	if !regexp.MustCompile(`^ 2  boot +\d+ ms  secure world ready, process \d+\n$`).MatchString(line) {
		t.Errorf("%q", line)
	}
	r.Process.Signal(syscall.SIGINT)
	r.nothingLeft(t)
}
