package kmu

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/uicr"
)

const testDest = 0x50845400

var testKey = []byte("0123456789abcdef")

// sink is the far end of the private bus: it takes what arrives.
type sink struct {
	got  map[uint32][]byte
	fail error
}

func (s *sink) Push(addr uint32, v *keycells.Value) error {
	if s.fail != nil {
		return s.fail
	}
	p := make([]byte, 16)
	v.CopyTo(p)
	s.got[addr] = p
	return nil
}

// chip is a KMU and everything around it.
type chip struct {
	*KMU
	u      *uicr.UICR
	page   *cells.Flash
	values *keycells.Cells
	sink   *sink
	irqs   int
	wen    bool // NVMC CONFIG.WEN
}

func newChip(t testing.TB) *chip {
	t.Helper()
	values, err := keycells.Memory(ValuesSize)
	if err != nil {
		t.Fatal(err)
	}
	return power(t, cells.NewFlash(cells.Memory(uicr.Size), cells.Options{Page: uicr.Size}), values)
}

// power switches a chip on whose cells are these.
func power(t testing.TB, page *cells.Flash, values *keycells.Cells) *chip {
	t.Helper()
	c := &chip{page: page, values: values, sink: &sink{got: map[uint32][]byte{}}, wen: true}
	enable := func() bus.Fault {
		if !c.wen {
			return bus.BusFault
		}
		return bus.NoFault
	}
	var err error
	if c.u, err = uicr.New(uicr.NRF5340(), page, enable); err != nil {
		t.Fatal(err)
	}
	if c.KMU, err = New(c.u, values, c.sink, func() { c.irqs++ }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { values.Close() })
	return c
}

func (c *chip) write(t testing.TB, slot int, dest, perm uint32) {
	t.Helper()
	if err := c.Write(slot, dest, perm, keycells.NewValue(testKey)); err != nil {
		t.Fatal(err)
	}
}

func (c *chip) set(t testing.TB, off, v uint32) {
	t.Helper()
	if f := c.WriteRegister(off, v, bus.Secure); f != bus.NoFault {
		t.Fatal(f)
	}
}

func (c *chip) get(t testing.TB, off uint32) uint32 {
	t.Helper()
	v, f := c.ReadRegister(off, bus.Secure)
	if f != bus.NoFault {
		t.Fatal(f)
	}
	return v
}

// TestPermTable is every permission against every state and every operation: the
// eight low halves that differ, and whether the slot is empty, active or revoked.
func TestPermTable(t *testing.T) {
	for bits := range uint32(8) {
		perm := 0xFFFFFFF8 | bits
		for _, state := range []State{Empty, Active, Revoked} {
			t.Run(fmt.Sprintf("0x%08x %v", perm, state), func(t *testing.T) {
				c := newChip(t)
				if state != Empty {
					c.write(t, 9, testDest, perm)
				}
				if state == Revoked {
					if err := c.Revoke(9); err != nil {
						t.Fatal(err)
					}
				}
				cfg, err := c.Config(9)
				if err != nil || cfg.State != state {
					t.Fatalf("state %v, %v", cfg.State, err)
				}
				want := func(right uint32) error {
					switch {
					case state == Empty:
						return ErrEmpty
					case state == Revoked:
						return ErrRevoked
					case perm&right == 0:
						return ErrDenied
					}
					return nil
				}
				v, err := c.Read(9)
				if err != want(PermRead) {
					t.Errorf("read: %v, want %v", err, want(PermRead))
				}
				if err == nil {
					var p [16]byte
					v.CopyTo(p[:])
					if !bytes.Equal(p[:], testKey) {
						t.Error("read another value")
					}
				}
				if err := c.Push(9); err != want(PermPush) {
					t.Errorf("push: %v, want %v", err, want(PermPush))
				} else if (err == nil) != bytes.Equal(c.sink.got[testDest], testKey) {
					t.Error("what arrived is not the key")
				}

				// The same by the registers.
				c.set(t, RegSelectKeySlot, 10)
				c.set(t, RegTasksPush, 1)
				event := RegEventsPushed
				switch want(PermPush) {
				case ErrRevoked:
					event = RegEventsRevoked
				case ErrEmpty, ErrDenied:
					event = RegEventsError
				}
				for _, reg := range []uint32{RegEventsPushed, RegEventsRevoked, RegEventsError} {
					if got := c.get(t, reg) != 0; got != (reg == event) {
						t.Errorf("event 0x%x after the push: %v", reg, got)
					}
				}
				got := c.LoadSlot(uicr.RegKeySlotKey + 9*16 + 4)
				switch {
				case state == Empty && got != 0xFFFFFFFF: // READ is 1 in an erased PERM
					t.Errorf("an empty slot reads 0x%08x", got)
				case state == Active && perm&PermRead != 0 && got != 0x37363534:
					t.Errorf("reads 0x%08x", got)
				case state != Empty && (state == Revoked || perm&PermRead == 0) && got != uicr.Denied:
					t.Errorf("lets 0x%08x out", got)
				}
				// Programming VALUE and DEST again, which only clears bits.
				for _, off := range []uint32{uicr.RegKeySlotKey + 9*16, uicr.RegKeySlotConfig + 9*8} {
					if err := c.StoreSlot(off, 0); err != nil {
						t.Errorf("store: %v", err)
					}
				}
				writable := state == Empty || state == Active && perm&PermWrite != 0
				cfg, err = c.Config(9)
				if err != nil || (cfg.Dest == 0) != writable {
					t.Errorf("DEST 0x%08x, %v after a store; writable: %v", cfg.Dest, err, writable)
				}
				if zero := c.values.Zero(9*16, 4); zero != (writable || state == Revoked) {
					t.Errorf("VALUE[0] is zero: %v; writable: %v", zero, writable)
				}
				if blocked := c.get(t, RegStatus)&StatusBlocked != 0; blocked == writable && got != uicr.Denied {
					t.Errorf("BLOCKED: %v", blocked)
				}
				c.set(t, RegSelectKeySlot, 0)

				if err := c.Write(9, testDest, perm, keycells.NewValue(testKey)); err != ErrFilled {
					t.Errorf("write: %v", err)
				}
				if err := c.Revoke(9); state == Active && err != nil || state == Revoked && err != ErrRevoked {
					t.Errorf("revoke: %v", err)
				}
			})
		}
	}
}

