package nvmc

import (
	"encoding/binary"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/clock"
	"github.com/postern-spe/postern/platform/internal/guardtest"
	"github.com/postern-spe/postern/platform/power"
)

// nsAddr is in the second region of the tests, which is non-secure.
const nsAddr = guardtest.RegionSize

// device is a controller with what surrounds it.
type device struct {
	*Controller
	clock     *clock.Clock
	supply    *power.Supply
	erased    int
	protected int
	refuse    error // of both callbacks
}

// newDevice returns a device whose flash is smaller than the chip's, for speed.
func newDevice(t testing.TB, v Variant) *device {
	t.Helper()
	v.Size = 64 << 10
	d := &device{clock: clock.Manual(), supply: new(power.Supply)}
	counts := cells.Zeros(cells.WearSize(v.Size, v.PageSize))
	w, err := cells.NewWear(counts, v.Size, v.PageSize)
	if err != nil {
		t.Fatal(err)
	}
	flash := cells.NewFlash(cells.Memory(v.Size), v.Options(d.supply, w))
	d.Controller = New(flash, Config{
		Variant: v, Guard: guardtest.Standard(), Clock: d.clock,
		EraseAll: func() error {
			if d.refuse == nil {
				d.erased++
				return d.EraseAll()
			}
			return d.refuse
		},
		ProtectUICR: func() error {
			if d.refuse == nil {
				d.protected++
			}
			return d.refuse
		},
	})
	return d
}

// put programs a word past the registers.
func (d *device) put(t testing.TB, addr, v uint32) {
	t.Helper()
	if err := d.flash.Program(int(addr), le(v)); err != nil {
		t.Fatal(err)
	}
}

func (d *device) word(t testing.TB, addr uint32) uint32 {
	t.Helper()
	var p [4]byte
	if f := d.Load(addr, p[:], bus.Read, bus.SecureCPU); f != bus.NoFault {
		t.Fatalf("load at 0x%x: %v", addr, f)
	}
	return binary.LittleEndian.Uint32(p[:])
}

func (d *device) read(t testing.TB, off uint32) uint32 {
	t.Helper()
	v, f := d.ReadRegister(off, bus.Secure)
	if f != bus.NoFault {
		t.Fatal(f)
	}
	return v
}

func (d *device) set(off, v uint32) { d.WriteRegister(off, v, bus.Secure) }

func le(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }

var variants = map[string]func() Variant{"nrf5340": NRF5340, "nrf9160": NRF9160, "virt": Virt}
