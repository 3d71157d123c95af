package ctrlap

import (
	"errors"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
)

func TestEraseAll(t *testing.T) {
	failure := errors.New("power lost")
	tests := []struct {
		name  string
		c     Config
		err   error
		runs  bool
		busy  uint32
		after uint32
	}{
		{"nrf5340", Config{Variant: NRF5340()}, nil, true, 1, 0},
		{"nrf5340 with the ports closed", Config{Variant: NRF5340(), UICR: fixed{ap: true, secure: true}}, nil, true, 1, 0},
		{"nrf5340 fails", Config{Variant: NRF5340()}, failure, true, 1, 1},
		{"nrf5340 protected", Config{Variant: NRF5340(), UICR: fixed{erase: true}}, nil, false, 0, 0},
		{"nrf5340, UICR cannot be read", Config{Variant: NRF5340(), UICR: fixed{err: failure}}, nil, false, 0, 0},
		{"nrf9160", Config{Variant: NRF9160()}, nil, true, 1, 0},
		{"nrf9160 protected", Config{Variant: NRF9160(), UICR: fixed{erase: true}}, nil, false, 0, 0},
		{"nrf54l15", Config{Variant: NRF54L15(), Signals: signals{}}, nil, true, 2, 1},
		{"nrf54l15 fails", Config{Variant: NRF54L15(), Signals: signals{}}, failure, true, 2, 3},
		{"nrf54l15 protected by the UICR", Config{Variant: NRF54L15(), UICR: fixed{erase: true}, Signals: signals{}}, nil, false, 0, 0},
		{"nrf54l15 protected by the TAMPC", Config{Variant: NRF54L15(), Signals: signals{erase: true}}, nil, false, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p *CtrlAP
			runs, during := 0, uint32(0)
			tt.c.EraseAll = func() error {
				runs++
				during = p.Read(0x008)
				p.Write(0x004, 1) // one at a time
				return tt.err
			}
			p, _ = port(tt.c)
			p.Write(0x004, 0)
			p.Write(0x004, 2)
			if runs != 0 {
				t.Fatal("erased without being told to")
			}
			p.Write(0x004, 1)
			if got := runs == 1; got != tt.runs || runs > 1 {
				t.Fatalf("%d erases", runs)
			}
			if tt.runs && during != tt.busy {
				t.Errorf("ERASEALLSTATUS is %d meanwhile, want %d", during, tt.busy)
			}
			if got := p.Read(0x008); got != tt.after {
				t.Errorf("ERASEALLSTATUS is %d, want %d", got, tt.after)
			}
			if p.Erased() != (tt.runs && tt.err == nil) {
				t.Errorf("Erased is %v", p.Erased())
			}
			if _, ok := p.MemoryAccess(); ok && tt.c.Variant.SoftBranch {
				t.Error("the erase opened the port before the reset")
			}
			p.Reset()
			if p.Read(0x008) != 0 || p.Erased() {
				t.Error("the erase outlasted the reset")
			}
		})
	}
}

// TestEraseKeys: ERASEPROTECT gives way when CPU and debugger have written the
// same key, in either order, and the CPU has one attempt until reset.
func TestEraseKeys(t *testing.T) {
	type write struct {
		cpu bool
		key uint32
	}
	cpu := func(k uint32) write { return write{true, k} }
	dbg := func(k uint32) write { return write{false, k} }
	tests := []struct {
		name   string
		lock   uint32 // what the CPU writes to LOCK before; 0: nothing
		writes []write
		erases int
	}{
		{"debugger first", 0, []write{dbg(5), cpu(5)}, 1},
		{"CPU first", 0, []write{cpu(5), dbg(5)}, 1},
		{"debugger alone", 0, []write{dbg(5), dbg(5)}, 0},
		{"CPU alone", 0, []write{cpu(5)}, 0},
		{"no key", 0, []write{cpu(0), dbg(0)}, 0},
		{"keys differ", 0, []write{cpu(5), dbg(6)}, 0},
		{"debugger corrects itself", 0, []write{cpu(5), dbg(6), dbg(5)}, 1},
		{"CPU writes once", 0, []write{cpu(6), cpu(5), dbg(5)}, 0},
		{"locked", 1, []write{dbg(5), cpu(5)}, 0},
	}
	for name, v := range map[string]Variant{"nrf5340": NRF5340(), "nrf9160": NRF9160(), "nrf54l15": NRF54L15()} {
		off, _ := v.Offset(DebugEraseProtectDisable)
		for _, tt := range tests {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				p, asked := port(Config{Variant: v, UICR: fixed{erase: true}})
				if tt.lock != 0 {
					p.WriteRegister(RegEraseProtectLock, tt.lock, bus.Secure)
					p.WriteRegister(RegEraseProtectLock, 0, bus.Secure)
				}
				var first uint32
				for _, w := range tt.writes {
					if !w.cpu {
						p.Write(off, w.key)
						continue
					}
					p.WriteRegister(RegEraseProtectDisable, w.key, bus.Secure)
					if first == 0 && tt.lock == 0 {
						first = w.key
					}
				}
				if asked.erases != tt.erases {
					t.Errorf("%d erases, want %d", asked.erases, tt.erases)
				}
				if v.WriteOnlyKey {
					first = 0
				}
				if got, _ := p.ReadRegister(RegEraseProtectDisable, bus.Secure); got != first {
					t.Errorf("DISABLE reads 0x%x, want 0x%x", got, first)
				}
			})
		}
	}
}

// TestLockValue: the nRF54L15 locks with any value, the others with bit 0.
func TestLockValue(t *testing.T) {
	for name, tt := range map[string]struct {
		v    Variant
		want uint32
	}{"nrf5340": {NRF5340(), 0}, "nrf9160": {NRF9160(), 0}, "nrf54l15": {NRF54L15(), 1}} {
		p, _ := port(Config{Variant: tt.v})
		p.WriteRegister(RegEraseProtectLock, 2, bus.Secure)
		if v, _ := p.ReadRegister(RegEraseProtectLock, bus.Secure); v != tt.want {
			t.Errorf("%s: LOCK is %d after a write of 2, want %d", name, v, tt.want)
		}
	}
}
