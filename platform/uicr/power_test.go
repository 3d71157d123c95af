package uicr

import (
	"bytes"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/power"
)

// TestNoPower: what cannot be read is protected.
func TestNoPower(t *testing.T) {
	for _, l := range layouts {
		s := new(power.Supply)
		u, err := New(l.make(), cells.NewFlash(cells.Memory(Size), cells.Options{Page: Size, Supply: s}), enabled)
		if err != nil {
			t.Fatal(err)
		}
		s.CutAt(1, 0)
		if err := u.EraseAll(); err != power.ErrLost {
			t.Fatal(err)
		}
		for i, f := range []func() (bool, error){u.APProtected, u.SecureAPProtected, u.EraseProtected} {
			if p, err := f(); !p || err != power.ErrLost {
				t.Errorf("%s: protection %d: %v, %v", l.name, i, p, err)
			}
		}
		if b, err := u.Blank(); b || err != power.ErrLost {
			t.Errorf("%s: blank: %v, %v", l.name, b, err)
		}
		if f := u.Load(u.layout.Base, make([]byte, 4), bus.Read, bus.SecureCPU); f != bus.BusFault {
			t.Errorf("%s: a load: %v", l.name, f)
		}
		if f := u.Store(u.layout.Base+uint32(u.layout.OTP), 4, 0, bus.SecureCPU); f != bus.BusFault {
			t.Errorf("%s: a store: %v", l.name, f)
		}
	}
}

// TestPowerPoints cuts the power at each halfword of an OTP write.
func TestPowerPoints(t *testing.T) {
	data := []byte{0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC}
	for point := uint64(1); point <= 3; point++ {
		for seed := range uint64(16) {
			s := new(power.Supply)
			u, err := New(NRF5340(), cells.NewFlash(cells.Memory(Size), cells.Options{Page: Size, Supply: s}), enabled)
			if err != nil {
				t.Fatal(err)
			}
			s.CutAt(point, seed)
			if err := u.WriteOTP(2, data); err != power.ErrLost {
				t.Fatalf("point %d: %v", point, err)
			}
			s.On()
			got := make([]byte, 8)
			if err := u.ReadOTP(0, got); err != nil {
				t.Fatal(err)
			}
			n := 2 * int(point-1) // bytes that were acknowledged
			if !bytes.Equal(got[2:2+n], data[:n]) || !bytes.Equal(got[:2], []byte{0xFF, 0xFF}) {
				t.Errorf("point %d: %x", point, got)
			}
			for i := range 2 {
				if d := data[n+i]; got[2+n+i]&d != d {
					t.Errorf("point %d: a bit is 0 that was to stay 1: %x", point, got)
				}
			}
			for _, b := range got[2+n+2:] {
				if b != 0xFF {
					t.Errorf("point %d: written ahead: %x", point, got)
				}
			}
		}
	}
}
