package platform

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/counters"
	"github.com/postern-spe/postern/platform/power"
)

// inspect is Inspect, which must not change anything.
func inspect(t *testing.T, dir string) *Report {
	t.Helper()
	before := snapshot(t, dir)
	r, err := Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	if after := snapshot(t, dir); after != before {
		t.Errorf("changed:\n%s\nto\n%s", before, after)
	}
	return r
}

func memoryOf(t *testing.T, r *Report, name string) *MemoryReport {
	t.Helper()
	i := slices.IndexFunc(r.Memories, func(m MemoryReport) bool { return m.Name == name })
	if i < 0 {
		t.Fatalf("no memory %q", name)
	}
	return &r.Memories[i]
}

func areaOf(t *testing.T, r *Report, memory, name string) *AreaReport {
	t.Helper()
	m := memoryOf(t, r, memory)
	i := slices.IndexFunc(m.Areas, func(a AreaReport) bool { return a.Name == name })
	if i < 0 {
		t.Fatalf("no area %q in %s", name, memory)
	}
	return &m.Areas[i]
}

// TestInspectBoards: what is reported is what the board's table gives, on every
// board.
func TestInspectBoards(t *testing.T) {
	for _, name := range board.Names() {
		t.Run(name, func(t *testing.T) {
			p := provision(t, ProvisionOptions{Board: name})
			r := inspect(t, p.Dir)
			b, _ := board.Lookup(name)
			if r.Board != name || r.ID != p.DeviceID || r.Created.IsZero() || r.UsedBy != 0 || r.Lifecycle != "secured" || r.KeyHardware != b.KeyHardware {
				t.Errorf("%+v", r)
			}
			want := DebugReport{Policy: DebugLocked, APProtect: true, SecureAPProtect: true, Port: PortClosed}
			if r.Debug != want {
				t.Errorf("debug %+v, want %+v", r.Debug, want)
			}
			testReportedAreas(t, r, b)
			testReportedMemories(t, r, b)
			if len(r.Counters) != counters.Count || len(r.Slots.Used) == 0 {
				t.Errorf("%d counters, %d slots", len(r.Counters), len(r.Slots.Used))
			}
		})
	}
}

