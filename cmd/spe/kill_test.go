package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/postern-spe/postern/ipc"
	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spetest/oracle"
	"github.com/postern-spe/postern/veneer"
)

// keepers is how many client processes there are at a time.
const keepers = 3

// killLoop is a device whose secure world is killed again and again, and what its
// clients have been told that it keeps.
type killLoop struct {
	dir   string
	rng   *rand.Rand
	held  map[oracle.Place]oracle.Held
	doubt map[oracle.Place]oracle.Op // not acknowledged, when it was last killed

	kills, killsInBoot, powerCuts, acknowledged, interrupted int
}

// TestSIGKILLLosesNothing kills the secure process at no moment in particular,
// while several client processes use it, and now and then while it boots, or lets
// the power fail; and starts it again. What their journals have as acknowledged is
// there, in both storages and of the keys; what was under way is as before or as
// asked for. POSTERN_KILLS is how often (make kill-loop).
func TestSIGKILLLosesNothing(t *testing.T) {
	kills := 8
	if s := os.Getenv("POSTERN_KILLS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		kills = n
	}
	l := &killLoop{
		dir: device(t), rng: rand.New(rand.NewPCG(uint64(kills), 1)),
		held: make(map[oracle.Place]oracle.Held), doubt: make(map[oracle.Place]oracle.Op),
	}
	for l.kills < kills {
		l.round(t)
	}
	world := start(t, l.dir)
	world.says(t, world.ready())
	l.check(t)
	t.Logf("%d kills under load and %d in boots, %d power cuts: %d operations acknowledged, none lost; of %d under way, none torn",
		l.kills, l.killsInBoot, l.powerCuts, l.acknowledged, l.interrupted)
}

// round is one life of the secure process.
func (l *killLoop) round(t *testing.T) {
	if l.rng.IntN(4) == 0 {
		l.killInBoot(t)
	}
	var flags []string
	cut := l.rng.IntN(4) == 0
	if cut {
		// Looking at it comes before: Protected Storage writes before it answers
		// its first call, and the power may fail there.
		world := start(t, l.dir)
		world.says(t, world.ready())
		l.check(t)
		world.ended()
		flags = []string{"--power-fail", fmt.Sprintf("%d:%d", 1+l.rng.IntN(10_000), l.rng.Uint32())}
	}
	world := start(t, l.dir, flags...)
	line, _ := world.out.ReadString('\n')
	if line != world.ready()+"\n" {
		if !cut || !l.died(t, world) {
			t.Fatalf("said %q; log: %s", line, world.ended())
		}
		return // the power has failed in the boot
	}
	if !cut {
		l.check(t)
	}

	// Killed after some number of answers, while the keepers go on.
	after, answers := int64(1+l.rng.IntN(400)), atomic.Int64{}
	enough := make(chan struct{})
	var all [keepers]*keeper
	for i := range all {
		all[i] = startKeeper(t, filepath.Join(l.dir, "run", "ns.sock"), i, l.rng.Uint64(), func() {
			if answers.Add(1) == after {
				close(enough)
			}
		})
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for _, k := range all {
			<-k.ended
		}
	}()
	select {
	case <-enough:
		world.Process.Kill()
	case <-gone:
		if !cut {
			t.Fatalf("the keepers are gone, and nobody has killed it; log: %s", world.ended())
		}
	}
	for i, k := range all {
		l.replay(t, i, k.wait(t), cut)
	}
	if l.died(t, world) && !cut {
		t.Fatalf("its power has failed; log: %s", world.log.String())
	}
}

// died waits for the end of the secure process, which is not an end in peace, and
// reports whether its power has failed.
func (l *killLoop) died(t *testing.T, world *running) bool {
	t.Helper()
	world.Wait()
	switch {
	case world.ProcessState.ExitCode() == exitPowerLost:
		l.powerCuts++
		return true
	case world.ProcessState.Exited():
		t.Fatalf("ended by itself: %v; log: %s", world.ProcessState, world.log.String())
	}
	l.kills++
	return false
}

