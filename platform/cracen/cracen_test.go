package cracen

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/kmu54l"
	"github.com/postern-spe/postern/platform/power"
)

const testArea = 0x20000100

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// device is a CRACEN with what it is connected to.
type device struct {
	*CRACEN
	engine *Engine
	kmu    *kmu54l.KMU
}

// attach is a power-up over the cells.
func attach(t testing.TB, cells *keycells.Cells, random io.Reader) *device {
	t.Helper()
	e, err := NewEngine(testArea)
	if err != nil {
		t.Fatal(err)
	}
	k, err := kmu54l.New(cells, kmu54l.Config{
		Writable:     func() bool { return true },
		EnableWrites: func() func() { return func() {} },
		Source:       func(uint32, []byte) error { return errors.New("no RAM") },
		Destination:  e,
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(e, k, random)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); k.Close(); e.Close() })
	return &device{c, e, k}
}

func newDevice(t testing.TB) *device {
	t.Helper()
	cells, err := keycells.Memory(kmu54l.CellsSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cells.Close() })
	return attach(t, cells, rand.Reader)
}

// fileCells are the cells in a file, erased if it is not there.
func fileCells(t testing.TB, name string, s *power.Supply) *keycells.Cells {
	t.Helper()
	if _, err := os.Stat(name); err != nil {
		if err := os.WriteFile(name, bytes.Repeat([]byte{0xFF}, kmu54l.CellsSize), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	cells, err := keycells.Open(f, kmu54l.CellsSize, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cells.Close() })
	return cells
}

func newFile(t testing.TB) string { return filepath.Join(t.TempDir(), "sicr") }

func testSeed() []byte {
	seed := make([]byte, SeedSize)
	for i := range seed {
		seed[i] = byte(i + 1)
	}
	return seed
}

func seeded(t testing.TB) *device {
	t.Helper()
	d := newDevice(t)
	if err := d.WriteSeed(testSeed()); err != nil {
		t.Fatal(err)
	}
	return d
}

const (
	algCTR    uint32 = 0x04C01000
	algEdDSA  uint32 = 0x06000800
	algHMAC   uint32 = 0x03800009
	algChaCha uint32 = 0x05100500
)

func lifetime(p uint8) uint32 { return LocationKMU<<8 | uint32(p) }

// aesKey are the attributes of an AES key.
func aesKey(s Scheme, slot int, bits uint16, persistence uint8) Attributes {
	return Attributes{
		Type: TypeAES, Bits: bits, Lifetime: lifetime(persistence), Usage: UsageEncrypt | UsageDecrypt,
		Algorithm: algCTR, ID: KeyID(s, slot),
	}
}

func value(n int) []byte {
	v := make([]byte, n)
	for i := range v {
		v[i] = byte(0x40 + i)
	}
	return v
}

// used returns a copy of what Use gives.
func (d *device) used(t testing.TB, id uint32) []byte {
	t.Helper()
	var got []byte
	if err := d.Use(id, func(key []byte) error { got = bytes.Clone(key); return nil }); err != nil {
		t.Fatalf("key 0x%08x: %v", id, err)
	}
	return got
}
