package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/postern-spe/postern/ipc/buslink"
	"github.com/postern-spe/postern/platform/board"
)

// The test binary is also the command, a process that is locked down, and a client
// that keeps a journal.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"spe":      main,
		"confined": confined,
		"keeper":   keep,
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: map[string]func(*testscript.TestScript, bool, []string){"cut": cutFile}})
}

// cutFile is the scripts' cut FILE SIZE.
func cutFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("cut FILE SIZE")
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

// device provisions a device in a test's directory.
func device(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dev")
	if out, err := exec.Command("spe", "provision", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// boot runs a device as a process of its own, and waits until it is ready.
func boot(t *testing.T, dir string, flags ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.Command("spe", append([]string{"run", dir}, flags...)...)
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if want := "ready POSTERN_SOCKET=" + dir + "/run/ns.sock\n"; err != nil || line != want {
		cmd.Process.Kill()
		cmd.Wait() // the log is whole only then
		t.Fatalf("said %q, %v; log: %s", line, err, &log)
	}
	return cmd, &log
}

func TestOneSecureWorldPerDevice(t *testing.T) {
	dir := device(t)
	first, _ := boot(t, dir)
	second := exec.Command("spe", "run", dir)
	out, _ := second.CombinedOutput()
	want := fmt.Sprintf("spe: error: %s is in use by pid %d\n", dir, first.Process.Pid)
	if string(out) != want || second.ProcessState.ExitCode() != 1 {
		t.Errorf("said %q, status %d", out, second.ProcessState.ExitCode())
	}
}

func TestSIGTERMEndsItCleanly(t *testing.T) {
	dir := device(t)
	cmd, log := boot(t, dir, "--log", "info")
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v; log: %s", err, log)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "run")); len(left) > 0 {
		t.Errorf("sockets left: %v", left)
	}
	var entry struct{ Level, Msg string }
	if err := json.Unmarshal(log.Bytes(), &entry); err != nil || entry.Msg != "ready" {
		t.Errorf("log %q: %v", log, err)
	}
}

// No process of the same user can attach to the secure world or read its memory.
func TestMemoryIsOutOfReach(t *testing.T) {
	if os.Geteuid() == 0 {
		// Root passes every check of the kernel, so the test gives it up.
		if err := dropToNobody(t); err != nil {
			t.Skipf("needs an ordinary user, or root that can become one: %v", err)
		}
		return
	}
	memoryIsOutOfReach(t)
}

func memoryIsOutOfReach(t *testing.T) {
	cmd, _ := boot(t, device(t))
	pid := cmd.Process.Pid
	if f, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid)); err == nil {
		f.Close()
		t.Error("its memory can be read")
	}
	if err := syscall.PtraceAttach(pid); err == nil {
		t.Error("a debugger can attach")
	}
	memoryIsOutOfReachFromTheStart(t)
}

// From the first instruction on, after a reset as well, nobody can open a memory
// and keep it: what can be opened is the memory of a program that is gone.
func memoryIsOutOfReachFromTheStart(t *testing.T) {
	dir := device(t)
	r := start(t, dir)
	opened := 0
	for range 5 {
		ready := make(chan struct{})
		go func() { defer close(ready); r.says(t, r.ready()) }()
		early := grabMemory(r.Process.Pid, ready)
		for _, f := range early {
			var b [1]byte
			if n, err := f.ReadAt(b[:], 0x400000); n > 0 || err != io.EOF {
				t.Fatalf("a memory that was opened early is alive: %d, %v", n, err)
			}
			f.Close()
		}
		opened += len(early)
		if o, err := r.debugger(t).Store(ctrlAP, regReset, 4, 1); err != nil || o != buslink.OK {
			t.Fatalf("%v, %v", o, err)
		}
	}
	r.says(t, r.ready())
	t.Logf("%d memories of programs that are gone", opened)
}

// grabMemory opens a process's memory as often as it can, and keeps the last.
func grabMemory(pid int, until <-chan struct{}) (got []*os.File) {
	for path := fmt.Sprintf("/proc/%d/mem", pid); ; {
		select {
		case <-until:
			return got
		default:
		}
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if len(got) == 100 {
			got[0].Close()
			got = got[1:]
		}
		got = append(got, f)
	}
}

