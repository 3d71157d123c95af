package kmu

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/keycells"
	supply "github.com/postern-spe/postern/platform/power"
	"github.com/postern-spe/postern/platform/uicr"
)

// cut runs do on a chip on one supply, for every power point that do passes and a
// few seeds, and then check on the chip as it comes up again. points is how many
// there are.
func cut(t *testing.T, points uint64, prepare func(*testing.T, *chip), do func(*chip) error, check func(*testing.T, uint64, *chip)) {
	for point := uint64(1); point <= points+1; point++ {
		for seed := range uint64(8) {
			t.Run(fmt.Sprintf("point %d seed %d", point, seed), func(t *testing.T) {
				s := new(supply.Supply)
				path := filepath.Join(t.TempDir(), "keys")
				if err := os.WriteFile(path, bytes.Repeat([]byte{0xFF}, ValuesSize), 0o600); err != nil {
					t.Fatal(err)
				}
				open := func() *keycells.Cells {
					f, err := os.OpenFile(path, os.O_RDWR, 0)
					if err != nil {
						t.Fatal(err)
					}
					v, err := keycells.Open(f, ValuesSize, s)
					if err != nil {
						t.Fatal(err)
					}
					return v
				}
				page := cells.NewFlash(cells.Memory(uicr.Size), cells.Options{Page: uicr.Size, Supply: s})
				values := open()
				c := power(t, page, values)
				prepare(t, c)
				s.CutAt(point, seed)
				want := error(supply.ErrLost)
				if point > points {
					want = nil
				}
				if err := do(c); err != want {
					t.Fatalf("%v, want %v", err, want)
				}
				if err := values.Close(); err != nil {
					t.Fatal(err)
				}
				s.On()
				c = power(t, page, open())
				if n := s.Points(); c.FinishRevocations() != nil || want == nil && s.Points() != n {
					t.Error("FinishRevocations did too little or too much")
				}
				check(t, point, c)
			})
		}
	}
}

// TestPowerInWrite: a key that was not acknowledged is not taken for one that is
// complete, and keeps the slot; the neighbours are as they were.
func TestPowerInWrite(t *testing.T) {
	const points = 6 // DEST, four words of VALUE, PERM
	cut(t, points, func(*testing.T, *chip) {},
		func(c *chip) error { return c.Write(3, testDest, PermKey, keycells.NewValue(testKey)) },
		func(t *testing.T, point uint64, c *chip) {
			cfg, err := c.Config(3)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case point <= points-1 && cfg.Perm != 0xFFFFFFFF:
				t.Errorf("PERM 0x%08x before anything was written there", cfg.Perm)
			case point > 1 && cfg.Dest != testDest:
				t.Errorf("DEST 0x%08x", cfg.Dest)
			case point > points && cfg != (Config{Active, testDest, PermKey}):
				t.Errorf("acknowledged, but %+v", cfg)
			}
			for i := range 4 { // words that were done before the cut
				if want := int(point) - 2; i < want && !sameWord(t, c, 3, i) {
					t.Errorf("VALUE[%d] was written and is not there", i)
				}
			}
			if cfg.State == Empty {
				c.write(t, 3, testDest, PermKey)
			} else if err := c.Write(3, testDest, PermKey, keycells.NewValue(testKey)); err != ErrFilled {
				t.Errorf("written over: %v", err)
			}
			for _, slot := range []int{2, 4} {
				if cfg, err := c.Config(slot); err != nil || cfg.State != Empty {
					t.Errorf("slot %d: %+v, %v", slot, cfg, err)
				}
			}
		})
}

func sameWord(t *testing.T, c *chip, slot, i int) bool {
	t.Helper()
	var p [4]byte
	if err := c.values.Read(16*slot+4*i, p[:]); err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(p[:], testKey[4*i:4*i+4])
}

// TestPowerInRevoke: the key is there or it is not; what is revoked is wiped
// when the chip has booted again, wherever the power failed.
func TestPowerInRevoke(t *testing.T) {
	const points = 5 // PERM, four words of VALUE
	seen := map[State]bool{}
	cut(t, points, func(t *testing.T, c *chip) {
		c.write(t, 3, testDest, PermKey)
		c.write(t, 4, testDest, PermKey)
	},
		func(c *chip) error { return c.Revoke(3) },
		func(t *testing.T, point uint64, c *chip) {
			cfg, err := c.Config(3)
			if err != nil {
				t.Fatal(err)
			}
			seen[cfg.State] = true
			switch {
			case cfg.State == Revoked:
				if !c.values.Zero(48, 16) {
					t.Error("revoked, and the value is there")
				}
				if err := c.Push(3); err != ErrRevoked {
					t.Errorf("push: %v", err)
				}
			case point > 1:
				t.Errorf("%v after PERM was written", cfg.State)
			default:
				if err := c.Push(3); err != nil || !bytes.Equal(c.sink.got[testDest], testKey) {
					t.Errorf("neither the key nor revoked: %v", err)
				}
			}
			if err := c.Push(4); err != nil || !bytes.Equal(c.sink.got[testDest], testKey) {
				t.Errorf("the neighbour: %v", err)
			}
		})
	if !seen[Active] || !seen[Revoked] {
		t.Errorf("only %v", seen)
	}
}

// TestPowerInEraseAll: while there is a key left, the debug port is as closed as
// it was.
func TestPowerInEraseAll(t *testing.T) {
	const points = 2 // the values, the page
	cut(t, points, func(t *testing.T, c *chip) { c.write(t, 3, testDest, PermKey) },
		func(c *chip) error { return c.u.EraseAll() },
		func(t *testing.T, point uint64, c *chip) {
			cfg, err := c.Config(3)
			if err != nil {
				t.Fatal(err)
			}
			if whole := cfg == (Config{Active, testDest, PermKey}); point == 1 && !whole || point > points && cfg.State != Empty {
				t.Errorf("%+v", cfg)
			}
			if point > 1 && !c.values.Erased(0, ValuesSize) {
				t.Error("the page is being erased, and there are keys")
			}
		})
}
