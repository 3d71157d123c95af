package cracen

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"testing"

	"github.com/postern-spe/postern/platform/kmu54l"
	"github.com/postern-spe/postern/platform/power"
)

// cuts are keys whose provisioning takes from one to many power points.
func cuts() map[string]Attributes {
	all := map[string]Attributes{"the seed": seedAttributes}
	for p, name := range map[uint8]string{PersistenceDefault: "rotating", PersistenceRevocable: "revocable", PersistenceReadOnly: "locked"} {
		all[name+", one slot"] = aesKey(Raw, 20, 128, p)
		all[name+", two slots"] = aesKey(Raw, 20, 256, p)
		all[name+", encrypted, four slots"] = aesKey(Encrypted, 20, 256, p)
		all[name+", protected, with the invalidation slots"] = aesKey(Protected, 20, 256, p)
	}
	return all
}

// powered is a device over the file name, which has a seed unless a is one.
func powered(t *testing.T, name string, s *power.Supply) *device {
	t.Helper()
	return attach(t, fileCells(t, name, s), rand.Reader)
}

// blank returns the content of the cells of a device that is ready for a.
func blank(t *testing.T, a Attributes) []byte {
	t.Helper()
	name := newFile(t)
	d := powered(t, name, nil)
	if a.ID != seedAttributes.ID {
		if err := d.WriteSeed(testSeed()); err != nil {
			t.Fatal(err)
		}
	}
	image, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func put(t *testing.T, image []byte) string {
	t.Helper()
	name := newFile(t)
	if err := os.WriteFile(name, image, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// whole reports whether the key is there with its value; it fails the test if it
// is there with another.
func whole(t *testing.T, d *device, a Attributes) bool {
	t.Helper()
	if a.ID == seedAttributes.ID {
		if d.HasRootKeys() {
			huk := make([]byte, 16)
			if err := d.DeriveHUK([]byte("TFM_HW_UNIQ_KEY\x00"), nil, huk); err != nil || !bytes.Equal(huk, unhex(t, goldenHUK)) {
				t.Errorf("a seed, but another: %x, %v", huk, err)
			}
			return true
		}
		return false
	}
	got, err := d.Attributes(a.ID)
	if errors.Is(err, ErrDoesNotExist) || errors.Is(err, ErrNotPermitted) {
		return false
	}
	if err != nil || got != a {
		t.Errorf("%+v, %v, want %+v", got, err, a)
		return false
	}
	if v := d.used(t, a.ID); !bytes.Equal(v, keyOf(a)) {
		t.Errorf("used %x", v)
	}
	return true
}

func keyOf(a Attributes) []byte {
	if a.ID == seedAttributes.ID {
		return testSeed()
	}
	return value(a.ValueSize())
}

// checkRecovered: the journal is empty, the driver works, and every slot of the
// key that is not there is what the policy lets it be.
func checkRecovered(t *testing.T, d *device, a Attributes, there bool) {
	t.Helper()
	if s, err := d.kmu.State(slotJournal); s != kmu54l.Erased || err != nil {
		t.Errorf("the journal is %v, %v", s, err)
	}
	other := aesKey(Raw, 100, 256, PersistenceDefault)
	if err := d.Provision(other, value(32)); err != nil {
		t.Errorf("another key: %v", err)
	}
	if got := d.used(t, other.ID); !bytes.Equal(got, value(32)) {
		t.Errorf("another key: %x", got)
	}
	if there {
		return
	}
	p, err := a.Place()
	if err != nil {
		t.Fatal(err)
	}
	free := true
	for slot := p.First; slot <= p.Last; slot++ {
		s, err := d.kmu.State(slot)
		if err != nil {
			t.Fatal(err)
		}
		free = free && s == kmu54l.Erased
		switch uint8(a.Lifetime) {
		case PersistenceDefault:
			if s != kmu54l.Erased {
				t.Errorf("slot %d of a rotating key is %v", slot, s)
			}
		case PersistenceRevocable:
			if s == kmu54l.Provisioned {
				t.Errorf("slot %d of a revocable key is %v", slot, s)
			}
		}
	}
	if err := d.Provision(a, keyOf(a)); (err == nil) != free || err != nil && !errors.Is(err, ErrAlreadyExists) {
		t.Errorf("again, where the slots are free is %v: %v", free, err)
	}
	if free && !whole(t, d, a) {
		t.Error("again: it is not there")
	}
}

// TestPowerCutsProvision lets the power fail at every point of provisioning, and
// at every point of the recovery after it.
func TestPowerCutsProvision(t *testing.T) {
	for name, a := range cuts() {
		t.Run(name, func(t *testing.T) {
			image := blank(t, a)
			cutEverywhere(t, image, a, true, func(d *device) error { return d.Provision(a, keyOf(a)) })
		})
	}
}

// TestPowerCutsDestroy does the same for destroying.
func TestPowerCutsDestroy(t *testing.T) {
	for name, a := range cuts() {
		if uint8(a.Lifetime) == PersistenceReadOnly {
			continue
		}
		t.Run(name, func(t *testing.T) {
			file := put(t, blank(t, a))
			if err := powered(t, file, nil).Provision(a, keyOf(a)); err != nil {
				t.Fatal(err)
			}
			image, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			cutEverywhere(t, image, a, false, func(d *device) error { return d.Destroy(a.ID) })
		})
	}
}

// cutEverywhere does op on the device in image, over and over, with the power
// failing one point later each time, until it is done; the key must be there then,
// or not.
func cutEverywhere(t *testing.T, image []byte, a Attributes, want bool, op func(d *device) error) {
	points := uint64(0)
	for n := uint64(1); ; n++ {
		for seed := range uint64(4) { // the write at the cut is there, or not
			file := put(t, image)
			supply := new(power.Supply)
			d := powered(t, file, supply)
			supply.CutAt(n, seed)
			err := op(d)
			if err == nil {
				if points = supply.Points(); points >= n {
					t.Fatalf("succeeded with the power cut at point %d", n)
				}
				if there := whole(t, powered(t, file, nil), a); there != want {
					t.Errorf("done, and the key is there: %v", there)
				}
				t.Logf("%d power points", points)
				return
			}
			if !errors.Is(err, power.ErrLost) {
				t.Fatalf("cut at %d: %v", n, err)
			}
			after, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			d = powered(t, file, nil)
			checkRecovered(t, d, a, whole(t, d, a))

			// And once more, with the power failing in the recovery.
			for m := uint64(1); ; m++ {
				file := put(t, after)
				supply := new(power.Supply)
				d := powered(t, file, supply)
				supply.CutAt(m, seed)
				if _, err := d.List(); err == nil {
					break // the recovery has fewer points
				} else if !errors.Is(err, power.ErrLost) {
					t.Fatalf("cut at %d, then at %d: %v", n, m, err)
				}
				d = powered(t, file, nil)
				checkRecovered(t, d, a, whole(t, d, a))
			}
		}
	}
}
