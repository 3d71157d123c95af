package board

import (
	"testing"

	"github.com/postern-spe/postern/platform/bus"
)

func lookup(t *testing.T, name string) *Board {
	t.Helper()
	b, ok := Lookup(name)
	if !ok {
		t.Fatalf("no board %s", name)
	}
	return b
}

func TestNames(t *testing.T) {
	names := Names()
	if len(names) != 4 || names[0] != Default {
		t.Errorf("Names() = %v", names)
	}
	if _, ok := Lookup("nrf52840"); ok {
		t.Error("found a board that is not there")
	}
}

// A caller that changes its board must not change anybody else's.
func TestBoardsAreOwn(t *testing.T) {
	for _, name := range Names() {
		a, b := lookup(t, name), lookup(t, name)
		a.Areas[0].Size, a.Peripherals[0].Size, a.FICR.Words[0].Value = 1, 1, 1
		a.External.Size, a.GPIO[0].Secure = 1, 1
		if b.Areas[0].Size == 1 || b.Peripherals[0].Size == 1 || b.FICR.Words[0].Value == 1 || b.External.Size == 1 || b.GPIO[0].Secure == 1 {
			t.Errorf("%s: two look-ups share something", name)
		}
	}
}

func TestMemoryFacts(t *testing.T) {
	const mib = 1 << 20
	for _, want := range []struct {
		board                         string
		flash, flashRegion            uint32
		ram, ramRegion, secureRAM     uint32
		uicr, ficr, sicr              uint32
		external, xip                 uint32
		ps, its, counters, nonSecure  uint32 // sizes
		kind                          FlashKind
		keys                          KeyHardware
		dppiChannels, pins, spus, ids int
		domain                        bool
	}{
		{"nrf5340", mib, 0x4000, 512 << 10, 0x2000, 256 << 10, 0xFF8000, 0xFF0000, 0, 8 * mib, 0x10000000,
			0x4000, 0x2000, 0x2000, 0x8000, NVMC, CC312, 32, 48, 1, 256, true},
		{"nrf9160", mib, 0x8000, 256 << 10, 0x2000, 0x16000, 0xFF8000, 0xFF0000, 0, 8 * mib, 0,
			0x4000, 0x2000, 0x2000, 0x8000, NVMC, CC310, 16, 32, 1, 67, true},
		{"nrf54l15", 0x17D000, 0x1000, 256 << 10, 0x1000, 128 << 10, 0xFFD000, 0xFFC000, 0xFFE000, 8 * mib, 0,
			0x4000, 0x4000, 0x2000, 0x8000, RRAM, CRACEN, 52, 35, 4, 64, false},
		{"virt", 64 * mib, mib, 512 << 10, 0x2000, 256 << 10, 0x0FFF8000, 0x0FFF0000, 0, 64 * mib, 0x10000000,
			16 * mib, 16 * mib, mib, 14 * mib, NVMC, CC312, 32, 48, 1, 256, true},
	} {
		t.Run(want.board, func(t *testing.T) {
			b := lookup(t, want.board)
			size := func(area string) uint32 { a, _ := b.Area(area); return a.Size }
			lines := func(ls []Lines) (n int) {
				for _, l := range ls {
					n += l.N
					if l.Secure != 0 {
						t.Errorf("%s: 0x%x secure after boot", l.Instance, l.Secure)
					}
				}
				return n
			}
			for _, f := range []struct {
				name      string
				got, want any
			}{
				{"flash", b.Flash, Flash{0, want.flash, 4096, want.flashRegion, want.kind}},
				{"RAM", b.RAM, RAM{0x20000000, want.ram, want.ramRegion}},
				{"secure RAM", b.SecureRAM, want.secureRAM},
				{"callable", b.Callable, uint32(0x400)},
				{"UICR", b.UICR, want.uicr},
				{"FICR", b.FICR.Base, want.ficr},
				{"SICR", b.SICR, want.sicr},
				{"external flash", b.External.Size, want.external},
				{"window", b.External.XIPBase, want.xip},
				{"PS", size(PS), want.ps},
				{"ITS", size(ITS), want.its},
				{"counters", size(NVCounters), want.counters},
				{"non-secure storage", size(NonSecureStorage), want.nonSecure},
				{"keys", b.KeyHardware, want.keys},
				{"DPPI channels", lines(b.DPPI), want.dppiChannels},
				{"pins", lines(b.GPIO), want.pins},
				{"SPUs", len(b.Emulated(SPU)), want.spus},
				{"IDs", b.IDs, want.ids},
				{"other domain", b.Domain != nil, want.domain},
			} {
				if f.got != f.want {
					t.Errorf("%s: %v, want %v", f.name, f.got, f.want)
				}
			}
		})
	}
}

