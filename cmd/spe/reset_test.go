package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-spe/postern/ipc"
	"github.com/postern-spe/postern/ipc/buslink"
	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/secretmem"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/psa"
)

// The CTRL-AP of the nRF5340 and its registers, as a debugger sees them.
const (
	ctrlAP       = 2
	regReset     = 0x000
	regEraseAll  = 0x004
	regEraseStat = 0x008
)

// running is a secure world in a process of its own whose words are read as they
// come: there are more of them when it is reset.
type running struct {
	*exec.Cmd
	dir string
	out *bufio.Reader
	log bytes.Buffer
}

func start(t *testing.T, dir string, flags ...string) *running {
	t.Helper()
	r := &running{Cmd: exec.Command("spe", append([]string{"run", dir}, flags...)...), dir: dir}
	r.Stderr = &r.log
	out, err := r.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Process.Kill(); r.Wait() })
	r.out = bufio.NewReader(out)
	return r
}

// says waits for the next word, and checks it.
func (r *running) says(t *testing.T, want string) {
	t.Helper()
	line, err := r.out.ReadString('\n')
	if err != nil || line != want+"\n" {
		t.Fatalf("said %q, %v; want %q; log: %s", line, err, want, r.ended())
	}
}

// ended kills it, and returns its log, which is whole only then.
func (r *running) ended() string {
	r.Process.Kill()
	r.Wait()
	return r.log.String()
}

func (r *running) ready() string { return "ready POSTERN_SOCKET=" + r.dir + "/run/ns.sock" }

