package uicr

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
)

// TestWriteOnce: the driver refuses a write of which any unit has been written;
// the bus writes the other units.
func TestWriteOnce(t *testing.T) {
	half := []func() *Layout{NRF5340, NRF9160, Virt}
	word := []func() *Layout{NRF54L15}
	type write struct {
		v      uint32
		err    error  // of the driver
		stored uint32 // what the bus makes of it
	}
	tests := []struct {
		name    string
		layouts []func() *Layout
		writes  []write
	}{
		{"both halves", half, []write{{0x12345678, nil, 0x12345678}}},
		{"one half, then the other", half, []write{{0xFFFF5678, nil, 0xFFFF5678}, {0x1234FFFF, nil, 0x12345678}}},
		{"the same half twice", half, []write{{0xFFFF5678, nil, 0xFFFF5678}, {0xFFFF0000, ErrWriteOnce, 0xFFFF5678}}},
		{"clearing one more bit", half, []write{{0xFFFF5678, nil, 0xFFFF5678}, {0xFFFF5670, ErrWriteOnce, 0xFFFF5678}}},
		{"a written half and an unwritten one", half, []write{{0xFFFF5678, nil, 0xFFFF5678}, {0x12340000, ErrWriteOnce, 0x12345678}}},
		{"all ones writes nothing", half, []write{{0xFFFFFFFF, nil, 0xFFFFFFFF}, {0x00000001, nil, 0x00000001}}},
		{"the same value again", half, []write{{0x12345678, nil, 0x12345678}, {0x12345678, ErrWriteOnce, 0x12345678}}},
		{"word", word, []write{{0x12345678, nil, 0x12345678}}},
		{"half of a word is the word", word, []write{{0xFFFF5678, nil, 0xFFFF5678}, {0x1234FFFF, ErrWriteOnce, 0xFFFF5678}}},
		{"all ones writes no word", word, []write{{0xFFFFFFFF, nil, 0xFFFFFFFF}, {0x00000001, nil, 0x00000001}}},
	}
	for _, tt := range tests {
		for _, layout := range tt.layouts {
			l := layout()
			for _, off := range []int{l.OTP, l.OTP + l.OTPSize() - 4} {
				t.Run(fmt.Sprintf("%s 0x%08x", tt.name, l.Base+uint32(off)), func(t *testing.T) {
					driver, store := newUICR(t, l), newUICR(t, l)
					want := erasedWord
					for i, w := range tt.writes {
						if err := driver.ProgramWord(off, w.v); !errors.Is(err, w.err) {
							t.Errorf("write %d: %v, want %v", i, err, w.err)
						}
						if w.err == nil {
							want = w.stored
						}
						if got, err := driver.Word(off); err != nil || got != want {
							t.Errorf("write %d: 0x%08x, %v; want 0x%08x", i, got, err, want)
						}
						if f := store.Store(l.Base+uint32(off), 4, w.v, bus.SecureCPU); f != bus.NoFault {
							t.Errorf("store %d: %v", i, f)
						}
						if got, err := store.Word(off); err != nil || got != w.stored {
							t.Errorf("store %d: 0x%08x, %v; want 0x%08x", i, got, err, w.stored)
						}
					}
				})
			}
		}
	}
}

func TestWriteOTP(t *testing.T) {
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			u := newUICR(t, l.make())
			unit, size := u.layout.Unit, u.layout.OTPSize()
			data := []byte{1, 2, 3, 4, 5, 6, 7, 8}[:2*unit]
			if err := u.WriteOTP(3*unit, data); err != nil {
				t.Fatal(err)
			}
			want := append(bytes.Repeat([]byte{0xFF}, 3*unit), data...)
			got := make([]byte, len(want))
			if err := u.ReadOTP(0, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%x, %v; want %x", got, err, want)
			}
			// One written unit in the middle refuses all of it.
			if err := u.WriteOTP(0, make([]byte, 4*unit)); err != ErrWriteOnce {
				t.Errorf("over a written unit: %v", err)
			}
			if err := u.ReadOTP(0, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("after the refusal: %x, %v", got, err)
			}
			for name, err := range map[string]error{
				"odd offset": u.WriteOTP(1, make([]byte, unit)), "part of a unit": u.WriteOTP(0, []byte{0}),
				"past the end": u.WriteOTP(size, make([]byte, unit)), "read past the end": u.ReadOTP(size-1, got),
				"before the start": u.WriteOTP(-unit, make([]byte, unit)), "read before it": u.ReadOTP(-1, got),
				"too much": u.WriteOTP(0, make([]byte, size+unit)),
			} {
				if err == nil || err == ErrWriteOnce {
					t.Errorf("%s: %v", name, err)
				}
			}
			if err := u.WriteOTP(size-unit, make([]byte, unit)); err != nil {
				t.Errorf("the last unit: %v", err)
			}
		})
	}
}

