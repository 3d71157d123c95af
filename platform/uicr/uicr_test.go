package uicr

import (
	"bytes"
	"errors"
	"testing"

	"github.com/postern-spe/postern/platform/nvmc"
)

func newUICR(t *testing.T) *UICR {
	t.Helper()
	u, err := New(nvmc.NewArray(Size, Size))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestOTPWriteOnce(t *testing.T) {
	type write struct {
		v   uint32
		err error
	}
	tests := []struct {
		name   string
		writes []write
		want   uint32
	}{
		{"both halves", []write{{0x12345678, nil}}, 0x12345678},
		{"one half, then the other", []write{{0xFFFF5678, nil}, {0x1234FFFF, nil}}, 0x12345678},
		{"the same half twice", []write{{0xFFFF5678, nil}, {0xFFFF0000, ErrWriteOnce}}, 0xFFFF5678},
		{"clearing one more bit", []write{{0xFFFF5678, nil}, {0xFFFF5670, ErrWriteOnce}}, 0xFFFF5678},
		{"a written half stops the whole word", []write{{0xFFFF5678, nil}, {0x12340000, ErrWriteOnce}}, 0xFFFF5678},
		{"all ones writes nothing", []write{{0xFFFFFFFF, nil}, {0x00000001, nil}}, 0x00000001},
		{"the same value again", []write{{0x12345678, nil}, {0x12345678, ErrWriteOnce}}, 0x12345678},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, off := range []int{RegOTP, RegOTP + OTPSize - 4} {
				u := newUICR(t)
				for i, w := range tt.writes {
					if err := u.ProgramWord(off, w.v); !errors.Is(err, w.err) {
						t.Errorf("write %d: %v, want %v", i, err, w.err)
					}
				}
				if got, err := u.Word(off); err != nil || got != tt.want {
					t.Errorf("0x%08x, %v; want 0x%08x", got, err, tt.want)
				}
			}
		})
	}
}

func TestWriteOTP(t *testing.T) {
	u := newUICR(t)
	if err := u.WriteOTP(6, []byte{1, 2, 3, 4, 5, 6}); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 16)
	if err := u.ReadOTP(0, got); err != nil {
		t.Fatal(err)
	}
	want := []byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4, 5, 6, 0xFF, 0xFF, 0xFF, 0xFF}
	if !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	// One written halfword in the middle refuses all of it.
	if err := u.WriteOTP(0, make([]byte, 16)); err != ErrWriteOnce {
		t.Errorf("over a written halfword: %v", err)
	}
	if err := u.ReadOTP(0, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("after the refusal: %x, %v", got, err)
	}
	for name, err := range map[string]error{
		"odd offset": u.WriteOTP(1, []byte{0, 0}), "odd length": u.WriteOTP(0, []byte{0}),
		"past the end": u.WriteOTP(OTPSize, []byte{0, 0}), "read past the end": u.ReadOTP(OTPSize-1, got),
		"before the start": u.WriteOTP(-2, []byte{0, 0}),
	} {
		if err == nil {
			t.Errorf("%s passed", name)
		}
	}
}

func TestProtection(t *testing.T) {
	tests := []struct {
		name string
		v    uint32
		ap   bool
	}{
		{"erased", 0xFFFFFFFF, true},
		{"protected", Protected, true},
		{"unprotected", Unprotected, false},
		{"near miss", Unprotected &^ 2, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := newUICR(t)
			for _, off := range []int{RegAPProtect, RegSecureAPProtect} {
				if err := u.ProgramWord(off, tt.v); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := u.APProtected(); err != nil || got != tt.ap {
				t.Errorf("APPROTECT: %v, %v", got, err)
			}
			if got, err := u.SecureAPProtected(); err != nil || got != tt.ap {
				t.Errorf("SECUREAPPROTECT: %v, %v", got, err)
			}
		})
	}
	u := newUICR(t)
	if got, err := u.EraseProtected(); err != nil || got {
		t.Errorf("erased ERASEPROTECT: %v, %v", got, err)
	}
}

func TestKeySlotsHaveOneOwner(t *testing.T) {
	u := newUICR(t)
	if _, err := u.Word(RegKeySlotKey); err != ErrKeySlot {
		t.Errorf("read: %v", err)
	}
	if err := u.ProgramWord(RegKeySlotConfig, 0); err != ErrKeySlot {
		t.Errorf("program: %v", err)
	}
	if _, err := u.ClaimKeySlots(); err != nil {
		t.Fatal(err)
	}
	if _, err := u.ClaimKeySlots(); err == nil {
		t.Error("claimed twice")
	}
}

func TestSlotPermIsWriteOnceByHalves(t *testing.T) {
	k, err := newUICR(t).ClaimKeySlots()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.SetPerm(5, 0xFFFFFFFC); err != nil {
		t.Fatal(err)
	}
	if err := k.SetPerm(5, 0xFFFFFFF8); err != ErrWriteOnce {
		t.Errorf("permissions again: %v", err)
	}
	if err := k.SetPerm(5, 0xFFFEFFFF); err != nil {
		t.Errorf("revocation: %v", err)
	}
	if _, perm, err := k.Config(5); err != nil || perm != 0xFFFEFFFC {
		t.Errorf("PERM 0x%08x, %v", perm, err)
	}
	if empty, err := k.Empty(5); err != nil || empty {
		t.Errorf("empty: %v, %v", empty, err)
	}
	if empty, err := k.Empty(6); err != nil || !empty {
		t.Errorf("the neighbour empty: %v, %v", empty, err)
	}
}
