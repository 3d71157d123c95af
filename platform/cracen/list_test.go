package cracen

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/kmu54l"
)

func TestList(t *testing.T) {
	d := seeded(t)
	keys := []Attributes{aesKey(Raw, 3, 128, 1), aesKey(Protected, 4, 256, 3), aesKey(Encrypted, 10, 128, 2), aesKey(Raw, 20, 256, 2)}
	for _, a := range keys {
		if err := d.Provision(a, value(a.ValueSize())); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Destroy(keys[3].ID); err != nil {
		t.Fatal(err)
	}
	v := keycells.NewValue(value(16))
	for slot, m := range map[int]uint32{30: secondary, 31: 0x5EB0 | 1, 40: uint32(mustMetadata(t, aesKey(Raw, 0, 256, 1)))} {
		if err := d.kmu.Provision(slot, kmu54l.Slot{Value: v, Policy: kmu54l.Rotating, Metadata: m}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := d.List()
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		slot, slots int
		state       kmu54l.State
		id          uint32
		err         error
	}
	want := []row{
		{3, 1, kmu54l.Provisioned, keys[0].ID, nil},
		{4, 2, kmu54l.Provisioned, keys[1].ID, nil},
		{10, 3, kmu54l.Provisioned, keys[2].ID, nil},
		{20, 1, kmu54l.Revoked, 0, ErrNotPermitted},
		{21, 1, kmu54l.Revoked, 0, ErrNotPermitted},
		{30, 1, kmu54l.Provisioned, 0, ErrDoesNotExist},
		{31, 1, kmu54l.Provisioned, 0, ErrBadState},
		{40, 1, kmu54l.Provisioned, KeyID(Raw, 40), ErrCorruptionDetected},
		{183, 3, kmu54l.Provisioned, KeyID(Seed, 183), nil},
		{248, 2, kmu54l.Provisioned, KeyID(Protected, 248), nil},
	}
	for i, w := range want {
		if i >= len(list) {
			t.Fatalf("%d entries, want %d", len(list), len(want))
		}
		e := list[i]
		if e.Slot != w.slot || e.Slots != w.slots || e.State != w.state || e.Attributes.ID != w.id || !errors.Is(e.Err, w.err) {
			t.Errorf("%+v, want %+v", e, w)
		}
	}
	if len(list) != len(want) {
		t.Errorf("%d entries, want %d", len(list), len(want))
	}
	if out := fmt.Sprintf("%+v", list); strings.Contains(out, "404142") || strings.Contains(out, "64 65 66") {
		t.Errorf("lists a value: %s", out)
	}
}
