package flashlog_test

import (
	"maps"
	"testing"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/partitions/its/internal/flashtest"
)

// TestHostPowerCuts takes the power from the host whose file the area is, in the
// middle of operations: of what was not synced, any sector may be missing.
func TestHostPowerCuts(t *testing.T) {
	seeds, stride, steps := 2, 13, 200
	switch {
	case exhaustive():
		seeds, stride = 8, 1
	case raceEnabled:
		seeds, stride = 1, 211
	}
	for _, a := range []area{{flashtest.NOR, 3, 4096, 1, 0}, {flashtest.NOR, 4, 1024, 3, 0}, {flashtest.RRAMAbort, 4, 1024, 3, 0}} {
		t.Run(a.String(), func(t *testing.T) {
			t.Parallel()
			base, m, cuts := flashtest.NewCached(flashtest.Blank(a.kind, a.pages, a.pageSize)), model{}, 0
			for i, o := range a.workload(9, steps) {
				if !m.allowed(o) {
					continue
				}
				before := base.Clone()
				base.CutAt(-1, 0)
				s, err := flashlog.Open(base)
				if err != nil {
					t.Fatal(err)
				}
				err = o.do(s)
				// The last point is what happens after the operation.
				for p := range base.Points() + 1 {
					if (p+i*5)%stride != 0 && p < base.Points()-2 {
						continue
					}
					for seed := range seeds {
						host := before.Clone()
						s, err := flashlog.Open(host)
						if err != nil {
							t.Fatal(err)
						}
						host.CutAt(p, uint64(seed))
						acknowledged := o.do(s) == nil
						disk := host.Crash(uint64(seed))
						_, _, err = checkAfterCut(disk, m, o)
						if err == nil && acknowledged {
							m2 := maps.Clone(m)
							m2.apply(o)
							err = m2.differs(open(t, disk), o.key)
						}
						if err != nil {
							t.Fatalf("step %d, point %d, seed %d: %v", i, p, seed, err)
						}
						cuts++
					}
				}
				if err == nil {
					m.apply(o)
				}
			}
			t.Logf("%d losses of power", cuts)
		})
	}
}
