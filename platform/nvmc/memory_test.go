package nvmc

import (
	"testing"
	"time"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/guardtest"
	"github.com/postern-spe/postern/platform/power"
)

func TestStore(t *testing.T) {
	const erased = 0xFFFFFFFF
	for _, tt := range []struct {
		name         string
		config, ns   uint32
		addr         uint32
		width        int
		v            uint32
		fault        bus.Fault
		before, want uint32
		took         time.Duration
	}{
		{"secure, Ren", Ren, Wen, 0, 4, 5, bus.BusFault, erased, erased, 0},
		{"secure, Wen", Wen, Ren, 0, 4, 5, bus.NoFault, erased, 5, 43 * time.Microsecond},
		{"secure, Wen, 0 to 1", Wen, Ren, 4, 4, 0xF0, bus.NoFault, 0x3C, 0x30, 43 * time.Microsecond},
		{"secure, Een", Een, Ren, 0, 4, erased, bus.NoFault, 9, erased, 87500 * time.Microsecond},
		{"secure, Een, last page of its region", Een, Ren, 0x3000, 4, erased, bus.NoFault, 9, erased, 87500 * time.Microsecond},
		{"non-secure, Ren", Wen, Ren, nsAddr, 4, 5, bus.BusFault, erased, erased, 0},
		{"non-secure, Wen", Ren, Wen, nsAddr, 4, 5, bus.NoFault, erased, 5, 43 * time.Microsecond},
		{"non-secure, Een", Ren, Een, nsAddr, 4, erased, bus.NoFault, 9, erased, 87500 * time.Microsecond},
		{"non-secure, CONFIG's Een", Een, Ren, nsAddr, 4, erased, bus.BusFault, 9, 9, 0},
		{"non-secure, no PEen", Ren, PEen, nsAddr, 4, erased, bus.BusFault, 9, 9, 0},
		{"Een, other value", Een, Ren, 0, 4, 0, bus.BusFault, 9, 9, 0},
		{"Een, not the first word", Een, Ren, 4, 4, erased, bus.BusFault, 9, 9, 0},
		{"PEen, other value", PEen, Ren, 0, 4, 1, bus.BusFault, 9, 9, 0},
		{"PEen, not the first word", PEen, Ren, 8, 4, erased, bus.BusFault, 9, 9, 0},
		{"WEN of 3", 3, Ren, 0, 4, 0, bus.BusFault, 9, 9, 0},
		{"WEN of 7", 7, Ren, 0, 4, erased, bus.BusFault, 9, 9, 0},
		{"CONFIGNS of 3", Ren, 3, nsAddr, 4, erased, bus.BusFault, 9, 9, 0},
		{"byte", Wen, Wen, 0, 1, 5, bus.BusFault, erased, erased, 0},
		{"halfword", Wen, Wen, nsAddr, 2, 5, bus.BusFault, erased, erased, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDevice(t, NRF5340())
			d.put(t, tt.addr, tt.before)
			d.set(RegConfig, tt.config)
			d.WriteRegister(RegConfigNS, tt.ns, bus.NonSecure)
			points, began := d.supply.Points(), d.clock.Now()
			if f := d.Store(tt.addr, tt.width, tt.v, bus.SecureCPU); f != tt.fault {
				t.Errorf("%v, want %v", f, tt.fault)
			}
			if got := d.word(t, tt.addr); got != tt.want {
				t.Errorf("0x%08x, want 0x%08x", got, tt.want)
			}
			if got := d.clock.Now() - began; got != tt.took {
				t.Errorf("took %v, want %v", got, tt.took)
			}
			if got := d.supply.Points() - points; (got == 1) != (tt.fault == bus.NoFault) {
				t.Errorf("%d points", got)
			}
		})
	}
}

func TestMaxWrites(t *testing.T) {
	d := newDevice(t, NRF9160())
	d.set(RegConfig, Wen)
	for _, tt := range []struct {
		v    uint32
		f    bus.Fault
		want uint32
	}{{0xFFFFFF00, bus.NoFault, 0xFFFFFF00}, {0xFFFF0000, bus.NoFault, 0xFFFF0000}, {0, bus.BusFault, 0xFFFF0000}} {
		if f := d.Store(8, 4, tt.v, bus.SecureCPU); f != tt.f {
			t.Errorf("store of 0x%x: %v", tt.v, f)
		}
		if got := d.word(t, 8); got != tt.want {
			t.Errorf("0x%08x, want 0x%08x", got, tt.want)
		}
	}
}

// TestPowerLost walks every point of a workload over bus and driver: a BusFault
// or ErrLost at the cut and from there on, and what was done before is there.
func TestPowerLost(t *testing.T) {
	steps := []func(d *device) bool{
		func(d *device) bool { d.set(RegConfig, Wen); return d.Store(0, 4, 1, bus.SecureCPU) == bus.NoFault },
		func(d *device) bool { return d.Area(0x1000, 0x1000).Program(0, le(2)) == nil },
		func(d *device) bool {
			d.set(RegConfig, PEen)
			return d.Store(0x3000, 4, 0xFFFFFFFF, bus.SecureCPU) == bus.NoFault
		},
		func(d *device) bool {
			d.set(RegConfig, Een)
			return d.Store(0, 4, 0xFFFFFFFF, bus.SecureCPU) == bus.NoFault
		},
		func(d *device) bool { return d.Area(0x1000, 0x1000).Erase(0) == nil },
	}
	for cut := range steps {
		d := newDevice(t, NRF5340())
		d.supply.CutAt(uint64(cut+1), 7)
		for i, step := range steps {
			if ok := step(d); ok != (i < cut) {
				t.Errorf("cut at %d: step %d: %v", cut, i, ok)
			}
		}
		if f := d.Load(0, make([]byte, 4), bus.Read, bus.SecureCPU); f != bus.BusFault {
			t.Errorf("cut at %d: load: %v", cut, f)
		}
		now := d.clock.Now()
		if d.Area(0, 0x1000).Erase(0) != power.ErrLost || d.clock.Now() != now {
			t.Errorf("cut at %d: an erase without power", cut)
		}
		d.supply.On()
		if cut > 1 && cut < 4 && d.word(t, 0x1000) != 2 {
			t.Errorf("cut at %d: the word is lost", cut)
		}
	}
}

func BenchmarkStore(b *testing.B) {
	d := newDevice(b, NRF5340())
	d.set(RegConfig, Wen)
	b.ReportAllocs()
	n := uint32(0)
	for b.Loop() {
		if d.Store(n*4, 4, 0, bus.SecureCPU) != bus.NoFault {
			b.Fatal("fault")
		}
		if n++; n == guardtest.RegionSize/4 {
			n = 0
			for off := 0; off < guardtest.RegionSize; off += 4096 {
				if err := d.flash.Erase(off); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}

func BenchmarkLoadWord(b *testing.B) {
	d := newDevice(b, NRF5340())
	b.ReportAllocs()
	var p [4]byte
	for b.Loop() {
		if d.Load(64, p[:], bus.Read, bus.NonSecureCPU) != bus.NoFault {
			b.Fatal("fault")
		}
	}
}