// TestPeripheralFacts: the addresses and IDs that firmware people know, with
// the reset words of PERIPHID[n].PERM and PERIPH[n].PERM.
func TestPeripheralFacts(t *testing.T) {
	for _, want := range []struct {
		board, instance string
		secure          uint32 // the address in the secure view
		id              int
		perm            uint32
		nonSecure       bool
	}{
		{"nrf5340", "DCNF", 0x50000000, 0x00, 0x80000012, true},
		{"nrf5340", "FPU", 0x50000000, 0x00, 0x80000012, true},
		{"nrf5340", "CACHE", 0x50001000, 0x01, 0x80000011, false},
		{"nrf5340", "SPU", 0x50003000, 0x03, 0x80000011, false},
		{"nrf5340", "OSCILLATORS", 0x50004000, 0x04, 0x80000012, true},
		{"nrf5340", "REGULATORS", 0x50004000, 0x04, 0x80000012, true},
		{"nrf5340", "RESET", 0x50005000, 0x05, 0x80000012, true},
		{"nrf5340", "CTRLAP", 0x50006000, 0x06, 0x80000016, false},
		{"nrf5340", "UARTE0", 0x50008000, 0x08, 0x8000003A, true},
		{"nrf5340", "SPIM4", 0x5000A000, 0x0A, 0x8000003A, true},
		{"nrf5340", "DPPIC", 0x50017000, 0x17, 0x80000013, true},
		{"nrf5340", "WDT0", 0x50018000, 0x18, 0x80000012, true},
		{"nrf5340", "IPC", 0x5002A000, 0x2A, 0x80000012, true},
		{"nrf5340", "QSPI", 0x5002B000, 0x2B, 0x8000003A, true},
		{"nrf5340", "GPIOTE1", 0x5002F000, 0x2F, 0x80000000, true},
		{"nrf5340", "NVMC", 0x50039000, 0x39, 0x80000013, true},
		{"nrf5340", "KMU", 0x50039000, 0x39, 0x80000013, true},
		{"nrf5340", "P0", 0x50842500, 0x42, 0x80000013, true},
		{"nrf5340", "P1", 0x50842800, 0x42, 0x80000013, true},
		{"nrf5340", "CRYPTOCELL", 0x50844000, 0x44, 0x80000015, false},
		{"nrf5340", "VMC", 0x50081000, 0x81, 0x80000012, true},
		{"nrf9160", "SPU", 0x50003000, 0x03, 0x80000011, false},
		{"nrf9160", "CTRL_AP_PERI", 0x50006000, 0x06, 0x80000011, false},
		{"nrf9160", "SPIM3", 0x5000B000, 0x0B, 0x8000003A, true},
		{"nrf9160", "WDT", 0x50018000, 0x18, 0x80000012, true},
		{"nrf9160", "IPC", 0x5002A000, 0x2A, 0x80000012, true},
		{"nrf9160", "FPU", 0x5002C000, 0x2C, 0x80000000, true},
		{"nrf9160", "NVMC", 0x50039000, 0x39, 0x80000013, true},
		{"nrf9160", "VMC", 0x5003A000, 0x3A, 0x80000012, true},
		{"nrf9160", "CRYPTOCELL", 0x50840000, 0x40, 0x80000015, false},
		{"nrf9160", "CC_HOST_RGF", 0x50841000, 0x41, 0x80000015, false},
		{"nrf9160", "P0", 0x50842500, 0x42, 0x80000013, true},
		{"nrf54l15", "MPC00", 0x50041000, 0x01, 0x80000011, false},
		{"nrf54l15", "KMU", 0x50045000, 0x05, 0x80000015, false},
		{"nrf54l15", "CRACEN", 0x50048000, 0x08, 0x80000015, false},
		{"nrf54l15", "SPIM00", 0x5004A000, 0x0A, 0x8000003A, true},
		{"nrf54l15", "RRAMC", 0x5004B000, 0x0B, 0x80000011, false},
		{"nrf54l15", "VPR00", 0x5004C000, 0x0C, 0x80000002, true},
		{"nrf54l15", "CTRLAP", 0x50052000, 0x12, 0x80000016, false},
		{"nrf54l15", "MEMCONF", 0x500CF000, 0x0F, 0x80000012, false},
		{"nrf54l15", "TAMPC", 0x500DC000, 0x1C, 0x80000011, false},
		{"nrf54l15", "GRTC", 0x500E2000, 0x22, 0x80000013, true},
		{"nrf54l15", "WDT31", 0x50109000, 0x09, 0x80000012, true},
		{"nrf54l15", "RESET", 0x5010E000, 0x0E, 0x80000012, true},
		{"nrf54l15", "REGULATORS", 0x50120000, 0x20, 0x80000012, false},
	} {
		t.Run(want.board+"/"+want.instance, func(t *testing.T) {
			b := lookup(t, want.board)
			p, ok := b.Peripheral(want.instance)
			if !ok {
				t.Fatal("not there")
			}
			if got := p.Address(bus.Secure); got != want.secure {
				t.Errorf("at 0x%08x, want 0x%08x", got, want.secure)
			}
			if got := p.Address(bus.NonSecure); got != want.secure-0x10000000 {
				t.Errorf("non-secure view at 0x%08x", got)
			}
			if _, id, ok := b.ID(p); !ok || id != want.id {
				t.Errorf("ID 0x%02x, %v, want 0x%02x", id, ok, want.id)
			}
			if got := b.PeripheralPerm(p); got != want.perm {
				t.Errorf("PERM 0x%08x, want 0x%08x", got, want.perm)
			}
			if p.NonSecure != want.nonSecure {
				t.Errorf("non-secure after boot: %v, want %v", p.NonSecure, want.nonSecure)
			}
		})
	}
}

