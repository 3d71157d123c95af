package spu

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
)

func TestInterrupts(t *testing.T) {
	var irqs int
	s := New(NRF5340(), func() { irqs++ })
	refuse := func() { s.Check(0, bus.Read, bus.NonSecureCPU) }
	step := func(name string, want int, f func()) {
		t.Helper()
		f()
		if irqs != want {
			t.Errorf("%s: %d interrupts, want %d", name, irqs, want)
		}
	}
	clear := func(reg uint32) func() { return func() { s.WriteRegister(reg, 0, bus.Secure) } }
	step("not enabled", 0, refuse)
	step("EnableInterrupts forgets what was", 0, s.EnableInterrupts)
	step("enabled", 1, refuse)
	step("still set", 1, refuse)
	step("another event", 2, func() { s.Check(0x20000000, bus.Read, bus.NonSecureCPU) })
	step("cleared", 2, clear(RegEventsFlashAccErr))
	step("set again", 3, refuse)
	step("disabled", 3, func() { s.WriteRegister(RegIntEnClr, 2, bus.Secure) })
	step("enabled while it is set", 4, func() { s.WriteRegister(RegIntEnSet, 2, bus.Secure) })
	step("enabled once more", 4, func() { s.WriteRegister(RegIntEnSet, 2, bus.Secure) })
	step("written by software", 5, func() { s.WriteRegister(RegEventsPeriphAccErr, 1, bus.Secure) })
}

func TestPublish(t *testing.T) {
	s := New(NRF5340(), nil)
	var got []uint8
	s.Publish(func(channel uint8) { got = append(got, channel) })
	s.Check(0, bus.Read, bus.NonSecureCPU)
	s.WriteRegister(RegPublishFlashAccErr, 1<<31|9, bus.Secure)
	s.Check(0, bus.Read, bus.NonSecureCPU) // set already
	s.WriteRegister(RegEventsFlashAccErr, 0, bus.Secure)
	s.Check(0, bus.Read, bus.NonSecureCPU)
	if len(got) != 1 || got[0] != 9 {
		t.Errorf("published on %v", got)
	}
}

// TestConcurrent lets programs ask while secure software writes: what is decided
// is what the registers were at some moment, every event interrupts exactly once
// per time that it is cleared, and a lock holds from the moment it is there.
func TestConcurrent(t *testing.T) {
	var irqs atomic.Int64
	s := New(NRF5340(), func() { irqs.Add(1) })
	s.EnableInterrupts()
	const rounds = 2000
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range rounds {
				if f := s.Check(0, bus.Read, bus.NonSecureCPU); f == bus.BusFault {
					t.Error("a permission that was never taken is missing")
				}
				if f := s.Check(0x4000, bus.Write, bus.SecureCPU); f != bus.NoFault {
					t.Error(f)
				}
				s.Callable(0x3FFF)
				s.DMAAttr(1)
				s.SecurePins(0)
			}
		})
	}
	cleared := int64(0)
	wg.Go(func() {
		for range rounds {
			s.WriteRegister(RegFlashRegion, 0x07, bus.Secure)
			s.WriteRegister(RegFlashRegion, 0x17, bus.Secure)
			if s.read(RegEventsFlashAccErr) == 1 {
				s.WriteRegister(RegEventsFlashAccErr, 0, bus.Secure)
				cleared++
			}
		}
	})
	var locks [2]atomic.Bool
	for i := range locks {
		wg.Go(func() {
			for v := range uint32(rounds) {
				s.WriteRegister(RegGPIOPort, v<<1|uint32(i), bus.Secure)
			}
			s.WriteRegister(RegGPIOPort+4, 1, bus.Secure)
			pins := s.SecurePins(0)
			for range rounds {
				if s.SecurePins(0) != pins {
					locks[i].Store(true)
				}
			}
		})
	}
	wg.Wait()
	for i := range locks {
		if locks[i].Load() {
			t.Error("pins changed under lock")
		}
	}
	if got, want := irqs.Load(), cleared+int64(s.read(RegEventsFlashAccErr)); got != want {
		t.Errorf("%d interrupts for %d events", got, want)
	}
}

func TestDecisionsDoNotAllocate(t *testing.T) {
	v := NRF5340()
	v.Peripherals = peripherals()
	s := New(v, nil)
	a := NewAPB(NRF54L15()[0], nil)
	for name, f := range map[string]func(){
		"Check":           func() { s.Check(0xF4000, bus.Read, bus.NonSecureCPU) },
		"CheckRange":      func() { s.CheckRange(0, 1<<20, bus.Read, bus.SecureCPU) },
		"CheckPeripheral": func() { s.CheckPeripheral(0x50012000, bus.Read, bus.NonSecureCPU) },
		"Callable":        func() { s.Callable(0xF4000) },
		"Refuse":          func() { s.Refuse(0xFF8000, bus.Read, bus.NonSecureCPU) },
		"APB":             func() { a.CheckPeripheral(0x50042000, bus.Read, bus.NonSecureCPU) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	for name, who := range map[string]bus.Origin{"passes": bus.SecureCPU, "refused": bus.NonSecureCPU} {
		b.Run(name, func(b *testing.B) {
			s := New(NRF5340(), nil)
			b.ReportAllocs()
			for b.Loop() {
				s.Check(0xF4000, bus.Read, who)
			}
		})
	}
	b.Run("amid writes", func(b *testing.B) {
		s := New(NRF5340(), nil)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					s.WriteRegister(RegFlashRegion+4, 0x17, bus.Secure)
				}
			}
		})
		b.ReportAllocs()
		for b.Loop() {
			s.Check(0xF4000, bus.Read, bus.SecureCPU)
		}
		close(stop)
		wg.Wait()
	})
}

func BenchmarkCheckPeripheral(b *testing.B) {
	v := NRF5340()
	v.Peripherals = peripherals()
	s := New(v, nil)
	b.ReportAllocs()
	for b.Loop() {
		s.CheckPeripheral(0x50018000, bus.Read, bus.SecureCPU)
	}
}

func BenchmarkCallable(b *testing.B) {
	s := New(NRF5340(), nil)
	b.ReportAllocs()
	for b.Loop() {
		s.Callable(0xF4000)
	}
}
