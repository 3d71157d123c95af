package nvmc

import (
	"errors"
	"testing"
	"time"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/regtest"
	"github.com/postern-spe/postern/platform/power"
)

func TestRegisters(t *testing.T) {
	for name, variant := range variants {
		t.Run(name, func(t *testing.T) {
			cache := uint32(0)
			if name == "nrf9160" {
				cache = 0x101
			}
			regtest.Run(t, func() bus.Peripheral { return newDevice(t, variant()) }, []regtest.Row{
				{Name: "READY", Off: 0x400, Reset: 1, NonSecure: true},
				{Name: "READYNEXT", Off: 0x408, Reset: 1, NonSecure: true},
				regtest.RW(regtest.Row{Name: "CONFIG", Off: 0x504}, 7),
				{Name: "ERASEPAGE, of nRF52 only", Off: 0x508},
				{Name: "ERASEALL", Off: 0x50C},
				{Name: "ERASEUICR, of nRF52 only", Off: 0x514},
				{Name: "ERASEPAGEPARTIAL, of nRF52 only", Off: 0x518},
				regtest.RW(regtest.Row{Name: "ERASEPAGEPARTIALCFG", Off: 0x51C, Reset: 0x0A}, 0x7F),
				regtest.RW(regtest.Row{Name: "ICACHECNF", Off: 0x540}, cache),
				{Name: "IHIT", Off: 0x548},
				{Name: "IMISS", Off: 0x54C},
				regtest.RW(regtest.Row{Name: "CONFIGNS", Off: 0x584, NonSecure: true}, 3),
				{Name: "WRITEUICRNS", Off: 0x588},
				{Name: "nothing", Off: 0x600},
			})
		})
	}
}

func TestEraseAll(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config uint32
		v      uint32
		view   bus.Attribute
		refuse error
		erased int
	}{
		{"Een", Een, 1, bus.Secure, nil, 1},
		{"Wen", Wen, 1, bus.Secure, nil, 0},
		{"Ren", Ren, 1, bus.Secure, nil, 0},
		{"write of 0", Een, 0xFFFFFFFE, bus.Secure, nil, 0},
		{"non-secure view", Een, 1, bus.NonSecure, nil, 0},
		{"erase-protected", Een, 1, bus.Secure, errors.New("protected"), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDevice(t, NRF5340())
			d.refuse = tt.refuse
			d.put(t, 0x2000, 5)
			d.set(RegConfig, tt.config)
			d.WriteRegister(RegEraseAll, tt.v, tt.view)
			if got := d.word(t, 0x2000); (got == 0xFFFFFFFF) != (tt.erased == 1) {
				t.Errorf("the word is 0x%08x", got)
			}
			if d.erased != tt.erased || d.clock.Now() != time.Duration(tt.erased)*173*time.Millisecond {
				t.Errorf("erased %d times in %v", d.erased, d.clock.Now())
			}
		})
	}
}

func TestWriteUICRNS(t *testing.T) {
	for _, tt := range []struct {
		name string
		v    uint32
		want int
	}{
		{"key and SET", 0xAFBE5A71, 1},
		{"key alone", 0xAFBE5A70, 0},
		{"SET alone", 1, 0},
		{"other key", 0xAFBE5A61, 0},
		{"bits between", 0xAFBE5A73, 0},
	} {
		d := newDevice(t, NRF5340())
		d.WriteRegister(RegWriteUICRNS, tt.v, bus.NonSecure)
		if d.protected != tt.want || d.clock.Now() != time.Duration(tt.want)*43*time.Microsecond {
			t.Errorf("%s: protected %d times in %v", tt.name, d.protected, d.clock.Now())
		}
	}
	d := newDevice(t, NRF5340())
	d.refuse = power.ErrLost
	d.WriteRegister(RegWriteUICRNS, KeyWriteUICRNS, bus.Secure)
	if d.clock.Now() != 0 {
		t.Error("a write that failed took time")
	}
}

func TestWriteEnabled(t *testing.T) {
	d := newDevice(t, NRF5340())
	for _, tt := range []struct {
		v    uint32
		want bool
	}{{Ren, false}, {Wen, true}, {Een, false}, {3, false}, {PEen, false}} {
		d.set(RegConfig, tt.v)
		if d.WriteEnabled() != tt.want {
			t.Errorf("WEN %d: %v", tt.v, !tt.want)
		}
	}
	d.set(RegConfig, Wen)
	d.Reset()
	if d.WriteEnabled() {
		t.Error("after reset")
	}
}
