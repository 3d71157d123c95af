package tampc

import (
	"errors"
	"sync"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/regtest"
)

var _ bus.Peripheral = (*TAMPC)(nil)

// fixed is a UICR that says what it says.
type fixed struct {
	ap, secure, erase bool
	err               error
}

func (f fixed) APProtected() (bool, error)       { return f.ap, f.err }
func (f fixed) SecureAPProtected() (bool, error) { return f.secure, f.err }
func (f fixed) EraseProtected() (bool, error)    { return f.erase, f.err }

type asked struct{ interrupts, resets int }

func controller(u UICR) (*TAMPC, *asked) {
	a := new(asked)
	return New(Config{UICR: u, Interrupt: func() { a.interrupts++ }, Reset: func() { a.resets++ }}), a
}

// offsets is where each signal has its CTRL.
var offsets = [signals]uint32{
	DBGEN: 0x500, NIDEN: 0x508, SPIDEN: 0x510, SPNIDEN: 0x518, AuxDBGEN: 0x700,
	ActiveShield: 0x900, CracenTamp: 0x938, GlitchSlowDomain: 0x940, GlitchFastDomain: 0x948,
	ExtResetEn: 0x970, IntResetEn: 0x978, EraseProtect: 0x980,
}

func (t *TAMPC) set(off, v uint32) { t.WriteRegister(off, v, bus.Secure) }

func (t *TAMPC) get(off uint32) uint32 {
	v, _ := t.ReadRegister(off, bus.Secure)
	return v
}

func TestRegisters(t *testing.T) {
	rows := []regtest.Row{
		regtest.RW(regtest.Row{Name: "EVENTS_TAMPER", Off: 0x100}, 1),
		regtest.RW(regtest.Row{Name: "EVENTS_WRITEERROR", Off: 0x104}, 1),
		regtest.RW(regtest.Row{Name: "INTEN", Off: 0x300}, 3),
		{Name: "INTENSET", Off: 0x304, Ones: 3},
		{Name: "INTENCLR", Off: 0x308},
		{Name: "INTPEND", Off: 0x30C},
		{Name: "STATUS", Off: 0x400},
		regtest.RW(regtest.Row{Name: "ACTIVESHIELD.CHEN", Off: 0x404}, 0xF),
	}
	for s, reset := range [signals]uint32{0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x11, 0x11, 0x11, 0x10, 0x11, 0x10} {
		rows = append(rows,
			// Without the key no bit can be written; with it: TestCtrl.
			regtest.Row{Name: "CTRL", Off: offsets[s], Reset: reset},
			regtest.Row{Name: "STATUS of a signal", Off: offsets[s] + 4})
	}
	fresh := func() bus.Peripheral { p, _ := controller(fixed{}); return p }
	regtest.Run(t, fresh, rows)

	known := map[uint32]bool{}
	for _, r := range rows {
		known[r.Off] = true
	}
	p := fresh()
	for off := uint32(0); off < 0x1000; off += 4 {
		if known[off] {
			continue
		}
		p.WriteRegister(off, 0xFFFFFFFF, bus.Secure)
		if v, _ := p.ReadRegister(off, bus.Secure); v != 0 {
			t.Errorf("0x%03x, which is none, reads 0x%x", off, v)
		}
	}
}

// TestCtrl walks what writes do to each protector.
func TestCtrl(t *testing.T) {
	const clear, low, high, lock = CtrlKey | CtrlWriteProtection, CtrlKey, CtrlKey | CtrlValue, CtrlKey | CtrlLock
	tests := []struct {
		name   string
		writes []uint32
		want   uint32 // with VALUE as it is after reset
		value  *bool  // what VALUE is instead; nil: as after reset
		errs   uint32
	}{
		{"clear", []uint32{clear}, 0x00, nil, 0},
		{"clear does not set VALUE", []uint32{clear | CtrlValue | CtrlLock}, 0x00, nil, 0},
		{"two stages", []uint32{clear, high}, 0x10, ptr(true), 0},
		{"two stages, low", []uint32{clear, low}, 0x10, ptr(false), 0},
		{"protected again", []uint32{clear, high, low}, 0x10, ptr(true), 1},
		{"protected", []uint32{low}, 0x10, nil, 1},
		{"without key", []uint32{clear, CtrlValue, 0}, 0x00, nil, 0},
		{"clear without key", []uint32{CtrlWriteProtection, low}, 0x10, nil, 1},
		{"wrong key", []uint32{clear, 0x50FB<<16 | CtrlValue}, 0x00, nil, 0},
		{"lock low", []uint32{clear, lock, clear, high}, 0x12, ptr(false), 0},
		{"lock high", []uint32{clear, lock | high, clear, low}, 0x12, ptr(true), 0},
		{"lock while protected", []uint32{lock}, 0x10, nil, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for s, off := range offsets {
				p, _ := controller(fixed{})
				value := p.Value(Signal(s))
				if tt.value != nil {
					value = *tt.value
				}
				for _, w := range tt.writes {
					p.set(off, w)
				}
				want := tt.want
				if value {
					want |= CtrlValue
				}
				if got := p.get(off); got != want || p.Value(Signal(s)) != value {
					t.Errorf("CTRL at 0x%03x is 0x%x, want 0x%x", off, got, want)
				}
				if got := p.get(RegEventsWriteError); got != tt.errs {
					t.Errorf("0x%03x: WRITEERROR is %d, want %d", off, got, tt.errs)
				}
				p.Reset()
				if p.get(off)&CtrlLock != 0 || p.Value(Signal(s)) != Signal(s).resetsHigh() {
					t.Errorf("0x%03x: Reset left 0x%x", off, p.get(off))
				}
			}
		})
	}
}

