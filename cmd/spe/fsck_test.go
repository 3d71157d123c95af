package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/power"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/ps"
)

// What nothing that looks at a device may say: what is stored, under which uid,
// and by whom (ns.sock's client ID).
const (
	storedMarker = "nobody shall read this"
	storedUID    = 0xDECAFBADC0FFEE11
	storedOwner  = -0x3c000000
)

// stop ends a secure world in an orderly way.
func (r *running) stop(t *testing.T) {
	t.Helper()
	if err := errors.Join(r.Process.Signal(syscall.SIGTERM), r.Wait()); err != nil {
		t.Fatalf("%v; log: %s", err, &r.log)
	}
}

// looked runs spe on a device that is not in use and returns what it printed and
// its status. It changes nothing, and gives nothing away.
func looked(t *testing.T, args ...string) (stdout string, status int) {
	t.Helper()
	dir := args[1]
	before := contents(t, dir)
	cmd := exec.Command("spe", args...)
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != 1 {
		t.Fatalf("%v: %v: %s", args, err, &words)
	}
	if after := contents(t, dir); after != before {
		t.Errorf("%v: before:\n%s\nafter:\n%s", args, before, after)
	}
	givesNothingAway(t, out.String()+words.String())
	return out.String(), cmd.ProcessState.ExitCode()
}

func givesNothingAway(t *testing.T, said string) {
	t.Helper()
	uid, owner := uint64(storedUID), int32(storedOwner)
	for _, secret := range []string{
		storedMarker, fmt.Sprintf("%x", storedMarker),
		fmt.Sprint(uid), fmt.Sprintf("%x", uid), fmt.Sprint(owner), fmt.Sprintf("%x", uint32(owner)),
	} {
		if strings.Contains(strings.ToLower(said), secret) {
			t.Errorf("it says %q:\n%s", secret, said)
		}
	}
}

// fsck is spe fsck --json.
func fsck(t *testing.T, dir string) (r storageReport, status int) {
	t.Helper()
	out, status := looked(t, "fsck", dir, "--json")
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return r, status
}

func (r *storageReport) area(t *testing.T, name string) *storageArea {
	t.Helper()
	i := slices.IndexFunc(r.Areas, func(a storageArea) bool { return a.Name == name })
	if i < 0 {
		t.Fatalf("no area %s in %+v", name, r)
	}
	return &r.Areas[i]
}

// TestFsckAfterPowerFail cuts the power of real worlds amid writes: what that
// leaves is no damage, the next boot repairs it, and then nothing is left to do.
func TestFsckAfterPowerFail(t *testing.T) {
	for _, board := range []string{"nrf5340", "nrf9160", "nrf54l15"} {
		t.Run(board, func(t *testing.T) {
			t.Parallel()
			dir := provisioned(t, "--board", board)
			interrupted, torn := 0, 0
			for n := 1; n <= 4 || n <= 20 && (interrupted == 0 || torn == 0); n++ {
				r := start(t, dir, "--power-fail", fmt.Sprintf("%d:%d", 3000+137*n, n))
				r.says(t, r.ready())
				err := storeUntilTheEnd(its.New(r.gate(t)), ps.New(r.gate(t)), n)
				if !errors.Is(err, veneer.ErrCommunicationFailure) && !errors.Is(err, veneer.ErrStorageFailure) {
					t.Fatalf("cut %d: %v; log: %s", n, err, r.ended())
				}
				r.Wait()
				if code := r.ProcessState.ExitCode(); code != exitPowerLost {
					t.Fatalf("cut %d: status %d; log: %s", n, code, &r.log)
				}
				got, status := fsck(t, dir)
				if status != 0 || got.Damaged {
					t.Fatalf("cut %d: status %d, %+v", n, status, got)
				}
				repairs := 0
				for _, a := range got.Areas {
					repairs += len(a.Repairs)
					if (len(a.Repairs) > 0) != (a.State == areaInterrupted) {
						t.Errorf("cut %d: %+v", n, a)
					}
					if a.Store != nil {
						torn += a.Store.Torn
					}
				}
				if repairs > 0 {
					interrupted++
					text, _ := looked(t, "fsck", dir)
					if !strings.Contains(text, "REPAIRS") || !strings.Contains(text, "interrupted") || strings.Contains(text, "DAMAGE") {
						t.Errorf("cut %d: %s", n, text)
					}
					fitsScreen(t, text)
				}
				r = start(t, dir)
				r.says(t, r.ready())
				r.stop(t)
				got, status = fsck(t, dir)
				for _, a := range got.Areas {
					if status != 0 || len(a.Repairs) > 0 || a.State != areaSound && a.State != areaBlank {
						t.Errorf("cut %d, after a boot: status %d, %+v, %+v", n, status, a, a.Store)
					}
				}
			}
			t.Logf("%d devices to repair, %d torn records", interrupted, torn)
			if interrupted == 0 || torn == 0 {
				t.Errorf("%d devices to repair, %d torn records: the cuts came at the wrong points", interrupted, torn)
			}
		})
	}
}