// Which of nRF54L's SPUs guards a peripheral, and that none guards CRACEN's
// core.
func TestGuardingSPU(t *testing.T) {
	b := lookup(t, "nrf54l15")
	for instance, want := range map[string]uint32{
		"RRAMC": 0x040000, "RADIO": 0x080000, "TAMPC": 0x0C0000, "WDT30": 0x100000, "OSCILLATORS": 0x100000,
	} {
		p, _ := b.Peripheral(instance)
		if spu, _, ok := b.ID(p); !ok || spu != want {
			t.Errorf("%s: guarded by 0x%06x, %v, want 0x%06x", instance, spu, ok, want)
		}
	}
	core, _ := b.Peripheral("CRACENCORE")
	if spu, id, ok := b.ID(core); ok {
		t.Errorf("CRACENCORE: guarded by 0x%06x, ID %d", spu, id)
	}
}

func TestPeripheralAt(t *testing.T) {
	for _, row := range []struct {
		name, board string
		addr        uint32
		want        string // "": nothing
	}{
		{"secure view", "nrf5340", 0x50039504, "NVMC/KMU"},
		{"non-secure view", "nrf5340", 0x40039584, "NVMC/KMU"},
		{"last byte of the first port", "nrf5340", 0x508427FF, "P0"},
		{"second port", "nrf5340", 0x50842800, "P1"},
		{"before the ports", "nrf5340", 0x508424FC, ""},
		{"after the ports", "nrf5340", 0x50842B00, ""},
		{"hole", "nrf5340", 0x50007000, ""},
		{"past all", "nrf5340", 0x5FFFFFFC, ""},
		{"no alias", "nrf5340", 0x00003000, ""},
		{"another alias", "nrf5340", 0x60003000, ""},
		{"private peripherals", "nrf5340", 0xE000ED00, ""},
		{"seed in CRACEN's RAM", "nrf54l15", 0x51810000, "CRACENCORE"},
		{"after it", "nrf54l15", 0x51820000, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, ok := lookup(t, row.board).PeripheralAt(row.addr)
			if p.Name != row.want || ok != (row.want != "") {
				t.Errorf("0x%08x: %q, %v, want %q", row.addr, p.Name, ok, row.want)
			}
		})
	}
}
