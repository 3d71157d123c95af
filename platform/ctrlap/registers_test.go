package ctrlap

import (
	"fmt"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/regtest"
)

var _ bus.Peripheral = (*CtrlAP)(nil)

// fixed is a UICR that says what it says.
type fixed struct {
	ap, secure, erase bool
	err               error
}

func (f fixed) APProtected() (bool, error)       { return f.ap, f.err }
func (f fixed) SecureAPProtected() (bool, error) { return f.secure, f.err }
func (f fixed) EraseProtected() (bool, error)    { return f.erase, f.err }

// signals is a TAMPC that says what it says.
type signals struct{ debug, secure, erase bool }

func (s signals) DebugEnabled() bool       { return s.debug }
func (s signals) SecureDebugEnabled() bool { return s.secure }
func (s signals) EraseProtected() bool     { return s.erase }

// port returns a port of a variant, and what it has asked for.
func port(c Config) (*CtrlAP, *asked) {
	r := new(asked)
	if c.UICR == nil {
		c.UICR = fixed{}
	}
	if c.EraseAll == nil {
		c.EraseAll = func() error { r.erases++; return nil }
	}
	c.Reset = func(k ResetKind) { r.resets = append(r.resets, k) }
	c.Interrupt = func() { r.interrupts++ }
	return New(c), r
}

type asked struct {
	erases, interrupts int
	resets             []ResetKind
}

func TestCPURegisters(t *testing.T) {
	const free = 0xFFFFFFFF
	key := "a key is taken once: TestEraseKeys"
	common := func(nonSecure bool) []regtest.Row {
		return []regtest.Row{
			{Name: "MAILBOX.RXDATA", Off: 0x400, NonSecure: nonSecure},
			{Name: "MAILBOX.RXSTATUS", Off: 0x404, NonSecure: nonSecure},
			regtest.RW(regtest.Row{Name: "MAILBOX.TXDATA", Off: 0x480, NonSecure: nonSecure}, free),
			{Name: "MAILBOX.TXSTATUS", Off: 0x484, NonSecure: nonSecure},
			{Name: "ERASEPROTECT.LOCK", Off: 0x500, Ones: 1, NonSecure: nonSecure, Lock: 1},
			{Name: "ERASEPROTECT.DISABLE", Off: 0x504, NonSecure: nonSecure, Lock: 1, LockOff: 0x500, Skip: key},
		}
	}
	tests := []struct {
		name string
		v    Variant
		rows []regtest.Row
	}{
		{"nrf5340", NRF5340(), append(common(true),
			regtest.Row{Name: "APPROTECT.LOCK", Off: 0x540, Ones: 1, NonSecure: true, Lock: 1},
			regtest.RW(regtest.Row{Name: "APPROTECT.DISABLE", Off: 0x544, NonSecure: true, Lock: 1, LockOff: 0x540}, free),
			regtest.Row{Name: "SECUREAPPROTECT.LOCK", Off: 0x548, Ones: 1, NonSecure: true, Lock: 1},
			regtest.RW(regtest.Row{Name: "SECUREAPPROTECT.DISABLE", Off: 0x54C, NonSecure: true, Lock: 1, LockOff: 0x548}, free),
			regtest.Row{Name: "STATUS", Off: 0x600, NonSecure: true},
		)},
		{"nrf9160", NRF9160(), common(false)},
		{"nrf54l15", NRF54L15(), append(common(true),
			regtest.RW(regtest.Row{Name: "EVENTS_RXREADY", Off: 0x100, NonSecure: true}, 1),
			regtest.RW(regtest.Row{Name: "EVENTS_TXDONE", Off: 0x104, NonSecure: true}, 1),
			regtest.RW(regtest.Row{Name: "INTEN", Off: 0x300, NonSecure: true}, 3),
			regtest.Row{Name: "INTENSET", Off: 0x304, NonSecure: true, Ones: 3},
			regtest.Row{Name: "INTENCLR", Off: 0x308, NonSecure: true},
			regtest.Row{Name: "INTPEND", Off: 0x30C, NonSecure: true},
			regtest.Row{Name: "RESET", Off: 0x520, NonSecure: true},
		)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fresh := func() bus.Peripheral {
				p, _ := port(Config{Variant: tt.v, UICR: fixed{ap: true, secure: true}})
				return p
			}
			regtest.Run(t, fresh, tt.rows)
			if len(tt.rows) != len(tt.v.CPU) {
				t.Errorf("%d rows for %d registers", len(tt.rows), len(tt.v.CPU))
			}
			known := map[uint32]bool{}
			for _, r := range tt.rows {
				known[r.Off] = true
			}
			p := fresh()
			for off := uint32(0); off < 0x1000; off += 4 {
				if known[off] {
					continue
				}
				p.WriteRegister(off, 0xFFFFFFFF, bus.Secure)
				if v, f := p.ReadRegister(off, bus.Secure); v != 0 || f != bus.NoFault {
					t.Errorf("0x%03x, which is none, reads 0x%x, %v", off, v, f)
				}
			}
		})
	}
}

