package kmu

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/postern-spe/postern/platform/nvmc"
	"github.com/postern-spe/postern/platform/uicr"
)

const testDest = 0x50845400

// sink is the far end of the private bus: it takes what arrives.
type sink struct {
	got  map[uint32][]byte
	fail error
}

func (s *sink) Push(addr uint32, v *Value) error {
	if s.fail != nil {
		return s.fail
	}
	p := make([]byte, 16)
	v.CopyTo(p)
	s.got[addr] = p
	return nil
}

func newKMU(t *testing.T) (*KMU, *sink, *nvmc.Array) {
	t.Helper()
	a := nvmc.NewArray(uicr.Size, uicr.Size)
	u, err := uicr.New(a)
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{got: map[uint32][]byte{}}
	k, err := New(u, s)
	if err != nil {
		t.Fatal(err)
	}
	return k, s, a
}

var testKey = []byte("0123456789abcdef")

// TestSlotStates takes a slot through every state under every permission, and
// tries every operation in each.
func TestSlotStates(t *testing.T) {
	for _, perm := range []uint32{PermKey, PermIdentity, 0xFFFFFFFE, 0xFFFFFFF8} {
		for _, state := range []State{Empty, Active, Revoked} {
			t.Run(fmt.Sprintf("0x%08x %v", perm, state), func(t *testing.T) {
				k, s, _ := newKMU(t)
				if state != Empty {
					if err := k.Write(9, testDest, perm, NewValue(testKey)); err != nil {
						t.Fatal(err)
					}
				}
				if state == Revoked {
					if err := k.Revoke(9); err != nil {
						t.Fatal(err)
					}
				}
				c, err := k.Config(9)
				if err != nil || c.State != state {
					t.Fatalf("state %v, %v", c.State, err)
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
				v, err := k.Read(9)
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
				if err := k.Push(9); err != want(PermPush) {
					t.Errorf("push: %v, want %v", err, want(PermPush))
				} else if (err == nil) != bytes.Equal(s.got[testDest], testKey) {
					t.Error("what arrived is not the key")
				}
				if state != Empty {
					if err := k.Write(9, testDest, perm, NewValue(testKey)); err != ErrFilled {
						t.Errorf("write: %v", err)
					}
				}
				wantRevoke := want(0)
				if state == Active {
					wantRevoke = nil
				}
				if err := k.Revoke(9); err != wantRevoke {
					t.Errorf("revoke: %v, want %v", err, wantRevoke)
				}
			})
		}
	}
}

func TestBadWrites(t *testing.T) {
	k, _, _ := newKMU(t)
	tests := []struct {
		name       string
		slot       int
		dest, perm uint32
	}{
		{"slot -1", -1, testDest, PermKey},
		{"slot 128", 128, testDest, PermKey},
		{"pushed to nowhere", 3, NoDest, PermKey},
		{"born revoked", 3, testDest, PermKey &^ PermState},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := k.Write(tt.slot, tt.dest, tt.perm, NewValue(testKey)); err == nil {
				t.Error("passed")
			}
		})
	}
	if c, err := k.Config(3); err != nil || c.State != Empty {
		t.Errorf("slot 3 is %v, %v after refused writes", c.State, err)
	}
}

func TestRevokeWipesTheValue(t *testing.T) {
	k, _, a := newKMU(t)
	if err := k.Write(127, testDest, PermKey, NewValue(testKey)); err != nil {
		t.Fatal(err)
	}
	if err := k.Revoke(127); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 16)
	if err := a.Read(uicr.RegKeySlotKey+127*16, got); err != nil || !bytes.Equal(got, make([]byte, 16)) {
		t.Errorf("the cells hold %d bytes that are not zero (%v)", 16-bytes.Count(got, []byte{0}), err)
	}
}

// TestLoads is the processor's view of the slots by address.
func TestLoads(t *testing.T) {
	k, _, _ := newKMU(t)
	if err := k.Write(6, NoDest, PermIdentity, NewValue(testKey)); err != nil {
		t.Fatal(err)
	}
	if err := k.Write(2, testDest, PermKey, NewValue(testKey)); err != nil {
		t.Fatal(err)
	}
	value := func(slot uint32) uint32 { return uicr.RegKeySlotKey + 16*slot }
	tests := []struct {
		name      string
		selected  uint32
		off, want uint32
		blocked   bool
	}{
		{"readable, selected", 7, value(6), binary.LittleEndian.Uint32(testKey), false},
		{"readable, last word", 7, value(6) + 12, binary.LittleEndian.Uint32(testKey[12:]), false},
		{"readable, none selected", 0, value(6), Denied, true},
		{"readable, another selected", 3, value(6), Denied, true},
		{"not readable, selected", 3, value(2), Denied, true},
		{"config, selected", 3, uicr.RegKeySlotConfig + 16, testDest, false},
		{"config, not selected", 0, uicr.RegKeySlotConfig + 16, Denied, true},
		{"perm, selected", 3, uicr.RegKeySlotConfig + 20, PermKey, false},
		{"ID above 128", 200, value(6), Denied, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k.WriteRegister(RegSelectKeySlot, tt.selected)
			if got := k.Load(tt.off); got != tt.want {
				t.Errorf("0x%08x, want 0x%08x", got, tt.want)
			}
			if got := k.ReadRegister(RegStatus)&StatusBlocked != 0; got != tt.blocked {
				t.Errorf("BLOCKED %v", got)
			}
			k.WriteRegister(RegSelectKeySlot, 0)
		})
	}
}

func TestPushTask(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, k *KMU, s *sink)
		id      uint32
		event   uint32
	}{
		{"pushed", nil, 3, RegEventsPushed},
		{"nothing selected", nil, 0, RegEventsError},
		{"empty slot", nil, 50, RegEventsError},
		{"engine refuses", func(_ *testing.T, _ *KMU, s *sink) { s.fail = errors.New("no such register") }, 3, RegEventsError},
		{"revoked", func(t *testing.T, k *KMU, _ *sink) {
			if err := k.Revoke(2); err != nil {
				t.Fatal(err)
			}
		}, 3, RegEventsRevoked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, s, _ := newKMU(t)
			if err := k.Write(2, testDest, PermKey, NewValue(testKey)); err != nil {
				t.Fatal(err)
			}
			if tt.prepare != nil {
				tt.prepare(t, k, s)
			}
			k.WriteRegister(RegSelectKeySlot, tt.id)
			k.WriteRegister(RegTasksPush, 1)
			for _, reg := range []uint32{RegEventsPushed, RegEventsRevoked, RegEventsError} {
				if got := k.ReadRegister(reg) != 0; got != (reg == tt.event) {
					t.Errorf("event 0x%x: %v", reg, got)
				}
			}
		})
	}
}

func TestValueDoesNotPrint(t *testing.T) {
	v := NewValue(testKey)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("slot", "value", v, "copy", *v)
	for _, s := range []string{
		fmt.Sprint(v), fmt.Sprintf("%v %+v %#v %x %s %q", *v, v, *v, v, *v, v),
		fmt.Sprintf("%v", struct{ V *Value }{v}), log.String(),
	} {
		if strings.Contains(s, "0123") || strings.Contains(s, "3031") || strings.Contains(s, "48 49") {
			t.Errorf("prints the key: %s", s)
		}
	}
	v.Destroy()
	var p [16]byte
	if v.CopyTo(p[:]); p != [16]byte{} {
		t.Error("not wiped")
	}
}