// killInBoot starts the secure process and kills it as soon as the device is its
// own.
func (l *killLoop) killInBoot(t *testing.T) {
	t.Helper()
	world := start(t, l.dir)
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		world.Wait()
	}()
	for pid := strconv.Itoa(world.Process.Pid) + "\n"; ; {
		if b, err := os.ReadFile(filepath.Join(l.dir, "lock")); err == nil && string(b) == pid {
			break
		}
		select {
		case <-exited:
			t.Fatalf("ended by itself: %v; log: %s", world.ProcessState, world.log.String())
		default:
		}
	}
	world.Process.Kill()
	<-exited
	l.killsInBoot++
}

// replay holds a keeper's journal against the oracle.
func (l *killLoop) replay(t *testing.T, number int, steps []step, cut bool) {
	t.Helper()
	for i, s := range steps {
		fail := func(format string, args ...any) {
			t.Helper()
			t.Fatalf("keeper %d, step %d of %d, %v: %s", number, i, len(steps), s.entry, fmt.Sprintf(format, args...))
		}
		old := l.held[s.Place]
		last := i == len(steps)-1
		unknown := !s.answered || s.status == veneer.ErrCommunicationFailure || cut && isFailure(s.status)
		switch {
		case unknown && !last:
			fail("%v, and it went on", s.status)
		case unknown && s.read:
		case unknown:
			l.interrupted++
			l.doubt[s.Place] = s.Op
		case s.read:
			if s.status != veneer.Success || s.sum != checksum(old) {
				fail("%v, and it is not %v", s.status, old)
			}
			l.acknowledged++
		default:
			want, next, full := s.Op.Expect(old)
			switch {
			case s.status == want:
				l.held[s.Place] = next
			case full && s.status == veneer.ErrInsufficientStorage:
			default:
				fail("%v on %v; want %v", s.status, old, want)
			}
			l.acknowledged++
		}
	}
}

// isFailure reports whether a status is one of those that a client may get while
// the power fails.
func isFailure(st veneer.Status) bool {
	return st == veneer.ErrStorageFailure || st == veneer.ErrGenericError || st == veneer.ErrServiceFailure || st == veneer.ErrHardwareFailure
}

// check holds what there is against the journals.
func (l *killLoop) check(t *testing.T) {
	t.Helper()
	conn, err := ipc.Dial(filepath.Join(l.dir, "run", "ns.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Disconnect()
	c := oracle.NewClient(conn)
	var wrong []string
	for _, p := range l.places() {
		got, err := p.Read(c)
		if o, ok := l.doubt[p]; ok && err == nil {
			now, ok := o.Interrupted(l.held[p], got)
			if ok {
				l.held[p] = now
			} else {
				wrong = append(wrong, fmt.Sprintf("after %v, which was interrupted,", o))
			}
		}
		if want := l.held[p].Seen(); err != nil || got != want {
			wrong = append(wrong, fmt.Sprintf("%v is %v, %v; it was %v", p, got, err, want))
		}
	}
	if len(wrong) > 0 {
		t.Fatalf("after %d kills: %s", l.kills, strings.Join(wrong, "\n"))
	}
	clear(l.doubt)
	l.checkList(t, c)
}

func (l *killLoop) checkList(t *testing.T, c oracle.Client) {
	t.Helper()
	list, err := c.Keys.List()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, a := range list {
		if !l.held[oracle.Place{Service: oracle.Keys, Client: spe.DefaultClientID, UID: uint64(a.ID)}].There {
			t.Errorf("the list of keys has %v, which is not there", a.ID)
		}
	}
	for p, h := range l.held {
		if p.Service == oracle.Keys && h.There {
			n++
		}
	}
	if n != len(list) {
		t.Errorf("%d keys are listed, of %d", len(list), n)
	}
}

func (l *killLoop) places() (all []oracle.Place) {
	for k := range keepers {
		for _, s := range []oracle.Service{oracle.Internal, oracle.Protected, oracle.Keys} {
			for n := range uidsOfKeeper {
				all = append(all, placeOf(k, s, n))
			}
		}
	}
	return all
}