func TestBadWrites(t *testing.T) {
	tests := []struct {
		name       string
		slot       int
		dest, perm uint32
		want       error
	}{
		{"slot -1", -1, testDest, PermKey, ErrSlot},
		{"slot 128", 128, testDest, PermKey, ErrSlot},
		{"pushed to nowhere", 3, NoDest, PermKey, ErrDest},
		{"pushed between words", 3, testDest + 2, PermKey, ErrDest},
		{"born revoked", 3, testDest, PermKey &^ PermState, ErrPerm},
		{"never to be revoked", 3, testDest, 0x7FFFFFFC, ErrPerm},
	}
	c := newChip(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := c.Write(tt.slot, tt.dest, tt.perm, keycells.NewValue(testKey)); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
	if b, err := c.u.Blank(); err != nil || !b {
		t.Errorf("blank after refused writes: %v, %v", b, err)
	}
	for name, err := range map[string]error{
		"config": second(c.Config(128)), "read": second(c.Read(-1)), "push": c.Push(128), "revoke": c.Revoke(200),
	} {
		if err != ErrSlot {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Nordic's numbers.
	for e, n := range map[Error]int32{ErrSlot: -28698, ErrFilled: -28699, ErrDest: -28700, ErrWrite: -28701, ErrPerm: -28702} {
		if int32(e) != n || e.Error() == Error(0).Error() {
			t.Errorf("%v is %d", e, int32(e))
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestRevokeWipesTheValue(t *testing.T) {
	c := newChip(t)
	c.write(t, 127, testDest, PermKey)
	if err := c.Revoke(127); err != nil {
		t.Fatal(err)
	}
	if !c.values.Zero(127*16, 16) || !c.values.Erased(0, 127*16) {
		t.Error("the cells are not wiped, or more than the slot's")
	}
	if cfg, err := c.Config(127); err != nil || cfg.Perm != 0xFFFEFFFC || cfg.Dest != testDest {
		t.Errorf("%+v, %v", cfg, err)
	}
}

// TestUnrevocable: a STATE half that was written with STATE = 1 stays.
func TestUnrevocable(t *testing.T) {
	c := newChip(t)
	c.set(t, RegSelectKeySlot, 4)
	if err := c.StoreSlot(uicr.RegKeySlotConfig+3*8+4, 0x7FFFFFFC); err != nil {
		t.Fatal(err)
	}
	if err := c.StoreSlot(uicr.RegKeySlotConfig+3*8+4, 0xFFFEFFFF); err != nil {
		t.Errorf("a store that is to be ignored: %v", err)
	}
	if err := c.Revoke(3); err != ErrWrite {
		t.Errorf("%v", err)
	}
	if cfg, err := c.Config(3); err != nil || cfg.State != Active || c.values.Zero(48, 16) {
		t.Errorf("%+v, %v", cfg, err)
	}
}

// TestEraseAll leaves nothing of the slots.
func TestEraseAll(t *testing.T) {
	c := newChip(t)
	c.write(t, 0, testDest, PermKey)
	c.write(t, 127, NoDest, PermIdentity)
	if err := c.Revoke(0); err != nil {
		t.Fatal(err)
	}
	if err := c.u.EraseAll(); err != nil {
		t.Fatal(err)
	}
	if b, err := c.u.Blank(); err != nil || !b {
		t.Errorf("blank: %v, %v", b, err)
	}
	c.write(t, 0, testDest, PermKey) // can be used again
}

func TestNewRefuses(t *testing.T) {
	small, err := keycells.Memory(16)
	if err != nil {
		t.Fatal(err)
	}
	c := newChip(t)
	if _, err := New(c.u, small, c.sink, nil); err == nil {
		t.Error("took 16 bytes for all values")
	}
	if _, err := New(c.u, c.values, c.sink, nil); err == nil {
		t.Error("two KMUs over one page")
	}
}
