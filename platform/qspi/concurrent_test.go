package qspi

import (
	"sync"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
)

// TestRace has all doors of the block used at once, for the race detector.
func TestRace(t *testing.T) {
	d := active(t)
	d.env.Interrupt = nil
	var all sync.WaitGroup
	for n := range uint32(4) {
		all.Go(func() {
			a := d.Area(xip+n*0x1000, 0x1000)
			for i := range uint32(50) {
				if err := a.Program(int(4*i), []byte{1, 2, 3, byte(n)}); err != nil {
					t.Error(err)
				}
				if f := d.Load(xip+n*0x1000+4*i, make([]byte, 4), bus.Read, bus.NonSecureCPU); f != bus.NoFault {
					t.Error(f)
				}
				d.start(RegTasksReadStart, RegReadSrc, n*0x1000, ramBase, 256)
				d.start(RegTasksEraseStart, RegErasePtr, 0x10000, Erase4KB)
				d.ReadRegister(RegStatus, bus.Secure)
				d.SetConcurrent(i%2 == 0)
			}
		})
	}
	all.Wait()
}
