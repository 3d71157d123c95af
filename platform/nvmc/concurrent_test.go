package nvmc

import (
	"sync"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
)

// TestConcurrent has all doors of the block used at once, for the race detector;
// each of four writers finds its own words as it left them.
func TestConcurrent(t *testing.T) {
	d := newDevice(t, NRF5340())
	d.set(RegConfig, Wen)
	var all sync.WaitGroup
	for n := range uint32(4) {
		all.Go(func() {
			base := n * 0x1000
			a := d.Area(base, 0x1000)
			for i := range uint32(50) {
				at := base + 8*i
				if f := d.Store(at, 4, at, bus.SecureCPU); f != bus.NoFault {
					t.Errorf("store: %v", f)
				}
				if err := a.Program(int(8*i+4), le(at)); err != nil {
					t.Error(err)
				}
				if d.word(t, at) != at || d.word(t, at+4) != at {
					t.Errorf("0x%x: 0x%x, 0x%x", at, d.word(t, at), d.word(t, at+4))
				}
				d.set(RegConfigNS, i)
				d.ReadRegister(RegReady, bus.Secure)
			}
		})
	}
	all.Go(func() {
		for i := range 50 {
			d.SetRunFromRAM(i%2 == 0)
			d.WriteEnabled()
		}
	})
	all.Wait()
}
