package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/ps"
)

// disc is a file system of its own, whose host can lose its power.
type disc struct{ image, dir string }

func newDisc(t *testing.T) *disc {
	t.Helper()
	parent := t.TempDir()
	d := &disc{filepath.Join(parent, "ext4"), filepath.Join(parent, "mounted")}
	if err := errors.Join(os.Mkdir(d.dir, 0o700), os.WriteFile(d.image, nil, 0o600), os.Truncate(d.image, 64<<20)); err != nil {
		t.Fatal(err)
	}
	d.run(t, "mkfs.ext4", "-q", "-F", d.image)
	d.run(t, "mount", "-o", "loop", d.image, d.dir)
	t.Cleanup(func() { _ = exec.Command("umount", d.dir).Run() }) // where the test has failed before
	return d
}

func (d *disc) run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// cut takes the power away, for the disk: what the kernel has not written to it
// by now it never will.
func (d *disc) cut(t *testing.T) {
	t.Helper()
	f, err := os.Open(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const shutdown, noLogFlush = 0x8004587d, 2 // EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH
	if err := unix.IoctlSetPointerInt(int(f.Fd()), shutdown, noLogFlush); err != nil {
		t.Fatal(err)
	}
}

// repower is the host's next boot.
func (d *disc) repower(t *testing.T) {
	t.Helper()
	d.run(t, "umount", d.dir)
	d.run(t, "mount", "-o", "loop", d.image, d.dir)
}

// TestHostPower takes the power from the host under a client that writes, on a
// real file system, again and again: a durable device keeps what it has
// acknowledged. That one which is not loses something shows that power was lost.
func TestHostPower(t *testing.T) {
	if os.Getenv("POSTERN_POWER") != "1" || os.Geteuid() != 0 {
		t.Skip("needs root, who mounts a file system: make power")
	}
	const rounds = 25
	if lost := hostPower(t, rounds, "--durable"); lost > 0 {
		t.Errorf("a durable device has lost something in %d of %d rounds", lost, rounds)
	}
	if lost := hostPower(t, rounds); lost == 0 {
		t.Error("no device has lost anything: the test shows nothing")
	} else {
		t.Logf("without --durable: something is lost in %d of %d rounds", lost, rounds)
	}
}

func hostPower(t *testing.T, rounds int, flags ...string) (lost int) {
	d := newDisc(t)
	dir := filepath.Join(d.dir, "dev")
	d.run(t, "spe", "provision", dir)
	acknowledged := 0
	for round := range rounds {
		r := start(t, dir, flags...)
		r.says(t, r.ready())
		gate := r.gate(t)
		var err error
		if acknowledged > 0 {
			have, err := stored(gate)
			if have != acknowledged && have != acknowledged+1 || err != nil {
				lost++
				if len(flags) > 0 {
					t.Logf("round %d: %d was acknowledged, %d is there: %v", round, acknowledged, have, err)
				}
			}
			acknowledged = max(have, acknowledged)
		}
		cut := make(chan struct{})
		for i := 0; !closed(cut); i++ {
			if i == 5+7*round {
				go func() { d.cut(t); close(cut) }() // at no moment in particular
			}
			if err = store(gate, acknowledged+1); err != nil {
				break
			}
			acknowledged++
		}
		<-cut
		if err == nil && len(flags) > 0 {
			err = store(gate, acknowledged+1)
		}
		if len(flags) > 0 {
			// Nor is anything told of what is there no more, once that is known.
			_, reading := stored(gate)
			if !errors.Is(err, veneer.ErrStorageFailure) || !errors.Is(reading, veneer.ErrStorageFailure) {
				t.Fatalf("round %d: without power: set: %v, get: %v", round, err, reading)
			}
		}
		r.ended()
		d.repower(t)
	}
	return lost
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// store stores n in both storages, one after the other.
func store(gate veneer.Gate, n int) error {
	if err := its.New(gate).Set(1, fmt.Appendf(nil, "%d", n), 0); err != nil {
		return err
	}
	return ps.New(gate).Set(1, fmt.Appendf(nil, "%1000d", n), 0)
}

// stored returns what is stored: that of Protected Storage, which Internal Trusted
// Storage may be ahead of by one.
func stored(gate veneer.Gate) (n int, err error) {
	internal, err := its.New(gate).ReadAll(1)
	if err != nil {
		return 0, err
	}
	protected, err := ps.New(gate).ReadAll(1)
	if err != nil {
		return 0, err
	}
	var ahead int
	fmt.Sscan(string(internal), &ahead)
	fmt.Sscan(string(protected), &n)
	if ahead != n && ahead != n+1 {
		return n, fmt.Errorf("internal storage has %d, protected storage %d", ahead, n)
	}
	return n, nil
}
