package board

import (
	"testing"

	"github.com/postern-spe/postern/platform/spu"
)

func TestLayouts(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			b, ok := Lookup(name)
			if !ok || b.Name != name {
				t.Fatal("not found under its own name")
			}
			next := b.Memory.FlashBase
			world := map[uint32]spu.Attribute{} // by SPU region
			for _, a := range b.Areas {
				if a.Base != next {
					t.Errorf("%s begins at 0x%x, not at 0x%x", a.Name, a.Base, next)
				}
				next = a.End()
				if a.Size == 0 || a.Size%uint32(b.PageSize) != 0 {
					t.Errorf("%s is 0x%x bytes", a.Name, a.Size)
				}
				if a.Rights != 0 && (a.Base%b.Memory.FlashRegion != 0 || a.Size%b.Memory.FlashRegion != 0) {
					t.Errorf("%s is locked but is not whole SPU regions", a.Name)
				}
				if a.Rights == 0 && a.Attr != spu.Secure {
					t.Errorf("%s is non-secure, but nothing makes it so", a.Name)
				}
				for r := a.Base / b.Memory.FlashRegion; r <= (a.End()-1)/b.Memory.FlashRegion; r++ {
					if w, shared := world[r]; shared && w != a.Attr {
						t.Errorf("%s shares SPU region %d with the other world", a.Name, r)
					}
					world[r] = a.Attr
				}
				if got, ok := b.Area(a.Name); !ok || got != a {
					t.Errorf("Area(%q) = %v, %v", a.Name, got, ok)
				}
			}
			if end := b.Memory.FlashBase + b.Memory.FlashSize; next != end {
				t.Errorf("the areas end at 0x%x, the flash at 0x%x", next, end)
			}
			if b.SecureRAM%b.Memory.RAMRegion != 0 || b.SecureRAM >= b.Memory.RAMSize {
				t.Errorf("secure RAM of 0x%x bytes", b.SecureRAM)
			}
			spu.New(b.Memory) // panics on an impossible geometry
		})
	}
	if _, ok := Lookup("nrf52"); ok {
		t.Error("found a board that is not there")
	}
}
