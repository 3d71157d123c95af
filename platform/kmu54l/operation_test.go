package kmu54l

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
)

// TestOperations tries every operation, by the driver and by the tasks, in every
// state, under every policy, with the slot blocked and with the RRAMC writable.
func TestOperations(t *testing.T) {
	for _, state := range []State{Erased, Provisioned, Revoked} {
		for _, policy := range []Policy{Rotating, Locked, Revocable} {
			if state == Revoked && policy != Revocable {
				continue // no other slot stays revoked
			}
			for _, blocked := range []bool{false, true} {
				for _, writable := range []bool{true, false} {
					for op := OpProvision; op <= OpPushBlock; op++ {
						name := fmt.Sprintf("%v/%v/blocked=%v/writable=%v/%v", state, policy, blocked, writable, op)
						t.Run(name, func(t *testing.T) {
							operate(t, state, policy, blocked, writable, op)
						})
					}
				}
			}
		}
	}
}

// outcome is what the datasheet says that an operation comes to.
func outcome(state State, policy Policy, blocked, writable bool, op Op) (after State, want error) {
	after = state
	switch {
	case op == OpProvision && !writable:
		return after, ErrNotWritable
	case op == OpProvision && state != Erased:
		return after, ErrNotErased
	case op == OpProvision:
		return Provisioned, nil
	case state == Erased:
		return after, ErrEmpty
	case state == Revoked:
		return after, ErrRevoked
	case op == OpRevoke && policy == Locked:
		return after, ErrLocked
	case op == OpRevoke && !writable:
		return after, ErrNotWritable
	case op == OpRevoke && policy == Rotating:
		return Erased, nil
	case op == OpRevoke:
		return Revoked, nil
	case op == OpPush && blocked:
		return after, ErrBlocked
	}
	return after, nil
}

func operate(t *testing.T, state State, policy Policy, blocked, writable bool, op Op) {
	driver := func(k *KMU) error {
		switch op {
		case OpProvision:
			return k.Provision(testSlot, testSlotOf(policy))
		case OpPush:
			return k.Push(testSlot)
		case OpRevoke:
			return k.Revoke(testSlot)
		case OpPushBlock:
			return k.BlockPush(testSlot)
		}
		m, err := k.Metadata(testSlot)
		if want := uint32(testMeta); err == nil && m != want {
			t.Errorf("metadata 0x%08x, want 0x%08x", m, want)
		}
		return err
	}
	fresh := func() (*KMU, *world) {
		k, w := newKMU(t)
		prepare(t, k, state, policy)
		if blocked && state == Provisioned {
			if err := k.BlockPush(testSlot); err != nil {
				t.Fatal(err)
			}
		}
		w.writable = writable
		w.source(uint32(policy), testDest)
		return k, w
	}
	check := func(k *KMU, w *world, want error, after State) {
		t.Helper()
		if got, err := k.State(testSlot); got != after || err != nil {
			t.Errorf("left it %v, %v, want %v", got, err, after)
		}
		if pushed := bytes.Equal(w.got[testDest], testKey); pushed != (op == OpPush && want == nil) {
			t.Errorf("the key has arrived: %v", pushed)
		}
	}

	// The driver enables writes itself, and puts the RRAMC back.
	k, w := fresh()
	after, want := outcome(state, policy, blocked, true, op)
	err := driver(k)
	if !errors.Is(err, want) {
		t.Errorf("driver: %v, want %v", err, want)
	}
	check(k, w, want, after)
	if w.writable != writable {
		t.Error("the driver leaves the RRAMC in another mode")
	}
	var e *Error
	if err != nil && (!errors.As(err, &e) || e.Op != op || e.Slot != testSlot) {
		t.Errorf("%#v", err)
	}
	if err != nil {
		code := LibError
		if state == Revoked && (op == OpPush || op == OpReadMetadata) {
			code = LibRevoked
		}
		if e.Code() != code {
			t.Errorf("lib_kmu's result %d, want %d", e.Code(), code)
		}
	}

	k, w = fresh()
	after, want = outcome(state, policy, blocked, writable, op)
	event := done[op]
	switch {
	case errors.Is(want, ErrRevoked) && (op == OpPush || op == OpReadMetadata):
		event = RegEventsRevoked
	case want != nil:
		event = RegEventsError
	}
	k.WriteRegister(RegMetadata, 0xA5A5A5A5, bus.Secure)
	k.WriteRegister(RegKeySlot, testSlot, bus.Secure)
	k.WriteRegister(RegSrc, testRAM, bus.Secure)
	k.WriteRegister(RegTasksProvision+4*uint32(op), 1, bus.Secure)
	checkEvents(t, k, event)
	check(k, w, want, after)
	meta := uint32(0xA5A5A5A5)
	if op == OpReadMetadata && want == nil {
		meta = testMeta
	}
	if got, _ := k.ReadRegister(RegMetadata, bus.Secure); got != meta {
		t.Errorf("METADATA 0x%08x, want 0x%08x", got, meta)
	}
}

// checkEvents: this event, and none of the others.
func checkEvents(t *testing.T, k *KMU, want uint32) {
	t.Helper()
	for reg := RegEventsProvisioned; reg <= RegEventsPushBlocked; reg += 4 {
		v, _ := k.ReadRegister(reg, bus.Secure)
		if (v != 0) != (reg == want) {
			t.Errorf("event 0x%03x is %d", reg, v)
		}
	}
}
