package fprotect_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/clock"
	"github.com/postern-spe/postern/platform/fprotect"
	"github.com/postern-spe/postern/platform/power"
	"github.com/postern-spe/postern/platform/rramc"
	"github.com/postern-spe/postern/platform/spu"
)

// newRRAMC returns a controller, writable, of an RRAM of size bytes.
func newRRAMC(t *testing.T, size int) *rramc.Controller {
	t.Helper()
	v := rramc.NRF54L15()
	v.Size = size
	wear, err := cells.NewLineWear(cells.Zeros(cells.LineWearSize(size)), size)
	if err != nil {
		t.Fatal(err)
	}
	c := rramc.New(cells.NewRRAM(cells.Memory(size), v.Options(new(power.Supply), wear)), rramc.Config{
		Variant: v, Guard: spu.New(spu.NRF5340(), nil), Clock: clock.Manual(),
	})
	c.WriteRegister(rramc.RegConfig, 1, bus.Secure)
	return c
}

func TestBlocks(t *testing.T) {
	for name, v := range map[string]spu.Variant{"nrf5340": spu.NRF5340(), "nrf9160": spu.NRF9160(), "virt": spu.Virt()} {
		t.Run(name, func(t *testing.T) {
			s := spu.New(v, nil)
			unit := v.Flash.Region
			b := fprotect.OnSPU(s, v.Flash.Base, v.Flash.Size, unit)
			if b.BlockSize() != int(unit) {
				t.Errorf("blocks of %d", b.BlockSize())
			}
			if err := b.Protect(unit, 2*int(unit)); err != nil {
				t.Fatal(err)
			}
			for addr, want := range map[uint32]bool{unit - 1: false, unit: true, 3*unit - 1: true, 3 * unit: false, v.Flash.Size: false} {
				if got := b.IsProtected(addr); got != want {
					t.Errorf("IsProtected(0x%x) = %v", addr, got)
				}
				want := bus.NoFault
				if b.IsProtected(addr) || addr >= v.Flash.Size {
					want = bus.BusFault
				}
				if got := s.Check(addr, bus.Write, bus.SecureCPU); got != want {
					t.Errorf("a secure write at 0x%x: %v", addr, got)
				}
			}
			for _, access := range []bus.Access{bus.Read, bus.Execute} {
				if got := s.Check(unit, access, bus.SecureCPU); got != bus.NoFault {
					t.Errorf("%v: %v", access, got)
				}
			}
			if err := s.SetFlash(unit, unit, true, bus.Read|bus.Write, false); !errors.Is(err, spu.ErrLocked) {
				t.Errorf("the protection can be taken back: %v", err)
			}
			if err := b.Protect(unit, 3*int(unit)); err != nil {
				t.Errorf("over what is protected already: %v", err)
			}
			s.Reset()
			if b.IsProtected(unit) {
				t.Error("protected after reset")
			}
		})
	}
}

