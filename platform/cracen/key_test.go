package cracen

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/kmu54l"
)

// kinds are one key of each kind and size.
func kinds(slot int) map[string]Attributes {
	key := func(typ, bits uint16, usage, alg uint32, s Scheme) Attributes {
		return Attributes{Type: typ, Bits: bits, Lifetime: lifetime(PersistenceDefault), Usage: usage, Algorithm: alg, ID: KeyID(s, slot)}
	}
	all := map[string]Attributes{}
	for _, s := range []Scheme{Protected, Encrypted, Raw} {
		for _, bits := range []uint16{128, 192, 256} {
			all[fmt.Sprintf("%v AES-%d", s, bits)] = aesKey(s, slot, bits, PersistenceDefault)
		}
		if s == Protected {
			continue
		}
		name := s.String() + " "
		all[name+"ChaCha20"] = key(TypeChaCha20, 256, UsageEncrypt|UsageExport, algChaCha, s)
		all[name+"HMAC"] = key(TypeHMAC, 256, UsageSign, algHMAC, s)
		all[name+"Ed25519 pair"] = key(TypePairTwistedEdw, 255, UsageSign|UsageVerify, algEdDSA, s)
		all[name+"Ed25519 public"] = key(TypePublicTwistedEdw, 255, UsageVerify, algEdDSA, s)
		all[name+"P-256 pair"] = key(TypePairSecpR1, 256, UsageSign|UsageCopy, algECDSAAny, s)
		all[name+"P-256 public"] = key(TypePublicSecpR1, 256, UsageVerify, algECDSAAny, s)
		all[name+"P-256 ECDH"] = key(TypePairSecpR1, 256, UsageDerive, algECDH, s)
		all[name+"P-384 pair"] = key(TypePairSecpR1, 384, UsageSign, algECDSAAny, s)
		if s == Raw {
			all[name+"P-384 public"] = key(TypePublicSecpR1, 384, UsageVerify, algECDSAAny, s)
		}
	}
	return all
}

// keyValue is a value for a, with what Use gives back of it.
func keyValue(a Attributes) []byte {
	v := value(a.ValueSize())
	if a.Type == TypePublicSecpR1 {
		v[0] = 0x04
	}
	return v
}

func TestProvisionUseDestroy(t *testing.T) {
	for name, a := range kinds(20) {
		t.Run(name, func(t *testing.T) {
			d := seeded(t)
			want := keyValue(a)
			if err := d.Provision(a, want); err != nil {
				t.Fatal(err)
			}
			if got, err := d.Attributes(a.ID); got != a || err != nil {
				t.Errorf("attributes %+v, %v, want %+v", got, err, a)
			}
			for range 2 {
				if got := d.used(t, a.ID); !bytes.Equal(got, want) {
					t.Errorf("used %x, want %x", got, want)
				}
				d.checkClean(t, want)
			}
			// Use's error is that of f, and the key is wiped all the same.
			failure := errors.New("the engine does not like it")
			if err := d.Use(a.ID, func([]byte) error { return failure }); err != failure {
				t.Errorf("%v", err)
			}
			d.checkClean(t, want)
			if err := d.Provision(a, want); !errors.Is(err, ErrAlreadyExists) {
				t.Errorf("a second one: %v", err)
			}
			p, err := a.Place()
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Destroy(a.ID); err != nil {
				t.Fatal(err)
			}
			for slot := p.First - 1; slot <= p.Last+1; slot++ {
				if s, err := d.kmu.State(slot); s != kmu54l.Erased || err != nil {
					t.Errorf("slot %d is %v, %v", slot, s, err)
				}
			}
			if err := d.Use(a.ID, nil); !errors.Is(err, ErrDoesNotExist) {
				t.Errorf("destroyed: %v", err)
			}
			if err := d.Provision(a, want); err != nil {
				t.Errorf("again: %v", err)
			}
			d.checkClean(t, want)
		})
	}
}

// checkClean: no 8 bytes of the value are in the engine's or the driver's memory.
func (d *device) checkClean(t *testing.T, v []byte) {
	t.Helper()
	for i := 0; i+8 <= len(v); i += 8 {
		if bytes.Contains(d.engine.mem, v[i:i+8]) || bytes.Contains(d.work, v[i:i+8]) {
			t.Errorf("bytes %d to %d of the key are left behind", i, i+7)
		}
	}
	if !bytes.Equal(d.wrap, make([]byte, 32)) {
		t.Error("the wrapping key is left behind")
	}
}

