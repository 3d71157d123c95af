package uicr

import (
	"fmt"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/internal/regtest"
)

var layouts = []struct {
	name string
	make func() *Layout
}{{"nrf5340", NRF5340}, {"nrf9160", NRF9160}, {"nrf54l15", NRF54L15}, {"virt", Virt}}

func enabled() bus.Fault { return bus.NoFault }

func newUICR(t testing.TB, l *Layout) *UICR {
	t.Helper()
	u, err := New(l, cells.NewFlash(cells.Memory(Size), cells.Options{Page: Size}), enabled)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// registers shows the page to regtest, which knows registers: what the
// non-secure view faults on, it takes for reading 0 and ignoring stores.
type registers struct{ *UICR }

func (r registers) ReadRegister(off uint32, view bus.Attribute) (uint32, bus.Fault) {
	var p [4]byte
	f := r.Load(r.layout.Base+off, p[:], bus.Read, bus.Origin{Master: bus.CPU, Attr: view})
	if view == bus.NonSecure && f == bus.SecureFault {
		return 0, bus.NoFault
	}
	return uint32(p[0]) | uint32(p[1])<<8 | uint32(p[2])<<16 | uint32(p[3])<<24, f
}

func (r registers) WriteRegister(off, v uint32, view bus.Attribute) bus.Fault {
	f := r.Store(r.layout.Base+off, 4, v, bus.Origin{Master: bus.CPU, Attr: view})
	if view == bus.NonSecure && f == bus.SecureFault {
		return bus.NoFault
	}
	return f
}

// TestRegisters: what is erased reads all ones; zeros stick; and what is
// write-once keeps the first value.
func TestRegisters(t *testing.T) {
	const once = 0x12345678 // no unit of it is all ones
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			layout := l.make()
			var rows []regtest.Row
			add := func(name string, off int, writeOnce bool) {
				row := regtest.Row{Name: name, Off: uint32(off), Reset: erasedWord, Zeros: erasedWord}
				if writeOnce {
					row.Lock = once
				}
				rows = append(rows, row)
			}
			for _, r := range layout.Registers {
				for i := range r.Words {
					name := r.Name
					if r.Words > 1 {
						name = fmt.Sprintf("%s[%d]", r.Name, i)
					}
					add(name, r.Off+4*i, layout.WriteOnce)
				}
			}
			for i := range layout.OTPWords {
				add(fmt.Sprintf("OTP[%d]", i), layout.OTP+4*i, true)
			}
			// Words without a name keep what they have.
			for off := 0; off < Size; off += 4 {
				if !layout.named(off) && !layout.inOTP(off) && !layout.inSlots(off) {
					rows = append(rows, regtest.Row{Name: fmt.Sprintf("reserved 0x%03x", off), Off: uint32(off), Reset: erasedWord})
				}
			}
			if layout.KeySlots {
				// Of nobody, as long as there is no KMU.
				rows = append(rows, regtest.Row{Name: "KEYSLOT.CONFIG[0].DEST", Off: RegKeySlotConfig, Reset: Denied},
					regtest.Row{Name: "KEYSLOT.KEY[127].VALUE[3]", Off: Size - 4, Reset: Denied})
			}
			regtest.Run(t, func() bus.Peripheral { return registers{newUICR(t, layout)} }, rows)
		})
	}
}

// TestOffsets fixes the tables by numbers, so that a change of them shows.
func TestOffsets(t *testing.T) {
	type want struct {
		base       uint32
		ap, sap, e int
		otp, bytes int
	}
	for name, w := range map[string]want{
		"nrf5340":  {0x00FF8000, 0x000, 0x01C, 0x020, 0x100, 768},
		"nrf9160":  {0x00FF8000, 0x000, 0x02C, 0x030, 0x108, 760},
		"nrf54l15": {0x00FFD000, 0x000, 0x020, 0x060, 0x500, 1280},
		"virt":     {0x0FFF8000, 0x000, 0x01C, 0x020, 0x100, 768},
	} {
		for _, l := range layouts {
			if l.name != name {
				continue
			}
			g := l.make()
			if got := (want{g.Base, g.APProtect.Off[0], g.SecureAPProtect.Off[0], g.EraseProtect.Off[0], g.OTP, g.OTPSize()}); got != w {
				t.Errorf("%s: %+v, want %+v", name, got, w)
			}
			for _, r := range g.Registers {
				if r.Off%4 != 0 || g.inOTP(r.Off) || g.inOTP(r.Off+4*r.Words-4) || g.inSlots(r.Off) || r.Off+4*r.Words > Size {
					t.Errorf("%s: %s at 0x%03x", name, r.Name, r.Off)
				}
			}
		}
	}
}