// dropToNobody runs this test again as the user nobody.
func dropToNobody(t *testing.T) error {
	const nobody = 65534
	dir, err := os.MkdirTemp("", "postern-nobody-")
	if err != nil {
		return err
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chown(dir, nobody, nobody); err != nil {
		return err
	}
	self := filepath.Join(dir, "spe.test")
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	if err := os.WriteFile(self, b, 0o755); err != nil {
		return err
	}
	cmd := exec.Command(self, "-test.run=^TestMemoryIsOutOfReach$", "-test.v")
	cmd.Dir = dir
	cmd.Env = []string{"TMPDIR=" + dir, "PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestMemoryIsOutOfReach")) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
	return nil
}

// confined tries, after lockdown to the directory of its first argument, what
// its second says, and prints how it went.
func confined() {
	if err := harden(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	program, err := program()
	if err == nil {
		err = confine(os.Args[1], program)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	_, outside := os.ReadFile("/etc/passwd")
	inside := os.WriteFile(filepath.Join(os.Args[1], "f"), nil, 0o600)
	fmt.Println(outside != nil, inside == nil)
}

func TestConfinedToTheDevice(t *testing.T) {
	abi, _, _ := syscall.Syscall(444, 0, 0, 1) // landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION)
	if int(abi) < 1 {
		t.Skip("this kernel has no Landlock")
	}
	out, err := exec.Command("confined", t.TempDir()).Output()
	if got := strings.TrimSpace(string(out)); err != nil || got != "true true" {
		t.Errorf("outside refused, inside allowed: %s (%v)", got, err)
	}
}

// A device that is not sound is left as it is.
func TestDamagedDevices(t *testing.T) {
	for _, row := range []struct {
		name   string
		damage func(dir string) error
		says   string
	}{
		{"nothing but a directory", func(dir string) error {
			return fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					err = os.Remove(filepath.Join(dir, p))
				}
				return err
			})
		}, "device.json"},
		{"flash too short", func(dir string) error { return os.Truncate(filepath.Join(dir, "flash.bin"), 4096) }, "flash.bin"},
		{"no UICR", func(dir string) error { return os.Remove(filepath.Join(dir, "uicr.bin")) }, "uicr.bin"},
		{"description is not JSON", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "device.json"), []byte("{"), 0o600)
		}, "device.json"},
		{"flash that others can read", func(dir string) error { return os.Chmod(filepath.Join(dir, "flash.bin"), 0o644) }, "flash.bin"},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := device(t)
			if err := row.damage(dir); err != nil {
				t.Fatal(err)
			}
			before := contents(t, dir)
			cmd := exec.Command("spe", "run", dir)
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), row.says) || strings.Count(string(out), "\n") != 1 {
				t.Errorf("%v: %s", err, out)
			}
			if after := contents(t, dir); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}

// A device whose storage holds what no store has left there does not boot: it
// says which area and where, in one line, and the flash stays as it is.
func TestDamagedStorage(t *testing.T) {
	dir := device(t)
	path := filepath.Join(dir, "flash.bin")
	flash, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := board.Lookup("nrf5340")
	area, _ := b.Area(board.ITS)
	copy(flash[area.Base+0x20:], "this is no header of a page")
	copy(flash[area.Base+0x1000:], "nor is this")
	if err := os.WriteFile(path, flash, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("spe", "run", dir)
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 || strings.Count(string(out), "\n") != 1 ||
		!strings.Contains(string(out), "internal storage area, offset 0x1000") || !strings.HasSuffix(string(out), "`spe fsck "+dir+"` says more\n") {
		t.Errorf("status %d: %s", cmd.ProcessState.ExitCode(), out)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, flash) {
		t.Errorf("the flash has changed, or %v", err)
	}
}

// contents describes every file below dir.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(&b, path, fi.Mode(), fi.ModTime())
		if d.Type().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%x\n", sha256.Sum256(data))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
