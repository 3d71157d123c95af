package pmstatic

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/postern-spe/postern/platform/board"
)

// TestFile reads a file as Partition Manager writes it.
func TestFile(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "pm_static.yml"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := Parse("pm_static.yml", data)
	if err != nil {
		t.Fatal(err)
	}
	want := &Layout{
		Placements: []board.Placement{
			{Area: board.NonSecureStorage, Region: board.FlashPrimary, Address: 0xF0000, Size: 0x8000},
			{Area: board.ITS, Region: board.FlashPrimary, Address: 0xFA000, Size: 0x4000},
			{Area: board.NVCounters, Region: board.FlashPrimary, Address: 0xF8000, Size: 0x2000},
			{Area: board.PS, Region: board.ExternalFlash, Address: 0x70000, Size: 0x100000},
		},
		Ignored: []string{"EMPTY_0", "app", "mcuboot", "mcuboot_primary", "mcuboot_secondary", "settings_storage", "sram_primary", "tfm", "tfm_storage"},
	}
	if !reflect.DeepEqual(l, want) {
		t.Errorf("%+v", l)
	}
	b, _ := board.Lookup("nrf5340")
	if err := b.Place(l.Placements); err != nil {
		t.Error(err)
	}
}

// TestForms: the same in JSON's form, in decimal, and with comments.
func TestForms(t *testing.T) {
	want := []board.Placement{{Area: board.PS, Region: board.FlashPrimary, Address: 0xF0000, Size: 0x4000}}
	for _, text := range []string{
		"tfm_ps:\n  address: 0xf0000\n  size: 0x4000\n",
		"tfm_ps: {address: 983040, size: 16384}",
		`{"tfm_ps": {"address": 983040, "end_address": 999424}}`,
		"---\n# the store\ntfm_ps: # moved\n  size: 0x4000\n  region: flash_primary\n  end_address: 0xF4000\n  address: 0xF0000\n",
		"tfm_ps:\n  address: 0xf0000\n  size: 0x4000\n  placement: {align: {start: 0x4000}, before: [end]}\n  1: x\n",
		"tfm_ps:\r\n  address: 0xf0000\r\n  size: 0x4000\r\n",
	} {
		if l, err := Parse("f", []byte(text)); err != nil || !slices.Equal(l.Placements, want) || len(l.Ignored) != 0 {
			t.Errorf("%q: %+v, %v", text, l, err)
		}
	}
}

// TestMistakes names file and entry.
func TestMistakes(t *testing.T) {
	for _, row := range []struct{ name, text, entry, says string }{
		{"empty", "", "", "empty"},
		{"comment alone", "# nothing\n", "", "empty"},
		{"too large", strings.Repeat("#", MaxSize+1), "", "of at most"},
		{"no YAML", "\t{", "", "YAML"},
		{"list", "- tfm_ps\n", "", "mapping"},
		{"scalar", "tfm_ps\n", "", "mapping"},
		{"two documents", "tfm_ps: {address: 0, size: 1}\n---\na: {}\n", "", "more than one"},
		{"deep", "a: " + strings.Repeat("[", 1000), "", "nested"},
		{"deep, closed in quotes", "a: " + strings.Repeat(`["]",`, 10_000), "", "brackets"},
		{"lists in lists", strings.Repeat("- ", 1000), "", "nested"},
		{"key of another kind", "1: {}\n", "", "not a name"},
		{"key that is no name", "\"\\e[31mred\\n\": {}\n", "", "not a name"},
		{"twice", "tfm_ps: {address: 0, size: 1}\ntfm_ps: {address: 0, size: 1}\n", "", "already defined"},
		{"twice on a line", "{tfm_ps: {address: 0, size: 1}, tfm_ps: {address: 0, size: 1}}", "", "already defined"},
		{"address twice", "tfm_ps:\n  address: 0\n  size: 1\n  address: 0\n", "", "already defined"},
		{"address twice on a line", "tfm_ps: {address: 0, size: 1, address: 0}", "", "already defined"},
		{"entry no mapping", "tfm_ps: 0x1000\n", "tfm_ps", "mapping"},
		{"entry null", "tfm_ps:\n", "tfm_ps", "mapping"},
		{"entry an alias", "a: &a {address: 0, size: 1}\ntfm_ps: *a\n", "tfm_ps", "mapping"},
		{"no address", "tfm_its: {size: 0x2000}\n", "tfm_its", "no address"},
		{"no size", "tfm_its: {address: 0x2000}\n", "tfm_its", "neither"},
		{"end before start", "tfm_its: {address: 0x2000, end_address: 0x1000}\n", "tfm_its", "before"},
		{"inconsistent", "tfm_its: {address: 0x2000, end_address: 0x4000, size: 0x1000}\n", "tfm_its", "0x2000 bytes"},
		{"address a word", "tfm_its: {address: CONFIG_ITS, size: 0x1000}\n", "tfm_its", "address is not a number"},
		{"address quoted", "tfm_its: {address: '0x1000', size: 0x1000}\n", "tfm_its", "address is not a number"},
		{"negative", "tfm_its: {address: -4096, size: 0x1000}\n", "tfm_its", "address is not a number"},
		{"too long", "tfm_its: {address: 0x100000000, size: 0x1000}\n", "tfm_its", "32 bits"},
		{"much too long", "tfm_its: {address: 0, size: 0x10000000000000000000}\n", "tfm_its", "size is not"},
		{"a fraction", "tfm_its: {address: 0, size: 0.5}\n", "tfm_its", "size is not"},
		{"other region", "tfm_its: {address: 0, size: 0x1000, region: otp}\n", "tfm_its", "region is neither"},
		{"region a number", "tfm_its: {address: 0, size: 0x1000, region: 1}\n", "tfm_its", "region is neither"},
	} {
		t.Run(row.name, func(t *testing.T) {
			l, err := Parse("pm_static.yml", []byte(row.text))
			var bad *Error
			if !errors.As(err, &bad) || bad.File != "pm_static.yml" || bad.Entry != row.entry || strings.Contains(err.Error(), "\n") || !strings.Contains(bad.Reason, row.says) {
				t.Errorf("%+v, %v", l, err)
			}
		})
	}
}

// TestEntries: every area that can be placed has a name in the file.
func TestEntries(t *testing.T) {
	for _, area := range board.Movable() {
		if Entry(area) == "" {
			t.Errorf("no entry is %s", area)
		}
	}
	if Entry(board.Bootloader) != "" {
		t.Error("an entry that places the bootloader")
	}
}

// FuzzParse: what is read is one placement at most for each area, in one of the two
// regions, and no larger than the address space.
func FuzzParse(f *testing.F) {
	data, err := os.ReadFile(filepath.Join("testdata", "pm_static.yml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("tfm_ps: {address: 983040, size: 16384}"))
	f.Add([]byte("a: &a {address: 0, size: 1}\ntfm_ps: *a\n"))
	f.Add([]byte("tfm_ps:\n  <<: *a\n  ? [x]\n  : !!int 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Parse("f", data)
		if err != nil {
			if l != nil {
				t.Error("a layout with an error")
			}
			return
		}
		areas := make(map[string]bool)
		for _, p := range l.Placements {
			if areas[p.Area] || Entry(p.Area) == "" || p.Region != board.FlashPrimary && p.Region != board.ExternalFlash {
				t.Errorf("%+v", p)
			}
			areas[p.Area] = true
		}
		for _, name := range board.Names() {
			b, _ := board.Lookup(name)
			_ = b.Place(l.Placements) // or not: FuzzPlace says more
		}
	})
}