func TestBlockErrors(t *testing.T) {
	v := spu.NRF5340()
	s := spu.New(v, nil)
	b := fprotect.OnSPU(s, 0, v.Flash.Size, v.Flash.Region)
	if err := s.SetFlash(0x8000, 0x4000, false, bus.Read, true); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		start uint32
		n     int
		want  error
	}{
		{"nothing", 0, 0, fprotect.ErrInvalid},
		{"negative", 0, -0x4000, fprotect.ErrInvalid},
		{"start off", 0x100, 0x4000, fprotect.ErrInvalid},
		{"length off", 0, 0x4100, fprotect.ErrInvalid},
		{"over the end", 0xFC000, 0x8000, fprotect.ErrInvalid},
		{"outside", 0x100000, 0x4000, fprotect.ErrInvalid},
		{"too long", 0, 1 << 30, fprotect.ErrInvalid},
		{"longer than an address", 0, 1<<32 + 0x4000, fprotect.ErrInvalid},
		{"locked otherwise", 0x4000, 0x8000, fprotect.ErrNotApplied},
	} {
		err := b.Protect(tt.start, tt.n)
		var e *fprotect.Error
		if !errors.Is(err, tt.want) || !errors.As(err, &e) || e.Start != tt.start || e.Len != tt.n {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if b.IsProtected(0x4000) {
		t.Error("a refused protection changed something")
	}
}

func TestRegions(t *testing.T) {
	hw := newRRAMC(t, 128<<10)
	region := func(n uint32) [2]uint32 {
		address, _ := hw.ReadRegister(rramc.RegRegion+8*n, bus.Secure)
		config, _ := hw.ReadRegister(rramc.RegRegion+8*n+4, bus.Secure)
		return [2]uint32{address, config}
	}
	r := fprotect.OnRRAMC(hw, 128<<10, 3, 4)
	if r.BlockSize() != 1024 {
		t.Errorf("blocks of %d", r.BlockSize())
	}
	if err := r.Protect(0x400, 31<<10); err != nil {
		t.Fatal(err)
	}
	if got := region(3); got != [2]uint32{0x400, 31<<16 | 1<<13 | 0xD} {
		t.Errorf("REGION[3]: %x", got)
	}
	for addr, want := range map[uint32]bool{0x3FC: false, 0x400: true, 0x7FFC: true, 0x8000: false} {
		if got := r.IsProtected(addr); got != want {
			t.Errorf("IsProtected(0x%x) = %v", addr, got)
		}
		if got := hw.Store(addr, 4, 0, bus.SecureCPU) != bus.NoFault; got != want {
			t.Errorf("a store at 0x%x is refused: %v", addr, got)
		}
	}
	if err := r.Protect(0x10000, 32<<10); !errors.Is(err, fprotect.ErrNoSpace) {
		t.Errorf("two regions where one is left: %v", err)
	}
	if got := region(4); got != [2]uint32{} {
		t.Error("a refused protection changed something")
	}
	if err := r.Protect(0x10000, 1<<10); err != nil {
		t.Fatal(err)
	}
	if err := r.Protect(0x18000, 1<<10); !errors.Is(err, fprotect.ErrNoSpace) {
		t.Errorf("a third: %v", err)
	}
	hw.Reset()
	if r.IsProtected(0x400) {
		t.Error("protected after reset")
	}
}

func TestCombinedRegions(t *testing.T) {
	for _, kib := range []int{32, 62} {
		t.Run(fmt.Sprint(kib), func(t *testing.T) {
			r := fprotect.OnRRAMC(newRRAMC(t, 128<<10), 128<<10, 3, 4)
			if err := r.Protect(0, kib<<10); err != nil {
				t.Fatal(err)
			}
			for _, addr := range []uint32{0, 31 << 10, uint32(kib)<<10 - 1} {
				if !r.IsProtected(addr) {
					t.Errorf("0x%x is not protected", addr)
				}
			}
			if r.IsProtected(uint32(kib) << 10) {
				t.Error("what comes after is")
			}
		})
	}
}

func TestRegionErrors(t *testing.T) {
	// The RRAMC has five regions: those above do not keep what is written.
	r := fprotect.OnRRAMC(newRRAMC(t, 128<<10), 128<<10, 5, 6)
	for _, tt := range []struct {
		name  string
		start uint32
		n     int
		want  error
	}{
		{"nothing", 0, 0, fprotect.ErrInvalid},
		{"start off", 0x200, 0x400, fprotect.ErrInvalid},
		{"length off", 0, 0x401, fprotect.ErrInvalid},
		{"more than two regions", 0, 63 << 10, fprotect.ErrInvalid},
		{"over the end", 127 << 10, 0x800, fprotect.ErrInvalid},
		{"read-only registers", 0, 0x400, fprotect.ErrNotApplied},
	} {
		if err := r.Protect(tt.start, tt.n); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