func (r *running) gate(t *testing.T) *ipc.Client {
	t.Helper()
	c, err := ipc.Dial(filepath.Join(r.dir, "run", "ns.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Disconnect() })
	return c
}

func (r *running) debugger(t *testing.T) *buslink.Client {
	t.Helper()
	c, err := buslink.Dial(filepath.Join(r.dir, "run", "debug.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// A debugger's reset begins the program anew in the same process: what was
// stored is there, what was volatile is not.
func TestResetByTheDebugger(t *testing.T) {
	r := start(t, device(t))
	r.says(t, r.ready())
	for range 20 { // more often than Landlock stacks its layers
		gate := r.gate(t)
		if err := its.New(gate).Set(1, []byte("kept"), 0); err != nil {
			t.Fatal(err)
		}
		key := psa.KeyAttributes{Type: psa.KeyAES, Bits: 128, Usage: psa.UsageEncrypt, Algorithm: psa.GCM}
		id, err := crypto.New(gate).Generate(key)
		if err != nil {
			t.Fatal(err)
		}
		if o, err := r.debugger(t).Store(ctrlAP, regReset, 4, 1); err != nil || o != buslink.OK {
			t.Fatalf("%v, %v", o, err)
		}
		r.says(t, r.ready())
		gate = r.gate(t)
		if got, err := its.New(gate).ReadAll(1); err != nil || string(got) != "kept" {
			t.Fatalf("%q, %v", got, err)
		}
		if _, err := crypto.New(gate).Attributes(id); !errors.Is(err, veneer.ErrInvalidHandle) {
			t.Fatalf("a volatile key after the reset: %v", err)
		}
	}
}

// A watchdog that the non-secure world starts, and does not feed, resets the chip.
func TestResetByTheWatchdog(t *testing.T) {
	r := start(t, device(t))
	r.says(t, r.ready())
	bus, err := buslink.Dial(filepath.Join(r.dir, "run", "bus.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	const wdt0, start, crv = 0x40018000, 0x000, 0x504
	for _, w := range []struct{ off, v uint32 }{{crv, 3276}, {start, 1}} { // 0.1 s
		if o, err := bus.Store(buslink.MemoryAP, wdt0+w.off, 4, w.v); err != nil || o != buslink.OK {
			t.Fatalf("0x%x: %v, %v", w.off, o, err)
		}
	}
	r.says(t, r.ready())
	if log := r.ended(); !strings.Contains(log, "watchdog") {
		t.Errorf("log: %s", log)
	}
}

// Cut at a point, the process ends with a status of its own, and the next boot
// finds what was acknowledged.
func TestPowerFail(t *testing.T) {
	dir := device(t)
	for n := 1; n <= 40; n += 3 {
		r := start(t, dir, "--power-fail", fmt.Sprintf("%d:%d", n, n))
		r.says(t, r.ready())
		storage := its.New(r.gate(t))
		acknowledged := 0
		for i := 1; ; i++ {
			if err := storage.Set(1, []byte(fmt.Sprint(1000*n+i)), 0); err != nil {
				break
			}
			acknowledged = i
		}
		r.Wait()
		if code := r.ProcessState.ExitCode(); code != exitPowerLost || !strings.Contains(r.log.String(), "the power has failed") {
			t.Fatalf("cut at %d: status %d; log: %s", n, code, &r.log)
		}
		r = start(t, dir)
		r.says(t, r.ready())
		got, err := its.New(r.gate(t)).ReadAll(1)
		if err != nil && (acknowledged > 0 || !errors.Is(err, veneer.ErrDoesNotExist)) {
			t.Fatalf("cut at %d: %v", n, err)
		}
		var have int
		fmt.Sscan(string(got), &have)
		if have -= 1000 * n; acknowledged > 0 && have != acknowledged && have != acknowledged+1 {
			t.Fatalf("cut at %d: %d was acknowledged, %d is there", n, acknowledged, have)
		}
		r.Process.Kill()
		r.Wait()
	}
}

// ERASEALL leaves no byte of a key, neither in the device's files nor in the
// process, and the device can be provisioned again.
func TestEraseAllLeavesNoKeys(t *testing.T) {
	for _, board := range []string{"nrf5340", "nrf9160", "nrf54l15"} {
		t.Run(board, func(t *testing.T) { eraseAll(t, board) })
	}
}

func eraseAll(t *testing.T, board string) {
	dir := filepath.Join(t.TempDir(), "dev")
	opts := platform.ProvisionOptions{Board: board}
	secrets := map[string][]byte{}
	if board != "nrf54l15" {
		scalar := make([]byte, 32)
		rand.Read(scalar)
		scalar[0] = 1 // smaller than the curve's order
		secrets["identity key"] = bytes.Clone(scalar)
		opts.IAK = scalar
	}
	if _, err := platform.Provision(dir, opts); err != nil {
		t.Fatal(err)
	}
	for name, value := range slotValues(t, dir) {
		secrets[name] = value
	}
	r := start(t, dir)
	r.says(t, r.ready())
	// A client's keys, one that stays in flash and one in memory, both in use.
	keys := crypto.New(r.gate(t))
	for i, lifetime := range []psa.Lifetime{psa.LifetimeVolatile, psa.LifetimePersistent} {
		value := make([]byte, 32)
		rand.Read(value)
		a := psa.KeyAttributes{Type: psa.KeyAES, Bits: 256, Lifetime: lifetime, Usage: psa.UsageEncrypt, Algorithm: psa.GCM}
		if lifetime == psa.LifetimePersistent {
			a.ID = 7
		}
		id, err := keys.Import(a, value)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Seal(nil, id, psa.GCM, make([]byte, 12), []byte("text"), nil); err != nil {
			t.Fatal(err)
		}
		secrets[fmt.Sprintf("client key %d", i)] = value
	}
	if files := searchFiles(t, dir, secrets); len(files) == 0 {
		t.Error("found no key in the device's files, where they are: the search is broken")
	}
	memory := os.Geteuid() == 0
	if !memory {
		t.Log("the search of the process's memory needs root, from whom alone it is not hidden: left out")
	} else {
		found := searchMemory(t, r.Process.Pid, secrets)
		if len(found) == 0 {
			t.Error("found no key in the process, where clients' keys are: the search is broken")
		}
		for _, f := range found {
			if rootKey(f, board) && secretMemory(t) {
				t.Errorf("outside of secret memory: %s", f)
			}
		}
	}

	ap, erase, status := uint8(ctrlAP), uint32(regEraseAll), uint32(regEraseStat)
	if board == "nrf9160" {
		ap = 4
	}
	if o, err := r.debugger(t).Store(ap, erase, 4, 1); err != nil || o != buslink.OK {
		t.Fatalf("%v, %v", o, err)
	}
	r.says(t, "blank "+dir)
	// A probe resets the chip then, which changes nothing.
	if o, err := r.debugger(t).Store(ap, regReset, 4, 1); err != nil || o != buslink.OK {
		t.Fatalf("%v, %v", o, err)
	}
	r.says(t, "blank "+dir)
	if v, o, err := r.debugger(t).Load(ap, status, 4); err != nil || o != buslink.OK {
		t.Errorf("ERASEALLSTATUS: 0x%x, %v, %v", v, o, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "run", "ns.sock")); err == nil {
		t.Error("a blank device has a veneer")
	}
	for _, found := range searchFiles(t, dir, secrets) {
		t.Errorf("after ERASEALL: %s", found)
	}
	if memory {
		for _, found := range searchMemory(t, r.Process.Pid, secrets) {
			t.Errorf("after ERASEALL: %s", found)
		}
	}
	// The port is open now, and what it shows is erased.
	if v, o, err := r.debugger(t).Load(buslink.MemoryAP, 0x10000, 4); err != nil || o != buslink.OK || v != 0xFFFFFFFF {
		t.Errorf("flash after ERASEALL: 0x%x, %v, %v", v, o, err)
	}
	r.Process.Kill()
	r.Wait()
	if out, err := exec.Command("spe", "provision", dir, "--board", board).CombinedOutput(); err != nil {
		t.Fatalf("provisioned again: %v\n%s", err, out)
	}
	r = start(t, dir)
	r.says(t, r.ready())
}

// rootKey tells a finding of a root key from others: the slots of MKEK and MEXT,
// and on the nRF54L15 every value in the KMU.
func rootKey(finding, board string) bool {
	var off int
	if n, _ := fmt.Sscanf(finding, "keys.bin at 0x%x", &off); n != 1 {
		return false
	}
	return board == "nrf54l15" || off >= 0x20 && off < 0x60
}

// secretMemory reports whether this kernel gives any.
func secretMemory(t *testing.T) bool {
	t.Helper()
	r, err := secretmem.Alloc(1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Destroy()
	return r.Kind() == secretmem.Secret
}

// slotValues returns what the device's key slots hold, 16 bytes each.
func slotValues(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "keys.bin"))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string][]byte{}
	for off := 0; off+16 <= len(b); off += 16 {
		v := b[off : off+16]
		different := map[byte]bool{}
		for _, c := range v {
			different[c] = true
		}
		if len(different) > 8 { // random, so neither erased nor metadata
			values[fmt.Sprintf("keys.bin at 0x%x", off)] = v
		}
	}
	if len(values) < 3 {
		t.Fatalf("%d values in keys.bin", len(values))
	}
	return values
}

func searchFiles(t *testing.T, dir string, secrets map[string][]byte) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		for name, value := range secrets {
			if bytes.Contains(b, value) {
				found = append(found, fmt.Sprintf("%s is in %s", name, filepath.Base(path)))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// searchMemory looks through everything that a process has mapped.
func searchMemory(t *testing.T, pid int, secrets map[string][]byte) (found []string) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	searched := 0
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		var perm string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &perm); err != nil || perm[0] != 'r' {
			continue
		}
		const step, overlap = 1 << 20, 64
		buf := make([]byte, step+overlap)
		for at := from; at < to; at += step {
			n, err := mem.ReadAt(buf[:min(uint64(len(buf)), to-at)], int64(at))
			if err != nil {
				continue // secret memory, or gone meanwhile
			}
			searched += n
			for name, value := range secrets {
				if bytes.Contains(buf[:n], value) {
					found = append(found, fmt.Sprintf("%s is in memory: %s", name, strings.TrimSpace(line)))
				}
			}
		}
	}
	if searched < 1<<20 {
		t.Fatalf("searched %d bytes of memory", searched)
	}
	return found
}