func ptr(b bool) *bool { return &b }

// TestUICR: what the UICR protects is locked in its safe state.
func TestUICR(t *testing.T) {
	tests := []struct {
		name   string
		u      fixed
		locked []Signal
	}{
		{"nothing", fixed{}, nil},
		{"APPROTECT", fixed{ap: true}, []Signal{DBGEN, NIDEN, AuxDBGEN}},
		{"SECUREAPPROTECT", fixed{secure: true}, []Signal{SPIDEN, SPNIDEN}},
		{"ERASEPROTECT", fixed{erase: true}, []Signal{EraseProtect}},
		{"unreadable", fixed{err: errors.New("no power")}, []Signal{DBGEN, NIDEN, AuxDBGEN, SPIDEN, SPNIDEN, EraseProtect}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, _ := controller(tt.u)
			locked := map[Signal]bool{}
			for _, s := range tt.locked {
				locked[s] = true
			}
			for s, off := range offsets {
				s := Signal(s)
				before := p.Value(s)
				next := CtrlKey
				if !before {
					next |= CtrlValue
				}
				p.set(off, CtrlKey|CtrlWriteProtection)
				p.set(off, next)
				if changed := p.Value(s) != before; changed == locked[s] {
					t.Errorf("signal %d: locked %v, changed %v", s, locked[s], changed)
				}
				if locked[s] && before != (s == EraseProtect) {
					t.Errorf("signal %d is locked at %v", s, before)
				}
			}
			if p.DebugEnabled() == locked[DBGEN] || p.SecureDebugEnabled() == locked[SPIDEN] || !p.EraseProtected() {
				t.Error("the debug signals differ from the registers")
			}
		})
	}
}

func TestDisturb(t *testing.T) {
	p, a := controller(fixed{})
	p.Disturb(DBGEN)
	if a.resets != 1 || p.get(RegStatus) != 0 {
		t.Fatalf("%d resets, STATUS 0x%x", a.resets, p.get(RegStatus))
	}
	p.set(RegIntResetEn, CtrlKey|CtrlWriteProtection)
	p.set(RegIntResetEn, CtrlKey)
	p.set(RegIntenSet, eventTamper)
	for s, off := range offsets {
		before := p.Value(Signal(s))
		p.Disturb(Signal(s))
		if p.get(off+4) != 1 || p.get(RegStatus) != StatusProtect || p.get(RegEventsTamper) != 1 || p.Value(Signal(s)) != before {
			t.Errorf("signal %d: STATUS %d, 0x%x, event %d", s, p.get(off+4), p.get(RegStatus), p.get(RegEventsTamper))
		}
		if p.get(RegIntPend) != eventTamper || a.interrupts != s+1 {
			t.Errorf("signal %d: INTPEND %d, %d interrupts", s, p.get(RegIntPend), a.interrupts)
		}
		for _, clear := range []struct{ off, v uint32 }{{off + 4, 1}, {RegStatus, StatusProtect}, {RegEventsTamper, 0}} {
			p.set(clear.off, ^clear.v&^1) // the other bits, and no event
			p.set(clear.off, clear.v)
			if p.get(clear.off) != 0 {
				t.Errorf("0x%03x is not cleared", clear.off)
			}
		}
	}
	if a.resets != 1 {
		t.Errorf("%d resets with INTRESETEN off", a.resets)
	}
}

func TestInterrupt(t *testing.T) {
	p, a := controller(fixed{})
	p.set(RegDBGEN, CtrlKey) // write-protected
	if a.interrupts != 0 || p.get(RegIntPend) != 0 {
		t.Fatal("an interrupt that is not enabled")
	}
	p.set(RegInten, eventWriteError)
	p.set(RegDBGEN, CtrlKey)
	if a.interrupts != 1 || p.get(RegIntPend) != eventWriteError {
		t.Errorf("%d interrupts, INTPEND %d", a.interrupts, p.get(RegIntPend))
	}
	p.set(RegIntenClr, eventWriteError)
	p.set(RegEventsWriteError, 0)
	p.set(RegDBGEN, CtrlKey)
	if a.interrupts != 1 {
		t.Error("INTENCLR had no effect")
	}
}

func TestConcurrent(t *testing.T) {
	p := New(Config{UICR: fixed{}, Reset: func() {}})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for off := uint32(0); off < 0x1000; off += 4 {
				p.set(off, CtrlKey|CtrlWriteProtection)
				p.set(off, CtrlKey|CtrlValue)
				p.get(off)
				p.DebugEnabled()
				p.Disturb(SPIDEN)
			}
		})
	}
	wg.Wait()
}
