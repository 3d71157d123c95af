package kmu54l

import (
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/regtest"
)

func TestRegisters(t *testing.T) {
	task := func(name string, off uint32) regtest.Row {
		return regtest.Row{Name: name, Off: off} // write-only: reads 0
	}
	event := func(name string, off uint32) regtest.Row {
		return regtest.RW(regtest.Row{Name: name, Off: off}, 1)
	}
	rows := []regtest.Row{
		task("TASKS_PROVISION", RegTasksProvision),
		task("TASKS_PUSH", RegTasksPush),
		task("TASKS_REVOKE", RegTasksRevoke),
		task("TASKS_READMETADATA", RegTasksReadMetadata),
		task("TASKS_PUSHBLOCK", RegTasksPushBlock),
		task("TASKS_BLOCK, of other chips", 0x014),
		event("EVENTS_PROVISIONED", RegEventsProvisioned),
		event("EVENTS_PUSHED", RegEventsPushed),
		event("EVENTS_REVOKED", RegEventsRevoked),
		event("EVENTS_ERROR", RegEventsError),
		event("EVENTS_METADATAREAD", RegEventsMetadataRead),
		event("EVENTS_PUSHBLOCKED", RegEventsPushBlocked),
		task("INTEN, of other chips", 0x300),
		{Name: "STATUS", Off: RegStatus},
		regtest.RW(regtest.Row{Name: "KEYSLOT", Off: RegKeySlot}, 0xFF),
		regtest.RW(regtest.Row{Name: "SRC", Off: RegSrc}, 0xFFFFFFFF),
		regtest.RW(regtest.Row{Name: "METADATA", Off: RegMetadata}, 0xFFFFFFFF),
		task("nothing", 0x50C),
	}
	regtest.Run(t, func() bus.Peripheral { k, _ := newKMU(t); return k }, rows)
}

// TestTasksFromNonSecure: the non-secure view starts nothing, and a store of 0 to
// a task starts nothing in either.
func TestTasksFromNonSecure(t *testing.T) {
	for _, tt := range []struct {
		view bus.Attribute
		v    uint32
	}{{bus.NonSecure, 1}, {bus.NonSecure, 0xFFFFFFFF}, {bus.Secure, 0}, {bus.Secure, 0xFFFFFFFE}} {
		k, w := newKMU(t)
		w.source(1, testDest)
		k.WriteRegister(RegSrc, testRAM, bus.Secure)
		for reg := RegTasksProvision; reg <= RegTasksPushBlock; reg += 4 {
			k.WriteRegister(reg, tt.v, tt.view)
		}
		checkEvents(t, k, 0)
		if s, err := k.State(0); s != Erased || err != nil {
			t.Errorf("%v store of %d: %v, %v", tt.view, tt.v, s, err)
		}
	}
}

func TestReset(t *testing.T) {
	k, w := newKMU(t)
	w.source(1, testDest)
	for reg, v := range map[uint32]uint32{RegKeySlot: 3, RegSrc: testRAM, RegMetadata: 7} {
		k.WriteRegister(reg, v, bus.Secure)
	}
	k.WriteRegister(RegTasksProvision, 1, bus.Secure)
	k.Reset()
	for reg := uint32(0); reg < 0x600; reg += 4 {
		if v, _ := k.ReadRegister(reg, bus.Secure); v != 0 {
			t.Errorf("0x%03x reads 0x%08x after reset", reg, v)
		}
	}
	if s, err := k.State(3); s != Provisioned || err != nil {
		t.Errorf("the slot is %v, %v after reset", s, err)
	}
}
