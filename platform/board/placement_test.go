package board

import (
	"encoding/binary"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
)

// TestPlace puts areas elsewhere on every board, and checks the board as
// TestLayouts checks the tables.
func TestPlace(t *testing.T) {
	const kib = 1 << 10
	for _, row := range []struct {
		name, board string
		placements  []Placement
		empty       int // areas left over
	}{
		{"in one another's place", "nrf5340", []Placement{{PS, FlashPrimary, 0xF4000, 16 * kib}, {ITS, FlashPrimary, 0xF0000, 8 * kib}, {NVCounters, FlashPrimary, 0xF2000, 8 * kib}}, 0},
		{"smaller", "nrf5340", []Placement{{PS, FlashPrimary, 0xF1000, 8 * kib}}, 2},
		{"non-secure storage gives to ITS", "nrf5340", []Placement{{NonSecureStorage, FlashPrimary, 0xFC000, 16 * kib}, {ITS, FlashPrimary, 0xF8000, 16 * kib}}, 1},
		{"non-secure storage first", "nrf9160", []Placement{{NonSecureStorage, FlashPrimary, 0xF0000, 32 * kib}, {PS, FlashPrimary, 0xF8000, 16 * kib}, {ITS, FlashPrimary, 0xFC000, 8 * kib}, {NVCounters, FlashPrimary, 0xFE000, 8 * kib}}, 0},
		{"PS outside", "nrf5340", []Placement{{PS, ExternalFlash, 0, 8 << 20}}, 1},
		{"PS outside and ITS in its place", "nrf9160", []Placement{{PS, ExternalFlash, 0x1000, 8 * kib}, {ITS, FlashPrimary, 0xF0000, 24 * kib}}, 0},
		{"behind what is non-secure", "nrf54l15", []Placement{{NonSecureStorage, FlashPrimary, 0x175000, 16 * kib}, {PS, FlashPrimary, 0x179000, 16 * kib}}, 1},
		{"on a serial box", "nrf54l15", []Placement{{PS, ExternalFlash, 0x700000, 1 << 20}}, 1},
		{"large", "virt", []Placement{{PS, ExternalFlash, 0, 64 << 20}, {ITS, FlashPrimary, 0x1100000, 32 << 20}}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			b, _ := Lookup(row.board)
			if err := b.Place(row.placements); err != nil {
				t.Fatal(err)
			}
			for _, problem := range inconsistencies(b) {
				t.Error(problem)
			}
			placed := b.Placements()
			if len(placed) != len(Movable()) {
				t.Errorf("%d placements", len(placed))
			}
			for _, p := range row.placements {
				if !slices.Contains(placed, p) {
					t.Errorf("%+v is not among %+v", p, placed)
				}
			}
			if got := count(b, Empty); got != row.empty {
				t.Errorf("%d empty areas, not %d", got, row.empty)
			}
			again, _ := Lookup(row.board)
			if err := again.Place(placed); err != nil || !reflect.DeepEqual(again, b) {
				t.Errorf("the same once more: %v", err)
			}
		})
	}
}

func count(b *Board, name string) (n int) {
	for _, a := range b.Areas {
		if a.Name == name {
			n++
		}
	}
	return n
}

