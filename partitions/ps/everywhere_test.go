package ps

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/ps"
	"github.com/postern-spe/postern/veneer/psa"
)

// uids of the workload; the last is a write-once asset.
const uids contract.UID = 8

// sight is all that a client sees of its assets, by uid.
type sight map[contract.UID]string

func look(c *contract.Client) sight {
	s := make(sight)
	for uid := contract.UID(1); uid <= uids; uid++ {
		info, err := c.Info(uid)
		if errors.Is(err, veneer.ErrDoesNotExist) {
			continue
		}
		data, e := c.ReadAll(uid)
		s[uid] = fmt.Sprintf("%x of %d, flags %d, %v, %v", data, info.Capacity, info.Flags, err, e)
	}
	return s
}

// operation is one of the workload: new assets, others in their place that are
// smaller and larger, removals, a write-once asset, created ones and writes into
// them, with and without protection against rollback, in an area so small that
// every few of them a page is collected.
func operation(step int, rng *rand.Rand, there sight) func(*contract.Client) error {
	uid := contract.UID(rng.IntN(int(uids)) + 1)
	data := bytes.Repeat([]byte{byte(step)}, rng.IntN(600))
	flags := []contract.Flags{0, 0, 0, psa.StorageNoReplayProtection, psa.StorageNoConfidentiality}[rng.IntN(5)]
	_, exists := there[uid]
	switch kind := rng.IntN(8); {
	case uid == uids:
		return func(c *contract.Client) error { return c.Set(uid, data, psa.StorageWriteOnce) }
	case !exists && kind < 3:
		return func(c *contract.Client) error { return c.Create(uid, uint32(len(data)), flags) }
	case exists && kind < 2:
		return func(c *contract.Client) error { return c.Remove(uid) }
	case exists && kind < 5:
		return func(c *contract.Client) error { return c.SetExtended(uid, 0, data[:len(data)/4]) }
	}
	return func(c *contract.Client) error { return c.Set(uid, data, flags) }
}

// TestPowerCutsEverywhere cuts the power at the points of a workload of several
// hundred operations, with several seeds of what is torn, and at some of the
// recovery that follows: whatever was answered is there, the operation in flight
// is wholly done or not at all, nothing is taken for an attack, and work goes on.
// (make crash: every point.)
func TestPowerCutsEverywhere(t *testing.T) {
	stride, seeds := 61, uint64(1)
	switch {
	case os.Getenv("POSTERN_CRASH") != "":
		stride, seeds = 1, 3
	case raceEnabled:
		stride = 997 // one goroutine, and slow: nothing for the detector
	}
	w := newWorld(t)
	c := w.client(-1)
	rng := rand.New(rand.NewPCG(4, 2))
	cuts, phase := 0, 0
	for step := range 400 {
		before := look(c)
		do := operation(step, rng, before)
		start := w.save()
		// A start, as after each cut, and the operation to its end.
		restart := func(s saved) {
			t.Helper()
			w.restore(s)
			reboot(t, w)
		}
		restart(start)
		w.protected.cut = 1 << 20
		err := do(c)
		points := 1<<20 - w.protected.cut
		w.protected.cut = -1
		after := look(c)
		done := w.save()
		if err != nil && !maps.Equal(before, after) {
			t.Fatalf("step %d: %v, and something has changed", step, err)
		}
		for ; phase < points; phase += stride {
			for seed := range seeds {
				restart(start)
				w.protected.cut, w.protected.seed = phase, seed
				answered := do(c) == nil
				if !w.protected.off {
					t.Fatalf("step %d: no cut at %d of %d", step, phase, points)
				}
				w.noticed = nil
				again := phase%3 == 0
				if again {
					*w.protected.supply = supply{cut: phase / 3 % 120, seed: seed}
					if w.boot() == nil {
						_ = look(c)
					}
				}
				*w.protected.supply = supply{cut: -1}
				reboot(t, w)
				got := look(c)
				if !maps.Equal(got, after) && (answered || !maps.Equal(got, before)) || len(w.noticed) > 0 {
					t.Fatalf("step %d, cut at %d of %d, seed %d, again %v: %v\nbefore %v\nafter %v\nnoticed %q",
						step, phase, points, seed, again, got, before, after, w.noticed)
				}
				if err := errors.Join(c.Set(uids+1, []byte("more"), 0), c.Remove(uids+1)); err != nil && !errors.Is(err, veneer.ErrInsufficientStorage) {
					t.Fatalf("step %d, cut at %d, seed %d: then %v", step, phase, seed, err)
				}
				cuts++
			}
		}
		phase -= points
		restart(done)
	}
	t.Logf("%d cuts", cuts)
}
