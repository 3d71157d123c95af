package kmu

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/regtest"
	"github.com/postern-spe/postern/platform/uicr"
)

func TestRegisters(t *testing.T) {
	rows := []regtest.Row{
		{Name: "TASKS_PUSH_KEYSLOT", Off: 0x000},
		regtest.RW(regtest.Row{Name: "EVENTS_KEYSLOT_PUSHED", Off: 0x100}, 1),
		regtest.RW(regtest.Row{Name: "EVENTS_KEYSLOT_REVOKED", Off: 0x104}, 1),
		regtest.RW(regtest.Row{Name: "EVENTS_KEYSLOT_ERROR", Off: 0x108}, 1),
		regtest.RW(regtest.Row{Name: "INTEN", Off: 0x300}, 7),
		{Name: "INTENSET", Off: 0x304, Ones: 7},
		{Name: "INTENCLR", Off: 0x308},
		{Name: "INTPEND", Off: 0x30C},
		{Name: "STATUS", Off: 0x40C},
		regtest.RW(regtest.Row{Name: "SELECTKEYSLOT", Off: 0x500}, 0xFF),
		{Name: "the NVMC's READY", Off: 0x400},
	}
	regtest.Run(t, func() bus.Peripheral { return newChip(t).KMU }, rows)
	for _, r := range rows {
		if got := HasRegister(r.Off); got != (r.Off != 0x400) {
			t.Errorf("HasRegister(0x%03x) = %v", r.Off, got)
		}
	}
}

func TestInterrupts(t *testing.T) {
	c := newChip(t)
	want := func(step string, inten, pend uint32, irqs int) {
		t.Helper()
		if got := c.get(t, RegIntEn); got != inten {
			t.Errorf("%s: INTEN 0x%x, want 0x%x", step, got, inten)
		}
		if got := c.get(t, RegIntPend); got != pend {
			t.Errorf("%s: INTPEND 0x%x, want 0x%x", step, got, pend)
		}
		if c.irqs != irqs {
			t.Errorf("%s: %d interrupts, want %d", step, c.irqs, irqs)
		}
	}
	push := func() { c.set(t, RegTasksPush, 1) } // nothing selected: an error
	push()
	want("disabled", 0, 0, 0)
	c.set(t, RegIntEnSet, IntError|IntRevoked)
	want("enabled with the event there", IntError|IntRevoked, IntError, 1)
	push()
	want("the event is there already", IntError|IntRevoked, IntError, 1)
	c.set(t, RegEventsError, 0)
	want("cleared", IntError|IntRevoked, 0, 1)
	push()
	want("again", IntError|IntRevoked, IntError, 2)
	c.set(t, RegIntEnClr, IntError)
	want("cleared in INTEN", IntRevoked, 0, 2)
	c.set(t, RegEventsRevoked, 1)
	want("an event set by hand", IntRevoked, IntRevoked, 3)
	if f := c.WriteRegister(RegIntEnSet, 7, bus.NonSecure); f != bus.NoFault {
		t.Error(f)
	}
	want("non-secure", IntRevoked, IntRevoked, 3)
	c.Reset()
	want("reset", 0, 0, 3)
}