// TestInspectDebug: what the UICR and the firmware leave of the debug port.
func TestInspectDebug(t *testing.T) {
	for _, row := range []struct {
		board     string
		policy    DebugPolicy
		ap, sec   bool
		afterBoot DebugPort
	}{
		{"nrf5340", DebugOpen, false, false, PortOpen},
		{"nrf5340", DebugNonSecure, false, true, PortNonSecure},
		{"nrf5340", DebugUnlock, false, false, PortClosed},
		{"nrf9160", DebugOpen, false, false, PortOpen},
		{"nrf9160", DebugNonSecure, false, true, PortNonSecure},
		{"nrf54l15", DebugOpen, false, false, PortOpen},
		{"nrf54l15", DebugNonSecure, false, true, PortNonSecure},
		{"nrf54l15", DebugUnlock, false, false, PortClosed},
	} {
		t.Run(row.board+" "+string(row.policy), func(t *testing.T) {
			got := inspect(t, provision(t, ProvisionOptions{Board: row.board, Debug: row.policy}).Dir).Debug
			want := DebugReport{Policy: row.policy, APProtect: row.ap, SecureAPProtect: row.sec, Port: row.afterBoot}
			if got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

// TestInspectBlank: a device that has been wiped.
func TestInspectBlank(t *testing.T) {
	for _, name := range []string{"nrf5340", "nrf9160", "nrf54l15"} {
		t.Run(name, func(t *testing.T) {
			dir := provision(t, ProvisionOptions{Board: name}).Dir
			s := open(t, dir)
			if err := errors.Join(s.EraseAll(), s.Close()); err != nil {
				t.Fatal(err)
			}
			r := inspect(t, dir)
			if r.Lifecycle != LifecycleBlank || len(r.Slots.Used) > 0 || len(r.Counters) > 0 {
				t.Errorf("%+v", r)
			}
			for _, a := range memoryOf(t, r, MemoryFlash).Areas {
				// Nothing boots, so nothing is divided.
				if a.World != WorldSecure || a.Locked || a.Callable != nil || a.Cells.Used != 0 {
					t.Errorf("%+v, %+v", a, a.Cells)
				}
			}
		})
	}
}

// TestInspectErasing: a device that lost its power in the middle of an ERASEALL
// is looked at, and not erased.
func TestInspectErasing(t *testing.T) {
	for _, name := range []string{"nrf5340", "nrf54l15"} {
		dir := provision(t, ProvisionOptions{Board: name}).Dir
		for _, cut := range []uint64{1, 3, 200} {
			dir := clone(t, dir)
			s := open(t, dir)
			s.Power.CutAt(cut, 1)
			if err := s.EraseAll(); !errors.Is(err, power.ErrLost) {
				t.Fatal(err)
			}
			s.Close()
			r := inspect(t, dir)
			if r.Lifecycle != LifecycleErasing || r.UsedBy != 0 || len(r.Counters) > 0 {
				t.Errorf("%s, cut at %d: %+v", name, cut, r)
			}
		}
	}
}

// TestInspectDamaged: what Open refuses, Inspect refuses in the same words.
func TestInspectDamaged(t *testing.T) {
	sound := provision(t, ProvisionOptions{}).Dir
	for name, damage := range map[string]func(dir string) error{
		"flash short":   func(dir string) error { return os.Truncate(filepath.Join(dir, flashFile), 4096) },
		"no wear":       func(dir string) error { return os.Remove(filepath.Join(dir, flashWearFile)) },
		"no external":   func(dir string) error { return os.Remove(filepath.Join(dir, externalFile)) },
		"no non-secure": func(dir string) error { return os.Remove(filepath.Join(dir, flashNSFile)) },
		"lock a link": func(dir string) error {
			lock := filepath.Join(dir, lockFile)
			return errors.Join(os.Remove(lock), os.Symlink(IAKFile, lock))
		},
		"keys others can read": func(dir string) error { return os.Chmod(filepath.Join(dir, keysFile), 0o644) },
		"keys of another":      func(dir string) error { return os.WriteFile(filepath.Join(dir, keysFile), make([]byte, 2048), 0o600) },
		"UICR zero":            func(dir string) error { return os.WriteFile(filepath.Join(dir, uicrFile), make([]byte, 4096), 0o600) },
		"not a device":         func(dir string) error { return os.Remove(filepath.Join(dir, deviceFile)) },
		"counters damaged": func(dir string) error {
			f, err := os.OpenFile(filepath.Join(dir, flashFile), os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt(make([]byte, 64), 0xF6000)
			return errors.Join(err, f.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := clone(t, sound)
			if err := damage(dir); err != nil {
				t.Fatal(err)
			}
			before := snapshot(t, dir)
			_, err := Inspect(dir)
			if after := snapshot(t, dir); after != before {
				t.Errorf("changed:\n%s\nto\n%s", before, after)
			}
			if err == nil {
				t.Fatal("a report")
			}
			s, opened := Open(dir, OpenOptions{})
			if opened == nil {
				s.Close()
				t.Fatalf("Open takes it; Inspect: %v", err)
			}
			if err.Error() != opened.Error() {
				t.Errorf("%v; Open: %v", err, opened)
			}
		})
	}
	var de *DeviceError
	if _, err := Inspect(filepath.Join(t.TempDir(), "no")); !errors.As(err, &de) {
		t.Errorf("nothing there: %v", err)
	}
}

// TestReportHoldsNoSecret: neither the keys nor what is stored is in a report.
func TestReportHoldsNoSecret(t *testing.T) {
	dir := provision(t, ProvisionOptions{}).Dir
	s := open(t, dir)
	its, err := s.Area(board.ITS)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(its.Program(0, []byte("the stored thing")), s.Close()); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(inspect(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := os.ReadFile(filepath.Join(dir, keysFile))
	if err != nil {
		t.Fatal(err)
	}
	for off := 2 * 16; off < 8*16; off += 16 {
		if strings.Contains(string(text), fmt.Sprintf("%x", keys[off:off+4])) {
			t.Errorf("a part of slot %d", off/16)
		}
	}
	if strings.Contains(string(text), "stored thing") {
		t.Error("what ITS holds")
	}
}

func TestLockHolder(t *testing.T) {
	const list = `1: POSIX  ADVISORY  WRITE 11 fe:00:100 0 EOF
2: FLOCK  ADVISORY  WRITE 22 fe:00:200 0 EOF
2: -> FLOCK  ADVISORY  WRITE 33 fe:00:200 0 EOF
3: FLOCK  ADVISORY  READ  44 00:2a:300 0 EOF
4: OFDLCK ADVISORY  READ -1 fe:00:400 0 EOF
nonsense
`
	for _, row := range []struct {
		name  string
		inode uint64
		pid   int // in the file
		want  int
	}{
		{"held", 200, 22, 22},
		{"held, the file does not say by whom", 200, 0, 22},
		{"another kind of lock", 100, 11, 0},
		{"the same inode of another device", 300, 0, 0},
		{"a file system that shows another device", 300, 44, 44},
		{"left by a process that died", 500, 55, 0},
	} {
		if got := lockHolder(strings.NewReader(list), row.inode, 0xfe, 0, row.pid); got != row.want {
			t.Errorf("%s: %d, want %d", row.name, got, row.want)
		}
	}
}

func BenchmarkInspectVirt(b *testing.B) {
	dir := provision(b, ProvisionOptions{Board: "virt"}).Dir
	for b.Loop() {
		if _, err := Inspect(dir); err != nil {
			b.Fatal(err)
		}
	}
}
