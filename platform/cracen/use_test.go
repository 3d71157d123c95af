package cracen

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/postern-spe/postern/platform/aescmac"
	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/kmu54l"
)

// TestSlotContents spells out what provisioning leaves in the slots.
func TestSlotContents(t *testing.T) {
	cells, err := keycells.Memory(kmu54l.CellsSize)
	if err != nil {
		t.Fatal(err)
	}
	d := attach(t, cells, rand.Reader)
	if err := d.WriteSeed(testSeed()); err != nil {
		t.Fatal(err)
	}
	slot := func(n int) (v []byte, policy, dest, metadata uint32) {
		p := make([]byte, 32)
		if err := cells.Read(32*n, p); err != nil {
			t.Fatal(err)
		}
		return p[:16], binary.LittleEndian.Uint32(p[16:]), binary.LittleEndian.Uint32(p[20:]), binary.LittleEndian.Uint32(p[24:])
	}
	check := func(n int, v []byte, policy, dest, metadata uint32) {
		t.Helper()
		gotV, gotP, gotD, gotM := slot(n)
		if v != nil && !bytes.Equal(gotV, v) || gotP != policy || gotD != dest || gotM != metadata {
			t.Errorf("slot %d: %x, policy %d, DEST 0x%08x, metadata 0x%08x", n, gotV, gotP, gotD, gotM)
		}
	}
	for i := range 3 {
		metadata := secondary
		if i == 0 {
			metadata = 0x01500010
		}
		check(183+i, testSeed()[16*i:16*i+16], 2, 0x50048410+16*uint32(i), metadata)
	}

	key := value(24)
	a := aesKey(Protected, 0, 192, PersistenceRevocable)
	if err := d.Provision(a, key); err != nil {
		t.Fatal(err)
	}
	check(0, key[:16], 3, 0x51810040, uint32(mustMetadata(t, a)))
	check(1, append(bytes.Clone(key[16:]), make([]byte, 8)...), 3, 0x51810050, secondary)
	check(248, nil, 1, 0x51810040, 0x02C60000)
	check(249, nil, 1, 0x51810050, secondary)

	a = aesKey(Raw, 2, 256, PersistenceReadOnly)
	if err := d.Provision(a, value(32)); err != nil {
		t.Fatal(err)
	}
	check(2, value(32)[:16], 2, testArea, uint32(mustMetadata(t, a)))
	check(3, value(32)[16:], 2, testArea+16, secondary)

	// An encrypted key: the test decrypts it by the documented form.
	a = aesKey(Encrypted, 4, 192, PersistenceDefault)
	if err := d.Provision(a, key); err != nil {
		t.Fatal(err)
	}
	nonce, _, dest, metadata := slot(4)
	if dest != testArea || metadata != uint32(mustMetadata(t, a)) {
		t.Errorf("nonce slot: DEST 0x%08x, metadata 0x%08x", dest, metadata)
	}
	var text []byte
	for i := 1; i < 4; i++ {
		v, _, dest, metadata := slot(4 + i)
		if dest != testArea+16*uint32(i) || metadata != secondary {
			t.Errorf("slot %d: DEST 0x%08x, metadata 0x%08x", 4+i, dest, metadata)
		}
		text = append(text, v...)
	}
	if s, err := d.kmu.State(8); s != kmu54l.Erased || err != nil {
		t.Errorf("slot 8 is %v, %v", s, err)
	}
	wrap := make([]byte, 32)
	if err := d.engine.use(func(k rootKeys) error {
		return aescmac.Derive(k.mkek, []byte("KMU"), nonce, aescmac.DefaultCapacity, wrap)
	}); err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(wrap)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := aead.Open(nil, nonce[:12], text, binary.LittleEndian.AppendUint32(nil, metadata))
	if err != nil || !bytes.Equal(plain, append(bytes.Clone(key), make([]byte, 8)...)) {
		t.Errorf("%x, %v", plain, err)
	}
}