func TestPointWithoutPrefix(t *testing.T) {
	for name, a := range kinds(20) {
		if a.Type != TypePublicSecpR1 {
			continue
		}
		d := seeded(t)
		if err := d.Provision(a, keyValue(a)[1:]); err != nil {
			t.Fatal(err)
		}
		if got := d.used(t, a.ID); !bytes.Equal(got, keyValue(a)) {
			t.Errorf("%s: used %x", name, got)
		}
	}
}

func TestProvisionRandom(t *testing.T) {
	d := seeded(t)
	seen := map[string]bool{}
	for name, a := range kinds(20) {
		err := d.ProvisionRandom(a)
		if a.IsPublic() {
			if !errors.Is(err, ErrInvalidArgument) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got := d.used(t, a.ID)
		if seen[string(got)] || len(got) != a.ValueSize() {
			t.Errorf("%s: %d bytes, or the same ones again", name, len(got))
		}
		seen[string(got)] = true
		if err := d.Destroy(a.ID); err != nil {
			t.Fatal(err)
		}
	}
	broken := attach(t, d.cellsOf(t), failing{})
	for _, a := range []Attributes{aesKey(Raw, 1, 256, 1), aesKey(Protected, 1, 256, 1), seedAttributes} {
		if err := broken.ProvisionRandom(a); !errors.Is(err, errNoNoise) {
			t.Errorf("0x%08x: without random bytes: %v", a.ID, err)
		}
	}
	if list, err := broken.List(); len(list) != 0 || err != nil {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

var errNoNoise = errors.New("no noise")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errNoNoise }

// cellsOf are fresh cells: a device of its own.
func (d *device) cellsOf(t *testing.T) *keycells.Cells {
	t.Helper()
	cells, err := keycells.Memory(kmu54l.CellsSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cells.Close() })
	return cells
}

func mustMetadata(t *testing.T, a Attributes) Metadata {
	t.Helper()
	m, err := a.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestErrors is what each operation answers for each state of a key.
func TestErrors(t *testing.T) {
	rotating, revocable, locked := aesKey(Raw, 10, 256, PersistenceDefault), aesKey(Raw, 12, 256, PersistenceRevocable), aesKey(Raw, 14, 256, PersistenceReadOnly)
	protected := aesKey(Protected, 16, 256, PersistenceDefault)
	setUp := func(t *testing.T) *device {
		d := seeded(t)
		for _, a := range []Attributes{rotating, revocable, locked, protected} {
			if err := d.Provision(a, value(32)); err != nil {
				t.Fatal(err)
			}
		}
		return d
	}
	destroyed := func(id uint32) func(t *testing.T, d *device) {
		return func(t *testing.T, d *device) {
			if err := d.Destroy(id); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name                            string
		do                              func(t *testing.T, d *device)
		id                              uint32
		attributes, use, destroy, again error
	}{
		{"rotating", nil, rotating.ID, nil, nil, nil, ErrAlreadyExists},
		{"revocable", nil, revocable.ID, nil, nil, nil, ErrAlreadyExists},
		{"locked", nil, locked.ID, nil, nil, ErrNotPermitted, ErrAlreadyExists},
		{"protected", nil, protected.ID, nil, nil, nil, ErrAlreadyExists},
		{"rotating, destroyed", destroyed(rotating.ID), rotating.ID, ErrDoesNotExist, ErrDoesNotExist, ErrDoesNotExist, nil},
		{"revocable, destroyed", destroyed(revocable.ID), revocable.ID, ErrNotPermitted, ErrNotPermitted, ErrNotPermitted, ErrAlreadyExists},
		{"blocked", func(t *testing.T, d *device) {
			if err := d.BlockPush(rotating.ID); err != nil {
				t.Fatal(err)
			}
		}, rotating.ID, nil, ErrNotPermitted, nil, ErrAlreadyExists},
		{"empty slot", nil, KeyID(Raw, 100), ErrDoesNotExist, ErrDoesNotExist, ErrDoesNotExist, nil},
		{"second slot", nil, KeyID(Raw, 11), ErrDoesNotExist, ErrDoesNotExist, ErrDoesNotExist, ErrAlreadyExists},
		{"another scheme", nil, KeyID(Encrypted, 10), ErrDoesNotExist, ErrDoesNotExist, ErrDoesNotExist, ErrAlreadyExists},
		{"not of the KMU", nil, 0x1234, ErrDoesNotExist, ErrDoesNotExist, ErrDoesNotExist, ErrInvalidArgument},
		{"slot 255", nil, 0x7FFF30FF, ErrDoesNotExist, ErrDoesNotExist, ErrDoesNotExist, ErrInvalidArgument},
		{"the journal's slot", nil, KeyID(Raw, 186), ErrDoesNotExist, ErrDoesNotExist, ErrDoesNotExist, ErrInvalidArgument},
		{"the seed", nil, KeyID(Seed, 183), nil, ErrNotPermitted, ErrNotPermitted, ErrInvalidArgument},
		{"invalidation", nil, KeyID(Protected, 248), nil, ErrInvalidArgument, nil, ErrAlreadyExists},
		{"identity key", nil, IDIdentity, nil, ErrNotPermitted, ErrNotPermitted, ErrInvalidArgument},
		{"MKEK", nil, IDMKEK, nil, ErrNotPermitted, ErrNotPermitted, ErrInvalidArgument},
		{"MEXT", nil, IDMEXT, nil, ErrNotPermitted, ErrNotPermitted, ErrInvalidArgument},
		{"protected, nothing to wipe it with", destroyed(KeyID(Protected, 248)), protected.ID, nil, ErrHardwareFailure, nil, ErrAlreadyExists},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fresh := func() *device {
				d := setUp(t)
				if tt.do != nil {
					tt.do(t, d)
				}
				return d
			}
			d := fresh()
			if _, err := d.Attributes(tt.id); !errors.Is(err, tt.attributes) {
				t.Errorf("attributes: %v, want %v", err, tt.attributes)
			}
			if err := d.Use(tt.id, func([]byte) error { return nil }); !errors.Is(err, tt.use) {
				t.Errorf("use: %v, want %v", err, tt.use)
			}
			if err := d.Destroy(tt.id); !errors.Is(err, tt.destroy) {
				t.Errorf("destroy: %v, want %v", err, tt.destroy)
			}
			d = fresh()
			a := rotating
			a.ID = tt.id
			if err := d.Provision(a, value(32)); !errors.Is(err, tt.again) {
				t.Errorf("provision: %v, want %v", err, tt.again)
			}
		})
	}
}

func TestDoesNotPrint(t *testing.T) {
	d := seeded(t)
	if err := d.Provision(aesKey(Raw, 0, 256, 1), value(32)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.IdentityPublicKey(); err != nil {
		t.Fatal(err)
	}
	out := fmt.Sprintf("%v %+v %#v %x %v %+v %#v %x", d.CRACEN, d.CRACEN, d.CRACEN, d.CRACEN, d.engine, d.engine, d.engine, d.engine)
	if len(out) > 200 {
		t.Errorf("prints %.300s", out)
	}
	err := d.Provision(aesKey(Raw, 2, 256, 1), value(31))
	if err == nil || strings.Contains(err.Error(), "40") && strings.Contains(err.Error(), "41 42") {
		t.Errorf("%v", err)
	}
}

func TestClosed(t *testing.T) {
	d := seeded(t)
	d.Close()
	d.Close()
	if err := d.DeriveHUK(nil, nil, make([]byte, 16)); !errors.Is(err, errClosed) {
		t.Errorf("%v", err)
	}
	if _, err := d.List(); !errors.Is(err, errClosed) {
		t.Errorf("%v", err)
	}
	if d.HasRootKeys() {
		t.Error("keys of a closed device")
	}
	d = seeded(t)
	d.engine.Close()
	if err := d.DeriveHUK(nil, nil, make([]byte, 16)); err == nil {
		t.Error("derived with a closed engine")
	}
	d.engine.Reset()
	if err := d.Use(IDMKEK, nil); err == nil {
		t.Error("used MKEK")
	}
}
