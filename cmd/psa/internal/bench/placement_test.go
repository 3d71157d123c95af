package bench

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func allowed(t *testing.T, pid int) unix.CPUSet {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &set); err != nil {
		t.Fatal(err)
	}
	return set
}

func TestPlaceAndRestore(t *testing.T) {
	self := os.Getpid()
	before := allowed(t, self)
	cores := list(&before)
	if len(cores) != before.Count() {
		t.Fatalf("%d cores listed of %d", len(cores), before.Count())
	}
	for _, tt := range []struct {
		pin   Pin
		cores int // that the process may use while it is in place
	}{{PinNone, before.Count()}, {PinSame, 1}} {
		t.Run(string(tt.pin), func(t *testing.T) {
			_, restore, err := Place(tt.pin, self)
			if err != nil {
				t.Fatal(err)
			}
			if now := allowed(t, self); now.Count() != tt.cores || !now.IsSet(cores[0]) {
				t.Errorf("pinned to %d cores, want %d", now.Count(), tt.cores)
			}
			// One process is both ends here and is pinned twice, so the masks go
			// back in the reverse order or not at all.
			if err := restore(); err != nil {
				t.Fatal(err)
			}
			if now := allowed(t, self); now != before {
				t.Errorf("after restore: %v, want %v", list(&now), cores)
			}
		})
	}
}

func TestPlaceLeavesNothingPinnedWhenItFails(t *testing.T) {
	before := allowed(t, os.Getpid())
	const nobody = 1 << 30 // above any PID
	if _, restore, err := Place(PinSame, nobody); err == nil {
		restore()
		t.Fatal("a process that does not exist was pinned")
	}
	if now := allowed(t, os.Getpid()); now != before {
		t.Errorf("still pinned to %v", list(&now))
	}
}

func TestPeerPID(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	pid, err := PeerPID(path)
	if err != nil || pid != os.Getpid() {
		t.Errorf("PeerPID = %d, %v; want %d", pid, err, os.Getpid())
	}
	if _, err := PeerPID(path + "x"); !os.IsNotExist(err) {
		t.Errorf("no socket: %v", err)
	}
}