// TestPlaceNothing: the table's own placements change nothing.
func TestPlaceNothing(t *testing.T) {
	for _, name := range Names() {
		for _, placements := range [][]Placement{nil, mustLookup(name).Placements()} {
			b := mustLookup(name)
			if err := b.Place(placements); err != nil || !reflect.DeepEqual(b, mustLookup(name)) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func mustLookup(name string) *Board {
	b, ok := Lookup(name)
	if !ok {
		panic("no board " + name)
	}
	return b
}

// TestPlaceRefuses: what cannot be is said of the area that is to blame, and
// changes nothing.
func TestPlaceRefuses(t *testing.T) {
	for _, row := range []struct {
		name, board string
		placements  []Placement
		area, says  string
	}{
		{"image", "nrf5340", []Placement{{SecureImage, FlashPrimary, 0x10000, 0x40000}}, SecureImage, "can be placed"},
		{"unknown", "nrf5340", []Placement{{"attic", FlashPrimary, 0xF0000, 0x2000}}, "attic", "can be placed"},
		{"empty", "nrf5340", []Placement{{Empty, FlashPrimary, 0xF0000, 0x2000}}, Empty, "can be placed"},
		{"twice", "nrf5340", []Placement{{PS, FlashPrimary, 0xF0000, 0x2000}, {PS, FlashPrimary, 0xF2000, 0x2000}}, PS, "twice"},
		{"twice, outside", "nrf5340", []Placement{{PS, ExternalFlash, 0, 0x2000}, {PS, ExternalFlash, 0, 0x2000}}, PS, "twice"},
		{"address off a page", "nrf5340", []Placement{{PS, FlashPrimary, 0xF0800, 0x2000}}, PS, "whole pages"},
		{"size off a page", "nrf5340", []Placement{{PS, FlashPrimary, 0xF0000, 0x2004}}, PS, "whole pages"},
		{"one page", "nrf5340", []Placement{{ITS, FlashPrimary, 0xF4000, 0x1000}}, ITS, "less than 2 pages"},
		{"no page", "nrf5340", []Placement{{ITS, FlashPrimary, 0xF4000, 0}}, ITS, "less than 2 pages"},
		{"counters in one page", "nrf5340", []Placement{{NVCounters, FlashPrimary, 0xF6000, 0x1000}}, NVCounters, "less than 2 pages"},
		{"behind the flash", "nrf5340", []Placement{{PS, FlashPrimary, 0x100000, 0x2000}}, PS, "not inside"},
		{"over the end", "nrf5340", []Placement{{PS, FlashPrimary, 0xFE000, 0x4000}}, PS, "not inside"},
		{"past 32 bits", "nrf5340", []Placement{{PS, FlashPrimary, 0xFFFFF000, 0x2000}}, PS, "not inside"},
		{"on what stays", "nrf5340", []Placement{{PS, FlashPrimary, 0xF3000, 0x2000}}, PS, "overlaps its"},
		{"on one that is placed", "nrf5340", []Placement{{PS, FlashPrimary, 0xF0000, 0x3000}, {ITS, FlashPrimary, 0xF2000, 0x2000}}, ITS, "overlaps ps"},
		{"in the same place", "nrf5340", []Placement{{PS, FlashPrimary, 0xF4000, 0x2000}}, PS, "overlaps its"},
		{"around another", "nrf5340", []Placement{{PS, FlashPrimary, 0xF0000, 0x8000}}, PS, "overlaps its"},
		{"on the bootloader", "nrf5340", []Placement{{PS, FlashPrimary, 0, 0x2000}}, PS, "overlaps bl2"},
		{"on the secure image", "nrf5340", []Placement{{PS, FlashPrimary, 0x4E000, 0x2000}}, PS, "overlaps secure-image"},
		{"on the non-secure image", "nrf54l15", []Placement{{ITS, FlashPrimary, 0x9A000, 0x2000}}, ITS, "overlaps non-secure-image, which is non-secure"},
		{"on the secondary slot", "nrf9160", []Placement{{PS, FlashPrimary, 0xE0000, 0x8000}}, PS, "overlaps secondary"},
		{"on non-secure storage", "nrf5340", []Placement{{PS, FlashPrimary, 0xF8000, 0x4000}}, PS, "overlaps non-secure-storage, which is non-secure"},
		{"non-secure storage of half a region", "nrf5340", []Placement{{NonSecureStorage, FlashPrimary, 0xFE000, 0x2000}}, NonSecureStorage, "whole regions"},
		{"non-secure storage on what stays", "nrf9160", []Placement{{NonSecureStorage, FlashPrimary, 0xF0000, 0x8000}}, NonSecureStorage, "overlaps ps"},
		{"ITS outside", "nrf5340", []Placement{{ITS, ExternalFlash, 0, 0x2000}}, ITS, "only Protected Storage"},
		{"counters outside", "nrf5340", []Placement{{NVCounters, ExternalFlash, 0, 0x2000}}, NVCounters, "only Protected Storage"},
		{"over the end, outside", "nrf5340", []Placement{{PS, ExternalFlash, 8<<20 - 0x1000, 0x2000}}, PS, "not inside"},
		{"past 32 bits, outside", "virt", []Placement{{PS, ExternalFlash, 0xFFFFF000, 0x2000}}, PS, "not inside"},
		{"off a page, outside", "virt", []Placement{{PS, ExternalFlash, 0x800, 0x2000}}, PS, "whole pages"},
		{"one page, outside", "virt", []Placement{{PS, ExternalFlash, 0, 0x1000}}, PS, "less than 2 pages"},
		{"nowhere", "nrf5340", []Placement{{PS, "otp", 0, 0x2000}}, PS, `region "otp"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := mustLookup(row.board)
			err := b.Place(row.placements)
			var bad *PlacementError
			if !errors.As(err, &bad) || bad.Area != row.area || !strings.Contains(bad.What, row.says) {
				t.Errorf("%v", err)
			}
			if !reflect.DeepEqual(b, mustLookup(row.board)) {
				t.Error("refused, and the board has changed")
			}
			t.Log(err)
		})
	}
	none := mustLookup("nrf5340")
	none.External = nil
	if err := none.Place([]Placement{{PS, ExternalFlash, 0, 0x2000}}); err == nil || !strings.Contains(err.Error(), "has none") {
		t.Errorf("without external flash: %v", err)
	}
}

// TestPlaceKeepsController: what PS is on is the secure world's.
func TestPlaceKeepsController(t *testing.T) {
	for _, name := range Names() {
		b := mustLookup(name)
		if p, _ := b.Peripheral(b.External.Controller); !p.NonSecure {
			t.Errorf("%s: %s is secure without a reason", name, p.Name)
		}
		if err := b.Place([]Placement{{PS, ExternalFlash, 0, 0x4000}}); err != nil {
			t.Fatal(err)
		}
		if p, _ := b.Peripheral(b.External.Controller); p.NonSecure {
			t.Errorf("%s: %s is non-secure", name, p.Name)
		}
		if a, ok := b.External.Area(PS); !ok || a.Attr != bus.Secure {
			t.Errorf("%s: %+v, %v", name, a, ok)
		}
	}
}

// FuzzPlace: whatever is asked for, the board is sound then, or as it was.
func FuzzPlace(f *testing.F) {
	encode := func(board uint8, placements ...Placement) []byte {
		p := []byte{board}
		for _, one := range placements {
			p = append(p, byte(slices.Index(Movable(), one.Area)), byte(len(one.Region)%2))
			p = binary.LittleEndian.AppendUint32(p, one.Address)
			p = binary.LittleEndian.AppendUint32(p, one.Size)
		}
		return p
	}
	f.Add(encode(0, Placement{PS, ExternalFlash, 0, 0x4000}))
	f.Add(encode(0, Placement{NonSecureStorage, FlashPrimary, 0xFC000, 0x4000}, Placement{ITS, FlashPrimary, 0xF8000, 0x4000}))
	f.Add(encode(2, Placement{NonSecureStorage, FlashPrimary, 0x175000, 0x4000}, Placement{PS, FlashPrimary, 0x179000, 0x4000}))
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) == 0 {
			return
		}
		name := Names()[int(p[0])%len(Names())]
		var placements []Placement
		for p = p[1:]; len(p) >= 10; p = p[10:] {
			region := ExternalFlash
			if p[1]%2 == 1 {
				region = FlashPrimary
			}
			placements = append(placements, Placement{
				Movable()[int(p[0])%len(Movable())], region, binary.LittleEndian.Uint32(p[2:]), binary.LittleEndian.Uint32(p[6:]),
			})
		}
		b := mustLookup(name)
		if err := b.Place(placements); err != nil {
			if !reflect.DeepEqual(b, mustLookup(name)) {
				t.Errorf("%v, and the board has changed", err)
			}
			return
		}
		for _, problem := range inconsistencies(b) {
			t.Errorf("%+v: %s", placements, problem)
		}
	})
}
