package ctrlap

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
)

func TestMemoryAccess(t *testing.T) {
	open, nonSecure, closed := "secure", "non-secure", "closed"
	both := func(v uint32) *CtrlAP { // writes v to both of the CPU's DISABLE
		p, _ := port(Config{Variant: NRF5340()})
		p.WriteRegister(RegAPProtectDisable, v, bus.Secure)
		p.WriteRegister(RegSecureAPProtectDisable, v, bus.Secure)
		return p
	}
	access := func(c Config) *CtrlAP { p, _ := port(c); return p }
	tests := []struct {
		name string
		p    *CtrlAP
		want string
	}{
		{"nrf5340 after reset", access(Config{Variant: NRF5340()}), closed},
		{"nrf5340, firmware writes the default key", both(DefaultKey), open},
		{"nrf5340, firmware writes another key", both(5), closed},
		{"nrf5340, both sides have no key", func() *CtrlAP {
			p := both(0)
			p.Write(0x010, 0)
			p.Write(0x014, 0)
			return p
		}(), closed},
		{"nrf5340, both sides have a key of their own", func() *CtrlAP {
			p := both(0xABCD)
			p.Write(0x010, 0xABCD)
			p.Write(0x014, 0xABCD)
			return p
		}(), open},
		{"nrf5340, debugger takes its key back", func() *CtrlAP {
			p := both(DefaultKey)
			p.Write(0x010, 1)
			return p
		}(), closed},
		{"nrf5340, secure key does not match", func() *CtrlAP {
			p := both(DefaultKey)
			p.Write(0x014, 1)
			return p
		}(), nonSecure},
		{"nrf5340, secure key alone", func() *CtrlAP {
			p := both(DefaultKey)
			p.WriteRegister(RegAPProtectDisable, 0, bus.Secure)
			return p
		}(), closed},
		{"nrf5340, UICR protects", func() *CtrlAP {
			p := access(Config{Variant: NRF5340(), UICR: fixed{ap: true}})
			p.WriteRegister(RegAPProtectDisable, DefaultKey, bus.Secure)
			p.WriteRegister(RegSecureAPProtectDisable, DefaultKey, bus.Secure)
			return p
		}(), closed},
		{"nrf5340, UICR protects the secure part", func() *CtrlAP {
			p := access(Config{Variant: NRF5340(), UICR: fixed{secure: true}})
			p.WriteRegister(RegAPProtectDisable, DefaultKey, bus.Secure)
			p.WriteRegister(RegSecureAPProtectDisable, DefaultKey, bus.Secure)
			return p
		}(), nonSecure},
		{"nrf5340, DISABLE locked at 0", func() *CtrlAP {
			p := access(Config{Variant: NRF5340()})
			p.WriteRegister(RegAPProtectLock, 1, bus.Secure)
			p.WriteRegister(RegAPProtectDisable, DefaultKey, bus.Secure)
			return p
		}(), closed},
		{"nrf5340 after ERASEALL and reset", access(Config{Variant: NRF5340(), UICR: fixed{ap: true, secure: true}, OpenedByErase: true}), open},
		{"nrf5340, UICR cannot be read", func() *CtrlAP {
			p := access(Config{Variant: NRF5340(), UICR: fixed{err: errors.New("no power")}})
			p.WriteRegister(RegAPProtectDisable, DefaultKey, bus.Secure)
			return p
		}(), closed},
		{"nrf9160 unprotected", access(Config{Variant: NRF9160()}), open},
		{"nrf9160 protected", access(Config{Variant: NRF9160(), UICR: fixed{ap: true}}), closed},
		{"nrf9160, secure protected", access(Config{Variant: NRF9160(), UICR: fixed{secure: true}}), nonSecure},
		{"nrf9160 after ERASEALL and reset", access(Config{Variant: NRF9160(), UICR: fixed{ap: true}, OpenedByErase: true}), open},
		{"nrf54l15, signals low", access(Config{Variant: NRF54L15(), Signals: signals{}}), closed},
		{"nrf54l15, DBGEN", access(Config{Variant: NRF54L15(), Signals: signals{debug: true}}), nonSecure},
		{"nrf54l15, SPIDEN alone", access(Config{Variant: NRF54L15(), Signals: signals{secure: true}}), closed},
		{"nrf54l15, DBGEN and SPIDEN", access(Config{Variant: NRF54L15(), Signals: signals{debug: true, secure: true}}), open},
		{"nrf54l15, UICR protects", access(Config{Variant: NRF54L15(), UICR: fixed{ap: true}, Signals: signals{debug: true, secure: true}}), closed},
		{"nrf54l15, UICR protects the secure part", access(Config{Variant: NRF54L15(), UICR: fixed{secure: true}, Signals: signals{debug: true, secure: true}}), nonSecure},
		{"nrf54l15 after ERASEALL and reset", access(Config{Variant: NRF54L15(), Signals: signals{}, OpenedByErase: true}), open},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			from, ok := tt.p.MemoryAccess()
			if from.Master != bus.Debugger {
				t.Errorf("the master is %v", from.Master)
			}
			got := closed
			if ok {
				got = from.Attr.String()
			}
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if !ok && from.Attr == bus.Secure {
				t.Error("a closed port has the secure attribute")
			}
		})
	}
}