func TestDebuggerRegisters(t *testing.T) {
	const key = 0x50FA50FA
	type row struct {
		reg   Register
		off   uint32
		reset uint32 // with an unprotected UICR
		ones  uint32 // after a write of all ones
	}
	mailbox := []row{
		{DebugMailboxTXData, 0x020, 0, 0xFFFFFFFF},
		{DebugMailboxTXStatus, 0x024, 0, 0},
		{DebugMailboxRXData, 0x028, 0, 0},
		{DebugMailboxRXStatus, 0x02C, 0, 0},
		{DebugReset, 0x000, 0, 7},
		{DebugEraseAll, 0x004, 0, 0},
		{DebugEraseAllStatus, 0x008, 0, 0},
	}
	tests := []struct {
		name string
		v    Variant
		rows []row
	}{
		{"nrf5340", NRF5340(), append([]row{
			{DebugAPProtectStatus, 0x00C, 3, 3},
			{DebugAPProtectDisable, 0x010, key, 0}, // it takes a key, and keeps it to itself
			{DebugSecureAPProtectDisable, 0x014, key, 0},
			{DebugEraseProtectStatus, 0x018, 1, 1},
			{DebugEraseProtectDisable, 0x01C, 0, 0xFFFFFFFF},
			{DebugIDR, 0x0FC, 0x12880000, 0x12880000},
		}, mailbox...)},
		{"nrf9160", NRF9160(), append([]row{
			{DebugAPProtectStatus, 0x00C, 3, 3},
			{DebugEraseProtectStatus, 0x018, 1, 1},
			{DebugEraseProtectDisable, 0x01C, 0, 0xFFFFFFFF},
			{DebugIDR, 0x0FC, 0x12880000, 0x12880000},
		}, mailbox...)},
		{"nrf54l15", NRF54L15(), append([]row{
			{DebugEraseProtectStatus, 0x00C, 0, 0},
			{DebugEraseProtectDisable, 0x010, 0, 0xFFFFFFFF},
			{DebugAPProtectStatus, 0x014, 0, 0},
			{DebugInfoPartNo, 0x030, 0x54B15, 0x54B15},
			{DebugInfoHWRevision, 0x034, 2, 2},
			{DebugIDR, 0x0FC, 0x32880000, 0x32880000},
		}, mailbox...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Config{Variant: tt.v, PartNo: 0x54B15, HWRevision: 2}
			known := map[uint32]bool{}
			for _, r := range tt.rows {
				t.Run(fmt.Sprintf("0x%03x", r.off), func(t *testing.T) {
					known[r.off] = true
					if off, ok := tt.v.Offset(r.reg); off != r.off || !ok {
						t.Fatalf("register %d is at 0x%03x, %v", r.reg, off, ok)
					}
					p, asked := port(c)
					if got := p.Read(r.off); got != r.reset {
						t.Errorf("reads 0x%x after reset, want 0x%x", got, r.reset)
					}
					p.Write(r.off, 0xFFFFFFFF)
					if got := p.Read(r.off); got != r.ones {
						t.Errorf("reads 0x%x after ones, want 0x%x", got, r.ones)
					}
					if asked.erases != 0 || asked.resets != nil {
						t.Errorf("a write of ones asked for %+v", asked)
					}
				})
			}
			p, asked := port(c)
			for off := uint32(0); off < 0x1000; off++ {
				if known[off] {
					continue
				}
				p.Write(off, 0xFFFFFFFF)
				if got := p.Read(off); got != 0 {
					t.Errorf("0x%03x, which is none, reads 0x%x", off, got)
				}
			}
			if asked.erases != 0 || asked.resets != nil {
				t.Errorf("writes beside the registers asked for %+v", asked)
			}
			if len(known) != len(tt.v.Debugger) {
				t.Errorf("%d rows for %d registers", len(known), len(tt.v.Debugger))
			}
			if _, ok := tt.v.Offset(0); ok {
				t.Error("found a register that is none")
			}
		})
	}
}

// TestNonSecureView: where the CPU's side is a secure peripheral, the other view
// starts nothing either.
func TestNonSecureView(t *testing.T) {
	p, asked := port(Config{Variant: NRF9160()})
	p.Write(0x020, 5)
	p.Write(0x01C, 9)
	p.WriteRegister(RegEraseProtectDisable, 9, bus.NonSecure)
	if v, _ := p.ReadRegister(RegMailboxRXData, bus.NonSecure); v != 0 || asked.erases != 0 {
		t.Errorf("read 0x%x, %d erases", v, asked.erases)
	}
	if p.Read(0x024) != 1 {
		t.Error("the non-secure view emptied the mailbox")
	}
}