// TestLoads is the processor's view of the slots by address.
func TestLoads(t *testing.T) {
	c := newChip(t)
	c.write(t, 6, NoDest, PermIdentity)
	c.write(t, 2, testDest, PermKey)
	value := func(slot uint32) uint32 { return uicr.RegKeySlotKey + 16*slot }
	tests := []struct {
		name      string
		selected  uint32
		off, want uint32
		blocked   bool
	}{
		{"readable, selected", 7, value(6), binary.LittleEndian.Uint32(testKey), false},
		{"readable, last word", 7, value(6) + 12, binary.LittleEndian.Uint32(testKey[12:]), false},
		{"readable, none selected", 0, value(6), uicr.Denied, true},
		{"readable, another selected", 3, value(6), uicr.Denied, true},
		{"not readable, selected", 3, value(2), uicr.Denied, true},
		{"config, selected", 3, uicr.RegKeySlotConfig + 16, testDest, false},
		{"config, not selected", 0, uicr.RegKeySlotConfig + 16, uicr.Denied, true},
		{"perm, selected", 3, uicr.RegKeySlotConfig + 20, PermKey, false},
		{"the last slot, empty", 128, value(127) + 12, 0xFFFFFFFF, false},
		{"the last slot's PERM", 128, uicr.RegKeySlotConfig + 8*127 + 4, 0xFFFFFFFF, false},
		{"ID 129", 129, value(6), uicr.Denied, true},
		{"ID 255", 255, value(6), uicr.Denied, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c.set(t, RegSelectKeySlot, tt.selected)
			var p [4]byte
			if f := c.u.Load(0x00FF8000+tt.off, p[:], bus.Read, bus.SecureCPU); f != bus.NoFault {
				t.Fatal(f)
			}
			if got := binary.LittleEndian.Uint32(p[:]); got != tt.want {
				t.Errorf("0x%08x, want 0x%08x", got, tt.want)
			}
			status := c.get(t, RegStatus)
			if got := status&StatusBlocked != 0; got != tt.blocked {
				t.Errorf("BLOCKED %v", got)
			}
			if got, want := status&StatusSelected != 0, tt.selected >= 1 && tt.selected <= 128; got != want {
				t.Errorf("SELECTED %v", got)
			}
			c.set(t, RegSelectKeySlot, 0)
			if c.get(t, RegStatus) != 0 {
				t.Error("STATUS is not clear after selecting none")
			}
		})
	}
}

// TestPageNeverHasValues: whatever is selected, no debugger's or processor's
// load of the whole page has a key that may not be read.
func TestPageNeverHasValues(t *testing.T) {
	c := newChip(t)
	c.write(t, 2, testDest, PermKey)
	page := make([]byte, uicr.Size)
	for id := range uint32(256) {
		c.set(t, RegSelectKeySlot, id)
		if f := c.u.Load(0x00FF8000, page, bus.Read, bus.SecureCPU); f != bus.NoFault {
			t.Fatal(f)
		}
		if bytes.Contains(page, testKey[:4]) {
			t.Fatalf("with ID %d", id)
		}
	}
	if err := c.page.Read(0, page); err != nil || bytes.Contains(page, testKey[:4]) {
		t.Errorf("in the page's cells (%v)", err)
	}
}

// TestManualProcedure writes, pushes, and revokes a slot as the manual says, by
// registers and stores alone.
func TestManualProcedure(t *testing.T) {
	const slot, dest = 20, 0x50845410
	config, value := uint32(0x00FF8400+8*slot), uint32(0x00FF8800+16*slot)
	c := newChip(t)
	store := func(addr, v uint32) bus.Fault { return c.u.Store(addr, 4, v, bus.SecureCPU) }
	ok := func(addr, v uint32) {
		t.Helper()
		if f := store(addr, v); f != bus.NoFault {
			t.Fatalf("0x%08x: %v", addr, f)
		}
	}
	c.wen = false
	c.set(t, RegSelectKeySlot, slot+1)
	if f := store(value, 0); f != bus.BusFault {
		t.Errorf("a store with CONFIG.WEN = Ren: %v", f)
	}
	c.wen = true
	c.set(t, RegSelectKeySlot, slot+2)
	ok(value, 0)
	ok(config, 0)
	ok(config+4, 0)
	if c.get(t, RegStatus) != StatusSelected|StatusBlocked {
		t.Errorf("STATUS 0x%x after stores to another slot", c.get(t, RegStatus))
	}
	if b, err := c.u.Blank(); err != nil || !b {
		t.Fatalf("blank: %v, %v", b, err)
	}

	c.set(t, RegSelectKeySlot, slot+1)
	ok(config, dest)
	for i := range uint32(4) {
		ok(value+4*i, binary.LittleEndian.Uint32(testKey[4*i:]))
	}
	ok(config+4, PermKey)
	if c.get(t, RegStatus) != StatusSelected {
		t.Errorf("STATUS 0x%x", c.get(t, RegStatus))
	}
	c.set(t, RegTasksPush, 1)
	if !bytes.Equal(c.sink.got[dest], testKey) || c.get(t, RegEventsPushed) != 1 {
		t.Error("not pushed")
	}
	ok(config+4, 0xFFFFFFF8) // the half has been written: ignored
	if cfg, err := c.Config(slot); err != nil || cfg != (Config{Active, dest, PermKey}) {
		t.Errorf("%+v, %v", cfg, err)
	}
	c.set(t, RegSelectKeySlot, slot+1)
	ok(config+4, 0xFFFEFFFF)
	if !c.values.Zero(slot*16, 16) {
		t.Error("not wiped")
	}
	c.set(t, RegTasksPush, 1)
	if c.get(t, RegEventsRevoked) != 1 {
		t.Error("EVENTS_KEYSLOT_REVOKED")
	}
	ok(config+4, 0xFFFFFFFF) // changes nothing, and wipes nothing again
	if cfg, err := c.Config(slot); err != nil || cfg != (Config{Revoked, dest, 0xFFFEFFFC}) {
		t.Errorf("%+v, %v", cfg, err)
	}
}