// storeUntilTheEnd sets assets until the world is gone. The first time the area is
// filled with some that stay, so that most of what is written afterwards is their
// copies, when the pages that they are in are collected.
func storeUntilTheEnd(internal *its.Client, protected *ps.Client, round int) error {
	for uid := its.UID(1); round == 1; uid++ {
		err := internal.Set(uid, make([]byte, 3000), 0)
		if errors.Is(err, veneer.ErrInsufficientStorage) {
			break
		}
		if err != nil {
			return err
		}
	}
	set := internal.Set
	if round%2 == 0 { // where there is room: a cut tears a record
		set = protected.Set
	}
	for i := 0; ; i++ {
		if err := set(storedUID, fmt.Appendf(nil, "%s %d %d", storedMarker, round, i), 0); err != nil {
			return err
		}
	}
}

// flip flips a bit of a device's flash.
func flip(t *testing.T, dir string, off int64) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, "flash.bin"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], off); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b[:], off); err != nil {
		t.Fatal(err)
	}
}

// TestFsckFlippedBit flips a bit of what a client has stored: fsck says where, and
// what that means; and that is so.
func TestFsckFlippedBit(t *testing.T) {
	dir := provisioned(t)
	r := start(t, dir)
	r.says(t, r.ready())
	storage := its.New(r.gate(t))
	for uid, data := range map[its.UID]string{1: "another", storedUID: storedMarker} {
		if err := storage.Set(uid, []byte(data), 0); err != nil {
			t.Fatal(err)
		}
	}
	r.stop(t)
	image, err := os.ReadFile(filepath.Join(dir, "flash.bin"))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(image, []byte(storedMarker))
	if at < 0 {
		t.Fatal("what was stored is not in the flash: the search is broken")
	}
	flip(t, dir, int64(at+3))

	got, status := fsck(t, dir)
	a := got.area(t, board.ITS)
	record := at - 28 - int(a.Base) // the header is before the contents
	if status != 1 || !got.Damaged || a.State != areaDamaged || a.Store.Corrupt != 1 || a.Store.Assets != 2 ||
		len(a.Damage) != 1 || *a.Damage[0].Offset != record || !strings.Contains(a.Damage[0].Meaning, "DATA_CORRUPT") {
		t.Errorf("status %d, %+v, %+v", status, a, a.Store)
	}
	for _, name := range []string{board.PS, board.NVCounters} {
		if a := got.area(t, name); len(a.Damage) > 0 {
			t.Errorf("%+v", a)
		}
	}
	text, status := looked(t, "fsck", dir)
	if want := fmt.Sprintf("  its  0x%08x  contents do not match their CRC\n", record); status != 1 || !strings.Contains(text, want) ||
		!strings.Contains(text, "damaged in 1 place; 1 asset DATA_CORRUPT\n") {
		t.Errorf("status %d:\n%s", status, text)
	}
	text, status = looked(t, "inspect", dir, "--storage")
	if status != 0 || !strings.Contains(text, "damaged in 1 place, see spe fsck") {
		t.Errorf("status %d:\n%s", status, text)
	}

	r = start(t, dir)
	r.says(t, r.ready())
	storage = its.New(r.gate(t))
	if _, err := storage.ReadAll(storedUID); !errors.Is(err, veneer.ErrDataCorrupt) {
		t.Errorf("the damaged asset: %v", err)
	}
	if got, err := storage.ReadAll(1); err != nil || string(got) != "another" {
		t.Errorf("the other: %q, %v", got, err)
	}
	if err := storage.Set(storedUID, []byte(storedMarker), 0); err != nil {
		t.Error(err)
	}
	r.stop(t)
	got, _ = fsck(t, dir)
	if a := got.area(t, board.ITS); a.Store.Corrupt != 0 || len(a.Damage) != 1 || !strings.Contains(a.Damage[0].Meaning, "no harm") {
		t.Errorf("set anew: %+v, %+v", a, a.Store)
	}
}

