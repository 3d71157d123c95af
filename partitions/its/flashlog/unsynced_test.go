package flashlog_test

import (
	"errors"
	"testing"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/partitions/its/internal/flashtest"
	"github.com/postern-spe/postern/veneer"
)

// unsynced is a host that cannot write its disk from some sync on.
type unsynced struct {
	*flashtest.Cached
	syncs int // that succeed
}

func (u *unsynced) Sync(from, to int) error {
	if u.syncs--; u.syncs < 0 {
		return flashtest.ErrInjected
	}
	return u.Cached.Sync(from, to)
}

// What the host cannot write is not acknowledged: wherever in an operation that
// is, the answer is a storage failure, with its cause.
func TestFailedSyncIsNoSuccess(t *testing.T) {
	k := flashlog.Key{Owner: 1, UID: 1}
	ops := []op{{key: k, data: workloadBytes(30)}, {key: k, data: workloadBytes(3000)}, {key: k, remove: true}}
	for i, o := range append(ops, workload(5, 40)...) {
		for n := 0; ; n++ {
			u := &unsynced{flashtest.NewCached(flashtest.New(3)), 1 << 30}
			s, err := flashlog.Open(u)
			if err != nil {
				t.Fatal(err)
			}
			// Something to remove, and a page that is nearly full.
			for range 4 {
				if err := (op{key: o.key, data: workloadBytes(900)}).do(s); err != nil {
					t.Fatal(err)
				}
			}
			before := u.Syncs
			u.syncs = n
			err = o.do(s)
			if err == nil {
				if n == 0 || u.Syncs-before != n {
					t.Errorf("operation %d: a success after %d of %d syncs", i, u.Syncs-before, n)
				}
				break
			}
			if !errors.Is(err, veneer.ErrStorageFailure) || !errors.Is(err, flashtest.ErrInjected) {
				t.Fatalf("operation %d, sync %d: %v", i, n, err)
			}
		}
	}
}