func TestPushTask(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, c *chip)
		id      uint32
		event   uint32
	}{
		{"pushed", nil, 3, RegEventsPushed},
		{"nothing selected", nil, 0, RegEventsError},
		{"ID 129", nil, 129, RegEventsError},
		{"empty slot", nil, 50, RegEventsError},
		{"PUSH disabled", func(t *testing.T, c *chip) { c.write(t, 9, testDest, PermIdentity) }, 10, RegEventsError},
		{"no destination", func(t *testing.T, c *chip) {
			c.set(t, RegSelectKeySlot, 10)
			for i := range uint32(4) {
				if err := c.StoreSlot(uicr.RegKeySlotKey+9*16+4*i, 0); err != nil {
					t.Fatal(err)
				}
			}
		}, 10, RegEventsError},
		{"engine refuses", func(_ *testing.T, c *chip) { c.sink.fail = errors.New("no such register") }, 3, RegEventsError},
		{"revoked", func(t *testing.T, c *chip) {
			if err := c.Revoke(2); err != nil {
				t.Fatal(err)
			}
		}, 3, RegEventsRevoked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newChip(t)
			c.write(t, 2, testDest, PermKey)
			if tt.prepare != nil {
				tt.prepare(t, c)
			}
			c.set(t, RegSelectKeySlot, tt.id)
			c.set(t, RegTasksPush, 0) // no trigger
			c.set(t, RegTasksPush, 1)
			for _, reg := range []uint32{RegEventsPushed, RegEventsRevoked, RegEventsError} {
				if got := c.get(t, reg) != 0; got != (reg == tt.event) {
					t.Errorf("event 0x%x: %v", reg, got)
				}
			}
		})
	}
}

// FuzzBus plays any stores to slots and registers, over one key that may only be
// pushed, and looks whether a load gets any of it.
func FuzzBus(f *testing.F) {
	f.Add([]byte{0x00, 0x05, 3, 0, 0, 0, 0x14, 0x04, 0xFF, 0xFF, 0xFE, 0xFF})
	f.Fuzz(func(t *testing.T, ops []byte) {
		c := newChip(t)
		c.write(t, 2, testDest, PermKey)
		page := make([]byte, uicr.Size)
		for ; len(ops) >= 6; ops = ops[6:] {
			off, v := uint32(binary.LittleEndian.Uint16(ops))&^3, binary.LittleEndian.Uint32(ops[2:])
			if off&0x8000 == 0 {
				c.set(t, off&0xFFF, v)
			} else {
				c.u.Store(0x00FF8000+off&0xFFF, 4, v, bus.SecureCPU)
			}
			c.u.Load(0x00FF8000, page, bus.Read, bus.SecureCPU)
			for i := uicr.RegKeySlotKey + 32; i < uicr.RegKeySlotKey+48; i += 4 {
				if got := binary.LittleEndian.Uint32(page[i:]); got != uicr.Denied {
					t.Fatalf("VALUE reads 0x%08x after a store of 0x%x to 0x%x", got, v, off)
				}
			}
		}
		if cfg, err := c.Config(2); err != nil || cfg.Dest != testDest {
			t.Errorf("%+v, %v", cfg, err)
		}
	})
}