// TestFsckForeign puts something else into each of the areas: it is named, and the
// device does not boot, as fsck says.
func TestFsckForeign(t *testing.T) {
	dir := provisioned(t)
	b, _ := board.Lookup(board.Default)
	for _, name := range []string{board.ITS, board.PS, board.NVCounters} {
		t.Run(name, func(t *testing.T) {
			area, _ := b.Area(name)
			f, err := os.OpenFile(filepath.Join(dir, "flash.bin"), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			was, noise := make([]byte, area.Size), make([]byte, area.Size)
			rand.Read(noise)
			if _, err := f.ReadAt(was, int64(area.Base)); err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt(noise, int64(area.Base)); err != nil {
				t.Fatal(err)
			}
			got, status := fsck(t, dir)
			for i := range got.Areas {
				a := &got.Areas[i]
				if foreign := a.Name == name; foreign != (a.State == areaUnreadable) || foreign != (len(a.Damage) == 1) {
					t.Errorf("%+v", a)
				}
			}
			text, status2 := looked(t, "fsck", dir)
			if status != 1 || status2 != 1 || !strings.Contains(text, "unreadable") || !strings.Contains(text, notBooting) {
				t.Errorf("status %d:\n%s", status, text)
			}
			fitsScreen(t, text)
			run := exec.Command("spe", "run", dir)
			if out, _ := run.CombinedOutput(); run.ProcessState.ExitCode() != 1 {
				t.Errorf("it boots: %s", out)
			}
			if _, err := f.WriteAt(was, int64(area.Base)); err != nil {
				t.Fatal(err)
			}
		})
	}
	if got, status := fsck(t, dir); status != 0 || got.Damaged {
		t.Errorf("as it was: status %d, %+v", status, got)
	}
}

// TestFsckWiped: an ERASEALL leaves a blank device, and one that a power cut
// interrupted is for the next boot, whatever it has left in the areas.
func TestFsckWiped(t *testing.T) {
	for _, name := range []string{"nrf5340", "nrf54l15"} {
		made := provisioned(t, "--board", name)
		for _, cut := range []uint64{0, 1, 30} {
			dir := cloned(t, made)
			s, err := platform.Open(dir, platform.OpenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if cut > 0 {
				s.Power.CutAt(cut, 1)
			}
			if err := s.EraseAll(); (cut > 0) != errors.Is(err, power.ErrLost) {
				t.Fatal(err)
			}
			s.Close()
			got, status := fsck(t, dir)
			if status != 0 || got.Damaged {
				t.Errorf("%s, cut %d: status %d, %+v", name, cut, status, got)
			}
			if cut > 0 && (got.Lifecycle != platform.LifecycleErasing || len(got.Areas) > 0) {
				t.Errorf("%s, cut %d: %+v", name, cut, got)
			}
			for _, a := range got.Areas {
				if a.State != areaBlank {
					t.Errorf("%s, wiped: %+v", name, a)
				}
			}
			text, _ := looked(t, "inspect", dir, "--storage")
			fitsScreen(t, text)
		}
	}
}

// cloned copies a device, as anybody may.
func cloned(t *testing.T, from string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dev")
	if out, err := exec.Command("cp", "-a", from, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}