// TestForeignSlots: slots that the driver has not written as it would.
func TestForeignSlots(t *testing.T) {
	raw := aesKey(Raw, 0, 256, PersistenceDefault)
	provision := func(t *testing.T, d *device, slot int, dest, metadata uint32) {
		t.Helper()
		v := keycells.NewValue(value(16))
		if err := d.kmu.Provision(slot, kmu54l.Slot{Value: v, Policy: kmu54l.Rotating, Dest: dest, Metadata: metadata}); err != nil {
			t.Fatal(err)
		}
	}
	m := uint32(mustMetadata(t, raw))
	tests := []struct {
		name string
		do   func(t *testing.T, d *device)
		id   uint32
		use  error
	}{
		{"both elsewhere", func(t *testing.T, d *device) {
			provision(t, d, 0, ProtectedAESKey1, m)
			provision(t, d, 1, ProtectedAESKey1+16, secondary)
		}, raw.ID, ErrCorruptionDetected},
		{"the second in the first's place", func(t *testing.T, d *device) {
			provision(t, d, 0, testArea, m)
			provision(t, d, 1, testArea, secondary)
		}, raw.ID, ErrCorruptionDetected},
		{"no second", func(t *testing.T, d *device) { provision(t, d, 0, testArea, m) }, raw.ID, ErrCorruptionDetected},
		{"pushed to nowhere", func(t *testing.T, d *device) { provision(t, d, 0, 0x30000000, m) }, raw.ID, ErrHardwareFailure},
		{"another version", func(t *testing.T, d *device) { provision(t, d, 0, testArea, m|1) }, raw.ID, ErrBadState},
		{"beyond the last slot", func(t *testing.T, d *device) { provision(t, d, 249, testArea, m) }, KeyID(Raw, 249), ErrCorruptionDetected},
		{"a journal of slots that are not there", func(t *testing.T, d *device) { provision(t, d, slotJournal, 0, 240<<8|20) }, raw.ID, ErrCorruptionDetected},
		{"a journal of itself", func(t *testing.T, d *device) { provision(t, d, slotJournal, 0, 180<<8|10) }, raw.ID, ErrCorruptionDetected},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := seeded(t)
			tt.do(t, d)
			called := false
			if err := d.Use(tt.id, func([]byte) error { called = true; return nil }); !errors.Is(err, tt.use) || called {
				t.Errorf("%v, want %v; a key was given: %v", err, tt.use, called)
			}
		})
	}
}

// TestEncryptedIsAuthenticated changes each slot of an encrypted key, and its
// metadata.
func TestEncryptedIsAuthenticated(t *testing.T) {
	a := aesKey(Encrypted, 0, 256, PersistenceDefault)
	for _, off := range []int{0, 11, 15, 32, 32 + 15, 64, 96, 96 + 15, 24 + 3} {
		cells, err := keycells.Memory(kmu54l.CellsSize)
		if err != nil {
			t.Fatal(err)
		}
		d := attach(t, cells, rand.Reader)
		if err := d.WriteSeed(testSeed()); err != nil {
			t.Fatal(err)
		}
		if err := d.Provision(a, value(32)); err != nil {
			t.Fatal(err)
		}
		// The slot anew, as the hardware would write it, with one bit changed.
		n := off / 32
		p := make([]byte, 32)
		if err := cells.Read(32*n, p); err != nil {
			t.Fatal(err)
		}
		if off == 24+3 {
			p[27] ^= 0x02 // usage: no encryption
		} else {
			p[off%32] ^= 0x02
		}
		if err := d.kmu.Revoke(n); err != nil {
			t.Fatal(err)
		}
		if err := d.kmu.Provision(n, kmu54l.Slot{
			Value: keycells.NewValue(p[:16]), Policy: kmu54l.Rotating,
			Dest: binary.LittleEndian.Uint32(p[20:]), Metadata: binary.LittleEndian.Uint32(p[24:]),
		}); err != nil {
			t.Fatal(err)
		}
		called := false
		if err := d.Use(a.ID, func([]byte) error { called = true; return nil }); !errors.Is(err, ErrCorruptionDetected) || called {
			t.Errorf("byte %d changed: %v", off, err)
		}
		d.checkClean(t, value(32))
	}
}

// TestUseWipesProtectedRAM: after a PROTECTED key the random bytes of the
// invalidation slots are in AES_KEY0, and they are not zeros.
func TestUseWipesProtectedRAM(t *testing.T) {
	d := newDevice(t)
	a := aesKey(Protected, 0, 128, PersistenceDefault)
	if err := d.Provision(a, value(16)); err != nil {
		t.Fatal(err)
	}
	if got := d.used(t, a.ID); !bytes.Equal(got, value(16)) {
		t.Errorf("%x", got)
	}
	key0 := d.engine.mem[0x40:0x60]
	if bytes.Equal(key0[:16], make([]byte, 16)) || bytes.Contains(key0, value(16)[:8]) {
		t.Errorf("AES_KEY0 is %x", key0)
	}
}

// TestConcurrency: many at once, each gets its own key.
func TestConcurrency(t *testing.T) {
	d := seeded(t)
	schemes := []Scheme{Protected, Encrypted, Raw}
	for i, s := range schemes {
		v := slices.Repeat([]byte{byte(i + 1)}, 32)
		if err := d.Provision(aesKey(s, 10*i, 256, 1), v); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for i, s := range schemes {
		for range 3 {
			all.Go(func() {
				for range 20 {
					err := d.Use(KeyID(s, 10*i), func(key []byte) error {
						if !bytes.Equal(key, slices.Repeat([]byte{byte(i + 1)}, 32)) {
							t.Errorf("%v: another key", s)
						}
						return nil
					})
					if err != nil {
						t.Error(err)
					}
					if err := d.DeriveHUK(nil, nil, make([]byte, 16)); err != nil {
						t.Error(err)
					}
					d.engine.WriteRegister(RegEnable, 0, bus.Secure)
					d.HasRootKeys()
				}
			})
		}
	}
	all.Wait()
}