// TestAccesses is who may do what to the page, and how it ends.
func TestAccesses(t *testing.T) {
	for _, l := range layouts {
		layout := l.make()
		base := layout.Base
		secure, nonSecure := bus.SecureCPU, bus.NonSecureCPU
		debugger := bus.Origin{Master: bus.Debugger, Attr: bus.Secure}
		loads := []struct {
			name   string
			addr   uint32
			n      int
			access bus.Access
			from   bus.Origin
			want   bus.Fault
		}{
			{"word", base, 4, bus.Read, secure, bus.NoFault},
			{"halfword", base + 2, 2, bus.Read, secure, bus.NoFault},
			{"byte", base + 3, 1, bus.Read, secure, bus.NoFault},
			{"block", base, Size, bus.Read, secure, bus.NoFault},
			{"debugger", base, 4, bus.Read, debugger, bus.NoFault},
			{"non-secure", base, 4, bus.Read, nonSecure, bus.SecureFault},
			{"fetch", base, 4, bus.Execute, secure, bus.BusFault},
			{"past the end", base + Size - 2, 4, bus.Read, secure, bus.BusFault},
			{"before the start", base - 4, 4, bus.Read, secure, bus.BusFault},
			{"larger than the page", base, Size + 1, bus.Read, secure, bus.BusFault},
			{"far away", 0xFFFFFFFC, 4, bus.Read, secure, bus.BusFault},
		}
		for _, tt := range loads {
			t.Run(l.name+" load "+tt.name, func(t *testing.T) {
				if got := newUICR(t, layout).Load(tt.addr, make([]byte, tt.n), tt.access, tt.from); got != tt.want {
					t.Errorf("%v, want %v", got, tt.want)
				}
			})
		}
		otp := base + uint32(layout.OTP)
		stores := []struct {
			name  string
			addr  uint32
			width int
			from  bus.Origin
			gate  bus.Fault
			want  bus.Fault
			asked int // the controller
		}{
			{"word", otp, 4, secure, bus.NoFault, bus.NoFault, 1},
			{"halfword", otp, 2, secure, bus.NoFault, bus.BusFault, 0},
			{"byte", otp, 1, secure, bus.NoFault, bus.BusFault, 0},
			{"unaligned", otp + 2, 4, secure, bus.NoFault, bus.BusFault, 0},
			{"not enabled", otp, 4, secure, bus.BusFault, bus.BusFault, 1},
			{"dropped by the controller", otp, 4, secure, bus.Blocked, bus.Blocked, 1},
			{"non-secure", otp, 4, nonSecure, bus.NoFault, bus.SecureFault, 0},
			{"past the end", base + Size, 4, secure, bus.NoFault, bus.BusFault, 0},
		}
		for _, tt := range stores {
			t.Run(l.name+" store "+tt.name, func(t *testing.T) {
				asked := 0
				c := cells.NewFlash(cells.Memory(Size), cells.Options{Page: Size})
				u, err := New(layout, c, func() bus.Fault { asked++; return tt.gate })
				if err != nil {
					t.Fatal(err)
				}
				if got := u.Store(tt.addr, tt.width, 0, tt.from); got != tt.want {
					t.Errorf("%v, want %v", got, tt.want)
				}
				blank, err := u.Blank()
				if err != nil || blank != (tt.want != bus.NoFault) {
					t.Errorf("blank after it: %v, %v", blank, err)
				}
				if asked != tt.asked {
					t.Errorf("the controller was asked %d times", asked)
				}
			})
		}
	}
	u, err := New(NRF5340(), cells.NewFlash(cells.Memory(Size), cells.Options{Page: Size}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if f := u.Store(0x00FF8000, 4, 0, bus.SecureCPU); f != bus.BusFault {
		t.Errorf("a store with no controller: %v", f)
	}
}

func TestLoadIsLittleEndian(t *testing.T) {
	u := newUICR(t, NRF9160())
	if err := u.ProgramWord(0x108, 0x44332211); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 6)
	if f := u.Load(u.layout.Base+0x107, p, bus.Read, bus.SecureCPU); f != bus.NoFault {
		t.Fatal(f)
	}
	if want := []byte{0xFF, 0x11, 0x22, 0x33, 0x44, 0xFF}; !bytes.Equal(p, want) {
		t.Errorf("%x, want %x", p, want)
	}
}

// unit is a KMU that keeps nothing.
type unit struct{ erased int }

func (*unit) LoadSlot(off uint32) uint32    { return off }
func (*unit) StoreSlot(off, v uint32) error { return nil }
func (k *unit) EraseValues() error          { k.erased++; return nil }
func (k *unit) BlankValues() bool           { return k.erased > 0 }

func TestKeySlotsHaveOneOwner(t *testing.T) {
	u, k := newUICR(t, NRF5340()), new(unit)
	if _, err := u.Word(RegKeySlotKey); err != ErrKeySlot {
		t.Errorf("read: %v", err)
	}
	if err := u.ProgramWord(RegKeySlotConfig, 0); err != ErrKeySlot {
		t.Errorf("program: %v", err)
	}
	if err := u.ProgramWord(0x004, 0); err == nil {
		t.Error("programmed a word without a name")
	}
	if _, err := u.ClaimKeySlots(k); err != nil {
		t.Fatal(err)
	}
	if _, err := u.ClaimKeySlots(k); err == nil {
		t.Error("claimed twice")
	}
	var p [4]byte
	if f := u.Load(u.layout.Base+0x804, p[:], bus.Read, bus.SecureCPU); f != bus.NoFault || p != [4]byte{0x04, 0x08} {
		t.Errorf("a load of a key slot did not reach the KMU: %x, %v", p, f)
	}
	if b, err := u.Blank(); err != nil || b {
		t.Errorf("blank with a key: %v, %v", b, err)
	}
	if err := u.EraseAll(); err != nil || k.erased != 1 {
		t.Errorf("the values were erased %d times (%v)", k.erased, err)
	}
	if b, err := u.Blank(); err != nil || !b {
		t.Errorf("not blank after it: %v, %v", b, err)
	}
	if _, err := newUICR(t, NRF54L15()).ClaimKeySlots(k); err == nil {
		t.Error("claimed key slots of a chip that has none")
	}
}

func TestSlotPermIsWriteOnceByHalves(t *testing.T) {
	k, err := newUICR(t, NRF5340()).ClaimKeySlots(new(unit))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []struct{ v, want uint32 }{
		{0xFFFFFFFC, 0xFFFFFFFC}, {0xFFFFFFF8, 0xFFFFFFFC}, {0xFFFEFFFF, 0xFFFEFFFC}, {0x0000FFFF, 0xFFFEFFFC}, {0, 0xFFFEFFFC},
	} {
		if err := k.ProgramPerm(5, w.v); err != nil {
			t.Fatal(err)
		}
		if _, perm, err := k.Config(5); err != nil || perm != w.want {
			t.Errorf("PERM 0x%08x, %v after 0x%08x; want 0x%08x", perm, err, w.v, w.want)
		}
	}
	for _, slot := range []int{4, 6} {
		if dest, perm, err := k.Config(slot); err != nil || dest&perm != erasedWord {
			t.Errorf("slot %d: 0x%08x 0x%08x, %v", slot, dest, perm, err)
		}
	}
}

func FuzzAccess(f *testing.F) {
	f.Add(uint32(0x00FF8000), uint8(4), uint32(0), false, true)
	f.Add(uint32(0x00FF8FFE), uint8(2), uint32(1), true, true)
	f.Fuzz(func(t *testing.T, addr uint32, width uint8, v uint32, store, secure bool) {
		from := bus.NonSecureCPU
		if secure {
			from = bus.SecureCPU
		}
		for _, l := range layouts {
			u := newUICR(t, l.make())
			if store {
				u.Store(addr, int(width), v, from)
			} else {
				u.Load(addr, make([]byte, width), bus.Read, from)
			}
			if blank, err := u.Blank(); err != nil || !blank && !(store && secure && width == 4) {
				t.Errorf("%s: blank %v, %v", l.name, blank, err)
			}
		}
	})
}
