package cryptocell

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/kmu"
	"github.com/postern-spe/postern/platform/uicr"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// board is what a CryptoCell is on.
type board struct {
	name    string
	variant func() *Variant
	layout  func() *uicr.Layout
}

var (
	nrf5340 = board{"nrf5340", CC312, uicr.NRF5340}
	nrf9160 = board{"nrf9160", CC310, uicr.NRF9160}
	boards  = []board{nrf5340, nrf9160}
)

// chip is a CryptoCell and everything around it.
type chip struct {
	*CryptoCell
	page   *cells.Flash
	values *keycells.Cells
}

func newChip(t testing.TB, b board) *chip {
	t.Helper()
	values, err := keycells.Memory(kmu.ValuesSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { values.Close() })
	return start(t, b, cells.NewFlash(cells.Memory(uicr.Size), cells.Options{Page: uicr.Size}), values)
}

// start switches a chip on whose cells are these.
func start(t testing.TB, b board, page *cells.Flash, values *keycells.Cells) *chip {
	t.Helper()
	u, err := uicr.New(b.layout(), page, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, b)
	k, err := kmu.New(u, values, e, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(e, k, u)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &chip{c, page, values}
}

func newEngine(t testing.TB, b board) *Engine {
	t.Helper()
	e, err := NewEngine(b.variant())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// rootKey returns n bytes, from seed up.
func rootKey(seed byte, n int) []byte {
	key := make([]byte, n)
	for i := range key {
		key[i] = seed + byte(i)
	}
	return key
}

func provisioned(t testing.TB, b board) *chip {
	t.Helper()
	c := newChip(t, b)
	for slot, seed := range map[int]byte{kmu.SlotMKEK: 1, kmu.SlotMEXT: 101} {
		if err := c.WriteRootKey(slot, rootKey(seed, b.variant().HUKSize)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestRootKeys(t *testing.T) {
	for _, b := range boards {
		t.Run(b.name, func(t *testing.T) {
			size := b.variant().HUKSize
			c := newChip(t, b)
			has := func(want bool) {
				t.Helper()
				if got, err := c.HasRootKeys(); err != nil || got != want {
					t.Errorf("HasRootKeys: %v, %v", got, err)
				}
			}
			has(false)
			for name, err := range map[string]error{
				"short": c.WriteRootKey(kmu.SlotMKEK, make([]byte, size-1)), "long": c.WriteRootKey(kmu.SlotMKEK, make([]byte, size+1)),
				"a user's slot": c.WriteRootKey(kmu.SlotUser, make([]byte, size)), "second half": c.WriteRootKey(3, make([]byte, size)),
			} {
				if err == nil {
					t.Errorf("%s passed", name)
				}
			}
			if blank, err := c.uicr.Blank(); err != nil || !blank {
				t.Errorf("blank after refusals: %v, %v", blank, err)
			}
			if err := c.WriteRootKey(kmu.SlotMKEK, rootKey(1, size)); err != nil {
				t.Fatal(err)
			}
			has(false)
			if err := c.WriteRandomRootKeys(bytes.NewReader(rootKey(7, 2*size))); err != kmu.ErrFilled {
				t.Errorf("random over MKEK: %v", err)
			}
			if err := c.WriteRootKey(kmu.SlotMEXT, rootKey(2, size)); err != nil {
				t.Fatal(err)
			}
			has(true)
			if err := c.WriteRootKey(kmu.SlotMEXT, rootKey(2, size)); err != kmu.ErrFilled {
				t.Errorf("twice: %v", err)
			}
			if err := c.kmu.Revoke(kmu.SlotMEXT); err != nil {
				t.Fatal(err)
			}
			has(false)
			if err := c.DeriveHUK(nil, nil, make([]byte, 16)); err != kmu.ErrRevoked {
				t.Errorf("derive from a revoked key: %v", err)
			}

			// From a generator, the keys are what it gave, in order.
			c, d := newChip(t, b), newChip(t, b)
			if err := c.WriteRandomRootKeys(bytes.NewReader(rootKey(7, 2*size))); err != nil {
				t.Fatal(err)
			}
			has(true)
			for i, slot := range []int{kmu.SlotMKEK, kmu.SlotMEXT} {
				if err := d.WriteRootKey(slot, rootKey(7+byte(i*size), size)); err != nil {
					t.Fatal(err)
				}
			}
			for name, f := range map[string]func(*chip, []byte) error{
				"MKEK": func(c *chip, p []byte) error { return c.DeriveMKEK(nil, nil, p) },
				"MEXT": func(c *chip, p []byte) error { return c.DeriveHUK(nil, nil, p) },
			} {
				p, q := make([]byte, 32), make([]byte, 32)
				if err := errors.Join(f(c, p), f(d, q)); err != nil || !bytes.Equal(p, q) {
					t.Errorf("%s differs (%v)", name, err)
				}
			}
			if err := newChip(t, b).WriteRandomRootKeys(bytes.NewReader(nil)); err == nil {
				t.Error("random keys of an empty generator")
			}
		})
	}
}

func TestKDR(t *testing.T) {
	c := newChip(t, nrf9160)
	out, want := make([]byte, 32), make([]byte, 32)
	if err := c.LoadKDR(); err != ErrKeyMissing {
		t.Errorf("load of an empty slot: %v", err)
	}
	if err := c.DeriveKDR(nil, nil, out); err != ErrKeyMissing {
		t.Errorf("derive: %v", err)
	}
	if err := c.WriteRootKey(kmu.SlotKDR, rootKey(50, 16)); err != nil {
		t.Fatal(err)
	}
	if err := c.LoadKDR(); err != nil {
		t.Fatal(err)
	}
	if err := c.DeriveKDR([]byte("l"), []byte("c"), out); err != nil {
		t.Fatal(err)
	}
	if err := kdf(rootKey(50, 16), []byte("l"), []byte("c"), want); err != nil || !bytes.Equal(out, want) {
		t.Errorf("%x, want %x", out, want)
	}
	e := c.engine
	write(t, e, RegEnable, 1)
	for off, v := range map[uint32]uint32{RegHostKDR0: 1, RegHostKPRTLLock: 1, RegHostLCS: 0x102} {
		if got := read(t, e, off); got != v {
			t.Errorf("0x%04x reads 0x%x, want 0x%x", off, got, v)
		}
	}
	if err := c.LoadKDR(); err == nil {
		t.Error("KDR was pushed twice without a reset")
	}
	c.Reset()
	if err := c.DeriveKDR(nil, nil, out); err != ErrKeyMissing || !bytes.Equal(out, make([]byte, 32)) {
		t.Errorf("after reset: %x, %v", out, err)
	}
	if err := newChip(t, nrf5340).WriteRootKey(kmu.SlotKDR, rootKey(1, 16)); err == nil {
		t.Error("KDR on a board whose KMU cannot push it")
	}
}

func TestClosed(t *testing.T) {
	c := provisioned(t, nrf5340)
	if err := c.WriteIdentity(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SignIdentity(make([]byte, 32)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	c.Close()
	_, pubErr := c.IdentityPublicKey()
	_, signErr := c.SignIdentity(make([]byte, 32))
	for name, err := range map[string]error{
		"derive": c.DeriveHUK(nil, nil, make([]byte, 16)), "public key": pubErr, "sign": signErr, "write": c.WriteIdentity(nil),
		"push": c.engine.Push(0x50845400, keycells.NewValue(make([]byte, 16))),
	} {
		if err != ErrClosed {
			t.Errorf("%s: %v", name, err)
		}
	}
	write(t, c.engine, RegEnable, 1)
	write(t, c.engine, RegHostKDR0, 1)
	c.Reset()
}

func TestMissingKeys(t *testing.T) {
	for _, b := range boards {
		c := newChip(t, b)
		if err := c.DeriveHUK(nil, nil, make([]byte, 16)); err != ErrKeyMissing {
			t.Errorf("derive: %v", err)
		}
		if err := c.DeriveMKEK(nil, nil, make([]byte, 16)); err != ErrKeyMissing {
			t.Errorf("derive: %v", err)
		}
		if err := c.WriteIdentity(nil); err != ErrKeyMissing {
			t.Errorf("identity without MKEK: %v", err)
		}
		if _, err := c.IdentityPublicKey(); err != ErrKeyMissing {
			t.Errorf("public key: %v", err)
		}
		if has, err := c.HasIdentity(); err != nil || has {
			t.Errorf("HasIdentity: %v, %v", has, err)
		}
	}
}

func TestNothingPrints(t *testing.T) {
	c := provisioned(t, nrf5340)
	defer c.engine.hold()()
	if err := c.engine.Push(0x50845400, keycells.NewValue([]byte("0123456789abcdef"))); err != nil {
		t.Fatal(err)
	}
	s := Scalar(unhex(t, rfc6979Key))
	e := c.engine
	out := fmt.Sprintf("%v %+v %#v %x %+v %#v %v", e, e, e, e, c.CryptoCell, c.CryptoCell, c.kmu) +
		fmt.Sprintf("%v %+v %#v %x %s %v", s, s, s, s, s, struct{ S Scalar }{s})
	for _, bad := range []string{"48 49", "0x30, 0x31", "3031", "C9AF", "c9af", "201 175"} {
		if strings.Contains(out, bad) || len(out) > 300 {
			t.Errorf("prints %.300s", out)
		}
	}
}

func read(t testing.TB, e *Engine, off uint32) uint32 {
	t.Helper()
	v, f := e.ReadRegister(off, bus.Secure)
	if f != bus.NoFault {
		t.Fatal(f)
	}
	return v
}

func write(t testing.TB, e *Engine, off, v uint32) {
	t.Helper()
	if f := e.WriteRegister(off, v, bus.Secure); f != bus.NoFault {
		t.Fatal(f)
	}
}
