package resetctl

import (
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/regtest"
)

var _ bus.Peripheral = (*Reset)(nil)

func variants() map[string]Variant {
	return map[string]Variant{"nrf5340": NRF5340(), "nrf9160": NRF9160(), "nrf54l15": NRF54L15()}
}

func TestRegisters(t *testing.T) {
	reas := regtest.Row{Name: "RESETREAS", Off: 0x400, NonSecure: true}
	tables := map[string][]regtest.Row{
		"nrf5340":  {reas, {Name: "NETWORK.FORCEOFF", Off: 0x614, Reset: 1, Ones: 1, Zeros: 1, NonSecure: true}},
		"nrf9160":  {reas},
		"nrf54l15": {{Name: "RESETREAS", Off: 0x600, NonSecure: true}},
	}
	for name, v := range variants() {
		t.Run(name, func(t *testing.T) {
			regtest.Run(t, func() bus.Peripheral { return New(v, 0, 0) }, tables[name])
			known := map[uint32]bool{}
			for _, r := range tables[name] {
				known[r.Off] = true
			}
			p := New(v, 0xFFFFFFFF, Pin)
			for off := uint32(0); off < 0x1000; off += 4 {
				if known[off] {
					continue
				}
				p.WriteRegister(off, 0xFFFFFFFF, bus.Secure)
				if got, _ := p.ReadRegister(off, bus.Secure); got != 0 {
					t.Errorf("0x%03x, which is none, reads 0x%x", off, got)
				}
			}
			if p.ResetReas() != v.Mask {
				t.Error("a write beside RESETREAS changed it")
			}
		})
	}
}

func TestReasons(t *testing.T) {
	bits := map[string][reasons]uint32{
		"nrf5340":  {Pin: 1 << 0, Watchdog0: 1 << 1, CtrlAP: 1 << 2, System: 1 << 3, Lockup: 1 << 4, Watchdog1: 1 << 25},
		"nrf9160":  {Pin: 1 << 0, Watchdog0: 1 << 1, System: 1 << 16, Lockup: 1 << 17, CtrlAP: 1 << 18},
		"nrf54l15": {Pin: 1 << 0, Watchdog0: 1 << 1, Watchdog1: 1 << 2, CtrlAP: 1 << 3, CtrlAPHard: 1 << 4, CtrlAPPin: 1 << 5, System: 1 << 6, Lockup: 1 << 7, Tamper: 1 << 13},
	}
	for name, v := range variants() {
		t.Run(name, func(t *testing.T) {
			sum := uint32(0)
			for why, want := range bits[name] {
				if got := New(v, 0, Reason(why)).ResetReas(); got != want {
					t.Errorf("%v: RESETREAS is 0x%x, want 0x%x", Reason(why), got, want)
				}
				if why != 0 {
					sum = New(v, sum, Reason(why)).ResetReas()
				}
			}
			if want := v.Mask & sum; sum != want {
				t.Errorf("bits 0x%x outside the mask", sum&^v.Mask)
			}
			for _, b := range bits[name] {
				if sum&b != b {
					t.Errorf("reasons do not add up: 0x%x", sum)
				}
			}
			p := New(v, sum, System)
			p.WriteRegister(v.ResetReas, v.Bits[System], bus.Secure)
			if got, _ := p.ReadRegister(v.ResetReas, bus.NonSecure); got != sum&^v.Bits[System] {
				t.Errorf("RESETREAS is 0x%x after one was cleared", got)
			}
			if New(v, sum, 0).ResetReas() != 0 {
				t.Error("reasons outlasted the power")
			}
		})
	}
}

func TestString(t *testing.T) {
	seen := map[string]bool{}
	for r := range reasons {
		if s := r.String(); s == "" || seen[s] {
			t.Errorf("%d is %q", r, s)
		} else {
			seen[s] = true
		}
	}
	if reasons.String() != Reason(0).String() {
		t.Error("a reason that is none has a name of its own")
	}
}