// TestSampled: what the UICR protects is decided by the last reset.
func TestSampled(t *testing.T) {
	u := &struct{ fixed }{}
	p, asked := port(Config{Variant: NRF9160(), UICR: u})
	u.fixed = fixed{ap: true, secure: true, erase: true}
	if _, ok := p.MemoryAccess(); !ok || p.Read(0x018) != 1 || p.Read(0x00C) != 3 {
		t.Error("protected before the reset")
	}
	p.Reset()
	if _, ok := p.MemoryAccess(); ok || p.Read(0x018) != 0 || p.Read(0x00C) != 0 {
		t.Error("not protected after the reset")
	}
	if p.Write(0x004, 1); asked.erases != 0 {
		t.Error("erased a protected device")
	}
}

func TestRetained(t *testing.T) {
	p, _ := port(Config{Variant: NRF5340()})
	p.WriteRegister(RegAPProtectDisable, DefaultKey, bus.Secure)
	p.WriteRegister(RegAPProtectLock, 1, bus.Secure)
	next, _ := port(Config{Variant: NRF5340(), Retained: p.Retained()})
	if _, ok := next.MemoryAccess(); !ok {
		t.Error("a soft reset closed the port")
	}
	next.WriteRegister(RegAPProtectDisable, 0, bus.Secure)
	if _, ok := next.MemoryAccess(); ok {
		t.Error("LOCK outlasted the reset")
	}
	p.Reset()
	if _, ok := p.MemoryAccess(); ok {
		t.Error("another reset left the port open")
	}
	if v, _ := p.ReadRegister(RegAPProtectLock, bus.Secure); v != 0 || p.Read(0x010) != DefaultKey {
		t.Error("Reset left a register as it was")
	}
}

func TestMailbox(t *testing.T) {
	for name, v := range map[string]Variant{"nrf5340": NRF5340(), "nrf9160": NRF9160(), "nrf54l15": NRF54L15()} {
		t.Run(name, func(t *testing.T) {
			p, asked := port(Config{Variant: v})
			p.WriteRegister(RegIntenSet, 3, bus.Secure)
			status := func(wantTX, wantRX uint32) {
				t.Helper()
				rx, _ := p.ReadRegister(RegMailboxRXStatus, bus.Secure)
				tx, _ := p.ReadRegister(RegMailboxTXStatus, bus.Secure)
				// Each side's TX is the other's RX.
				if got := [4]uint32{p.Read(0x024), rx, tx, p.Read(0x02C)}; got != [4]uint32{wantTX, wantTX, wantRX, wantRX} {
					t.Errorf("pending %v, want %d to the CPU and %d to the debugger", got, wantTX, wantRX)
				}
			}
			status(0, 0)
			p.Write(0x020, 0xC0FFEE)
			status(1, 0)
			p.WriteRegister(RegMailboxTXData, 0xBEEF, bus.Secure)
			status(1, 1)
			if v, _ := p.ReadRegister(RegMailboxRXData, bus.Secure); v != 0xC0FFEE {
				t.Errorf("the CPU reads 0x%x", v)
			}
			status(0, 1)
			if v := p.Read(0x028); v != 0xBEEF {
				t.Errorf("the debugger reads 0x%x", v)
			}
			status(0, 0)
			want := 0
			if v.CPU[RegInten] {
				want = 2
				p.WriteRegister(RegEventsRXReady, 0, bus.Secure)
				if v, _ := p.ReadRegister(RegIntPend, bus.Secure); v != 2 {
					t.Errorf("INTPEND is %d, want TXDONE alone", v)
				}
			}
			if asked.interrupts != want {
				t.Errorf("%d interrupts, want %d", asked.interrupts, want)
			}
			p.Read(0x028) // empty: nothing is done a second time
			if asked.interrupts != want {
				t.Error("an empty mailbox raised an interrupt")
			}
		})
	}
}

