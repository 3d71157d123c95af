package ctrlap

import (
	"testing"

	"github.com/postern-spe/postern/platform/nvmc"
	"github.com/postern-spe/postern/platform/uicr"
)

func TestRegisters(t *testing.T) {
	tests := []struct {
		name       string
		uicr       map[int]uint32
		ap, erase  uint32
		closeFirst bool
	}{
		{name: "erased UICR protects", ap: 0, erase: EraseProtectDisabled},
		{name: "protected", uicr: map[int]uint32{uicr.RegAPProtect: 0, uicr.RegSecureAPProtect: 0}, erase: EraseProtectDisabled},
		{name: "non-secure debug", uicr: map[int]uint32{uicr.RegAPProtect: uicr.Unprotected}, ap: APProtectDisabled, erase: EraseProtectDisabled},
		{name: "secure debug", uicr: map[int]uint32{uicr.RegAPProtect: uicr.Unprotected, uicr.RegSecureAPProtect: uicr.Unprotected},
			ap: APProtectDisabled | SecureAPProtectDisabled, erase: EraseProtectDisabled},
		{name: "erase-protected", uicr: map[int]uint32{uicr.RegEraseProtect: 0}},
		{name: "no power", uicr: map[int]uint32{uicr.RegAPProtect: uicr.Unprotected}, closeFirst: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := nvmc.NewArray(uicr.Size, uicr.Size)
			u, err := uicr.New(a)
			if err != nil {
				t.Fatal(err)
			}
			for off, v := range tt.uicr {
				if err := u.ProgramWord(off, v); err != nil {
					t.Fatal(err)
				}
			}
			if tt.closeFirst {
				a.Close()
			}
			c := New(u)
			c.Write(0x004, 1)          // ERASEALL
			c.Write(0x010, 0x50FA50FA) // APPROTECT.DISABLE
			want := map[uint32]uint32{RegIDR: IDR, RegAPProtectStatus: tt.ap, RegEraseProtectStatus: tt.erase}
			for off := uint32(0); off < 0x200; off += 4 {
				if got := c.Read(off); got != want[off] {
					t.Errorf("0x%03x reads 0x%x, want 0x%x", off, got, want[off])
				}
			}
		})
	}
}
