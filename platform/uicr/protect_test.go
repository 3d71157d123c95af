package uicr

import (
	"errors"
	"fmt"
	"testing"
)

func TestProtection(t *testing.T) {
	const nearMiss = 0x50FA50FA &^ 2
	tests := []struct {
		board     string
		v         uint32
		ap, erase bool // protected by v in APPROTECT and SECUREAPPROTECT, in ERASEPROTECT
	}{
		{"nrf5340", erasedWord, true, false},
		{"nrf5340", 0x50FA50FA, false, true},
		{"nrf5340", 0, true, true},
		{"nrf5340", nearMiss, true, true},
		{"virt", 0x50FA50FA, false, true},
		{"nrf9160", erasedWord, false, false},
		{"nrf9160", 0, true, true},
		{"nrf9160", 0x50FA50FA, true, true},
		{"nrf54l15", erasedWord, false, false},
		{"nrf54l15", 0x50FA50FA, true, true},
		{"nrf54l15", nearMiss, true, false},
		{"nrf54l15", 0, true, false},
	}
	for _, tt := range tests {
		for _, l := range layouts {
			if l.name != tt.board {
				continue
			}
			n := len(l.make().APProtect.Off)
			for i := range n { // each of the words alone
				t.Run(fmt.Sprintf("%s 0x%08x word %d", tt.board, tt.v, i), func(t *testing.T) {
					u := newUICR(t, l.make())
					for _, p := range []Protection{u.layout.APProtect, u.layout.SecureAPProtect, u.layout.EraseProtect} {
						if err := u.ProgramWord(p.Off[i], tt.v); err != nil {
							t.Fatal(err)
						}
					}
					if got, err := u.APProtected(); err != nil || got != tt.ap {
						t.Errorf("APPROTECT: %v, %v", got, err)
					}
					if got, err := u.SecureAPProtected(); err != nil || got != tt.ap {
						t.Errorf("SECUREAPPROTECT: %v, %v", got, err)
					}
					if got, err := u.EraseProtected(); err != nil || got != tt.erase {
						t.Errorf("ERASEPROTECT: %v, %v", got, err)
					}
				})
			}
		}
	}
}

func TestProtect(t *testing.T) {
	state := func(t *testing.T, u *UICR) [3]bool {
		t.Helper()
		a, err1 := u.APProtected()
		s, err2 := u.SecureAPProtected()
		e, err3 := u.EraseProtected()
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		return [3]bool{a, s, e}
	}
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			u := newUICR(t, l.make())
			blank := state(t, u)
			steps := []struct {
				name string
				do   func() error
				want [3]bool
			}{
				{"Unprotect", u.Unprotect, [3]bool{false, false, false}},
				{"ProtectNonSecure", u.ProtectNonSecure, [3]bool{true, false, false}},
				{"Protect", u.Protect, [3]bool{true, true, false}},
				{"again", u.Protect, [3]bool{true, true, false}},
				{"ProtectErase", u.ProtectErase, [3]bool{true, true, true}},
				{"again", u.ProtectErase, [3]bool{true, true, true}},
				{"Unprotect comes too late", u.Unprotect, [3]bool{true, true, true}},
				{"EraseAll", u.EraseAll, blank},
			}
			for _, step := range steps {
				if err := step.do(); err != nil || state(t, u) != step.want {
					t.Errorf("%s: %v, %v; want %v", step.name, state(t, u), err, step.want)
				}
			}
			if b, err := u.Blank(); err != nil || !b {
				t.Errorf("blank: %v, %v", b, err)
			}
		})
	}
}
