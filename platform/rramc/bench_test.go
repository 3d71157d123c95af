package rramc

import (
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/guardtest"
)

func BenchmarkStore(b *testing.B) {
	d := newDevice(b)
	d.set(RegConfig, 1)
	b.ReportAllocs()
	n := uint32(0)
	for b.Loop() {
		n++
		if d.Store(n*4%guardtest.RegionSize, 4, n, bus.SecureCPU) != bus.NoFault {
			b.Fatal("fault")
		}
	}
}

func BenchmarkStoreBuffered(b *testing.B) {
	d := newDevice(b)
	d.set(RegConfig, 0x2001)
	b.ReportAllocs()
	n := uint32(0)
	for b.Loop() {
		n++
		if d.Store(n*4%guardtest.RegionSize, 4, n, bus.SecureCPU) != bus.NoFault {
			b.Fatal("fault")
		}
	}
}

func BenchmarkLoadWord(b *testing.B) {
	d := newDevice(b)
	b.ReportAllocs()
	var p [4]byte
	for b.Loop() {
		if d.Load(64, p[:], bus.Read, bus.NonSecureCPU) != bus.NoFault {
			b.Fatal("fault")
		}
	}
}