// TestInterruptEnabledLate: an event that waits raises the interrupt when INTEN
// comes to enable it, and not twice.
func TestInterruptEnabledLate(t *testing.T) {
	p, asked := port(Config{Variant: NRF54L15()})
	p.Write(0x020, 1)
	p.WriteRegister(RegInten, 1, bus.Secure)
	p.WriteRegister(RegIntenSet, 1, bus.Secure)
	p.Write(0x020, 2)
	if asked.interrupts != 1 {
		t.Errorf("%d interrupts, want 1", asked.interrupts)
	}
	p.WriteRegister(RegIntenClr, 1, bus.Secure)
	p.WriteRegister(RegEventsRXReady, 0, bus.Secure)
	p.Write(0x020, 3)
	if asked.interrupts != 1 {
		t.Error("a disabled interrupt was raised")
	}
}

func TestStatus(t *testing.T) {
	p, _ := port(Config{Variant: NRF5340(), UICR: fixed{secure: true}})
	if v, _ := p.ReadRegister(RegStatus, bus.Secure); v != StatusUICRAPProtect {
		t.Errorf("STATUS is %d", v)
	}
	p.Attach(true)
	if v, _ := p.ReadRegister(RegStatus, bus.Secure); v != StatusUICRAPProtect|StatusDebugInterfaceMode {
		t.Errorf("STATUS is %d with a debugger", v)
	}
	if p.Read(0x00C) != StatusAPProtect {
		t.Error("APPROTECT.STATUS differs")
	}
	p, _ = port(Config{Variant: NRF54L15(), UICR: fixed{secure: true, erase: true}})
	if p.Read(0x014) != StatusSecureAPProtect || p.Read(0x00C) != StatusEraseProtect {
		t.Error("on the nRF54L15 a 1 means protected")
	}
}

func TestResetKind(t *testing.T) {
	for k, want := range map[ResetKind]string{0: "no", SoftReset: "soft", HardReset: "hard", PinReset: "pin"} {
		if k.String() != want {
			t.Errorf("%d is %v, want %s", k, k, want)
		}
	}
}

func TestReset(t *testing.T) {
	all := []uint32{0, 1, 2, 3, 4, 5, 0x101, 0xFFFFFFFF}
	for name, tt := range map[string]struct {
		v    Variant
		want []ResetKind
	}{
		"nrf5340":  {NRF5340(), []ResetKind{SoftReset}},
		"nrf9160":  {NRF9160(), []ResetKind{SoftReset}},
		"nrf54l15": {NRF54L15(), []ResetKind{SoftReset, HardReset, PinReset}},
	} {
		t.Run(name, func(t *testing.T) {
			p, asked := port(Config{Variant: tt.v})
			for _, v := range all {
				p.Write(0x000, v)
			}
			if !slices.Equal(asked.resets, tt.want) {
				t.Errorf("the debugger got %v, want %v", asked.resets, tt.want)
			}
			asked.resets = nil
			for _, v := range all {
				p.WriteRegister(RegReset, v, bus.Secure)
			}
			if !tt.v.CPU[RegReset] {
				tt.want = nil
			}
			if !slices.Equal(asked.resets, tt.want) {
				t.Errorf("the CPU got %v, want %v", asked.resets, tt.want)
			}
		})
	}
}

// TestConcurrent: both sides at once, for the race detector.
func TestConcurrent(t *testing.T) {
	p, _ := port(Config{Variant: NRF54L15(), Signals: signals{}, EraseAll: func() error { return nil }})
	p.c.Interrupt, p.c.Reset = func() {}, func(ResetKind) {}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for off := uint32(0); off < 0x600; off += 4 {
				p.Write(off, 1)
				p.Read(off)
				p.WriteRegister(off, 1, bus.Secure)
				p.ReadRegister(off, bus.Secure)
				p.MemoryAccess()
			}
		})
	}
	wg.Wait()
}
