package crypto

import (
	"bytes"
	"crypto/ecdh"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

var (
	rotating  = psa.NewLifetime(psa.PersistenceDefault, psa.LocationKMU)
	revocable = psa.NewLifetime(psa.PersistenceRevocable, psa.LocationKMU)
	locked    = psa.NewLifetime(psa.PersistenceLocked, psa.LocationKMU)

	ones = bytes.Repeat([]byte{1}, 32) // a scalar on every curve
)

func newSlotWorld(t testing.TB) (*world, *slotStore) {
	s := new(slotStore)
	return newWorld(t, func(c *Config) { c.KeySlots = s }), s
}

// inSlot is the attributes of a key in slot 0.
func inSlot(typ psa.KeyType, usage psa.Usage, alg psa.Algorithm) psa.KeyAttributes {
	return psa.KeyAttributes{Type: typ, Lifetime: rotating, Usage: usage, Algorithm: alg, ID: psa.KMUKeyID(psa.KMURaw, 0)}
}

// TestSlotKeyUses uses keys in slots for everything that they can be used for. A
// value leaves its slot once for each use, and only for a use that is allowed.
func TestSlotKeyUses(t *testing.T) {
	const all = psa.UsageAll &^ psa.UsageCache
	pair, public := psa.ECCPair(psa.SECPR1), psa.ECCPublic(psa.SECPR1)
	ecdsa, anyECDSA, hmac := psa.ECDSA(psa.SHA256), psa.ECDSA(psa.AnyHash), psa.HMAC(psa.SHA256)
	hash, nonce := make([]byte, 32), make([]byte, 12)
	private, err := ecdh.P256().NewPrivateKey(ones)
	if err != nil {
		t.Fatal(err)
	}
	point := private.PublicKey().Bytes()
	ok, no := veneer.Success, veneer.ErrNotPermitted
	for _, tt := range []struct {
		name  string
		attrs psa.KeyAttributes
		value []byte
		do    func(c *contract.Client, id psa.KeyID) error
		want  veneer.Status
		uses  int
	}{
		{"attributes", inSlot(pair, all, anyECDSA), ones, func(c *contract.Client, id psa.KeyID) error {
			_, err := c.Attributes(id)
			return err
		}, ok, 0},
		{"purge", inSlot(pair, all, anyECDSA), ones, func(c *contract.Client, id psa.KeyID) error { return c.Purge(id) }, ok, 0},
		{"export", inSlot(psa.KeyAES, psa.UsageExport, psa.GCM), ones, exportSame(ones), ok, 1},
		{"export, not allowed", inSlot(psa.KeyAES, all&^psa.UsageExport, psa.GCM), ones, exportSame(ones), no, 0},
		{"export a public key", inSlot(public, 0, anyECDSA), point, exportSame(point), ok, 1},
		{"export the public half", inSlot(pair, 0, anyECDSA), ones, publicSame(point), ok, 1},
		{"export the public half of none", inSlot(psa.KeyAES, all, psa.GCM), ones, publicSame(nil), veneer.ErrInvalidArgument, 0},
		{"sign", inSlot(pair, psa.UsageSignHash, anyECDSA), ones, func(c *contract.Client, id psa.KeyID) error {
			_, err := c.SignHash(make([]byte, 64), id, ecdsa, hash)
			return err
		}, ok, 1},
		{"sign, not allowed", inSlot(pair, all&^psa.UsageSignHash, anyECDSA), ones, func(c *contract.Client, id psa.KeyID) error {
			_, err := c.SignHash(make([]byte, 64), id, ecdsa, hash)
			return err
		}, no, 0},
		{"sign and verify a message", inSlot(pair, all, anyECDSA), ones, func(c *contract.Client, id psa.KeyID) error {
			sig := make([]byte, 64)
			if _, err := c.SignMessage(sig, id, ecdsa, []byte("m")); err != nil {
				return err
			}
			return c.VerifyMessage(id, ecdsa, []byte("m"), sig)
		}, ok, 2},
		{"verify with a public key", inSlot(public, psa.UsageVerifyHash, anyECDSA), point, func(c *contract.Client, id psa.KeyID) error {
			return c.VerifyHash(id, ecdsa, hash, make([]byte, 64))
		}, veneer.ErrInvalidSignature, 1},
		{"MAC", inSlot(psa.KeyHMAC, all, hmac), ones, func(c *contract.Client, id psa.KeyID) error {
			mac := make([]byte, 32)
			if _, err := c.ComputeMAC(mac, id, hmac, []byte("m")); err != nil {
				return err
			}
			v, err := c.NewMACVerifier(id, hmac) // in parts, after the key has ended
			if err != nil {
				return err
			}
			if _, err := v.Write([]byte("m")); err != nil {
				return err
			}
			return v.Verify(mac)
		}, ok, 2},
		{"MAC, another algorithm", inSlot(psa.KeyHMAC, all, hmac), ones, func(c *contract.Client, id psa.KeyID) error {
			_, err := c.ComputeMAC(make([]byte, 64), id, psa.HMAC(psa.SHA512), nil)
			return err
		}, no, 0},
		{"AEAD", inSlot(psa.KeyAES, all, psa.GCM), ones[:16], func(c *contract.Client, id psa.KeyID) error {
			sealed, err := c.Seal(nil, id, psa.GCM, nonce, []byte("plain"), nil)
			if err != nil {
				return err
			}
			_, err = c.Open(nil, id, psa.GCM, nonce, sealed, nil)
			return err
		}, ok, 2},
		{"AEAD, not allowed", inSlot(psa.KeyAES, psa.UsageDecrypt, psa.GCM), ones, func(c *contract.Client, id psa.KeyID) error {
			_, err := c.Seal(nil, id, psa.GCM, nonce, nil, nil)
			return err
		}, no, 0},
		{"CCM, which is not here", inSlot(psa.KeyAES, all, psa.CCM), ones, func(c *contract.Client, id psa.KeyID) error {
			_, err := c.Seal(nil, id, psa.CCM, nonce, nil, nil)
			return err
		}, veneer.ErrNotSupported, 1},
		{"agreement", inSlot(pair, psa.UsageDerive, psa.ECDH), ones, func(c *contract.Client, id psa.KeyID) error {
			_, err := c.Agree(make([]byte, 32), id, psa.ECDH, point)
			return err
		}, ok, 1},
		{"derivation", inSlot(psa.KeyDerive, psa.UsageDerive, psa.HKDF(psa.SHA256)), ones, func(c *contract.Client, id psa.KeyID) error {
			_, err := c.DeriveKey(id, psa.HKDF(psa.SHA256), nil, nil, psa.KeyAttributes{Type: psa.KeyAES, Bits: 128})
			return err
		}, ok, 1},
		{"derivation, another algorithm", inSlot(psa.KeyDerive, psa.UsageDerive, psa.HKDF(psa.SHA512)), ones, func(c *contract.Client, id psa.KeyID) error {
			_, err := c.DeriveKey(id, psa.HKDF(psa.SHA256), nil, nil, psa.KeyAttributes{Type: psa.KeyAES, Bits: 128})
			return err
		}, no, 0},
		{"Ed25519, attributes", inSlot(psa.ECCPublic(psa.TwistedEdwards), all, psa.PureEdDSA), ones, func(c *contract.Client, id psa.KeyID) error {
			_, err := c.Attributes(id)
			return err
		}, ok, 0},
		{"Ed25519, which is not here", inSlot(psa.ECCPublic(psa.TwistedEdwards), all, psa.PureEdDSA), ones, publicSame(nil), veneer.ErrNotSupported, 1},
		{"a scalar that is none", inSlot(pair, all, anyECDSA), make([]byte, 32), publicSame(nil), veneer.ErrDataInvalid, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, s := newSlotWorld(t)
			tt.attrs.Bits = uint16(8 * len(tt.value))
			if tt.attrs.Type == public {
				tt.attrs.Bits = 256
			}
			s.put(tt.attrs, tt.value)
			wantStatus(t, "the use", tt.do(w.client(appOwner), tt.attrs.ID), tt.want)
			if s.uses != tt.uses {
				t.Errorf("the value left its slot %d times, want %d", s.uses, tt.uses)
			}
		})
	}
}

// exportSame exports the key, which has to be this one.
func exportSame(want []byte) func(*contract.Client, psa.KeyID) error {
	return func(c *contract.Client, id psa.KeyID) error {
		return same(want)(c.Export(id))
	}
}

func publicSame(want []byte) func(*contract.Client, psa.KeyID) error {
	return func(c *contract.Client, id psa.KeyID) error {
		return same(want)(c.ExportPublic(id))
	}
}

func same(want []byte) func([]byte, error) error {
	return func(got []byte, err error) error {
		if err == nil && !bytes.Equal(got, want) {
			return veneer.ErrDataCorrupt
		}
		return err
	}
}

// What was taken from a slot for a use is wiped at the end of the use.
func TestSlotKeyIsWiped(t *testing.T) {
	s := new(slotStore)
	p := newPartition(Config{KeySlots: s})
	a := inSlot(psa.KeyAES, psa.UsageEncrypt, psa.GCM)
	a.Bits = 256
	s.put(a, secret)
	k, err := p.find(p.sessions.open(appOwner), appOwner, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if k.mat.size() != 0 {
		t.Error("the value has left its slot before there is a use for it")
	}
	s.found = func(int) {
		if p.slots.mu.TryLock() {
			t.Error("the slot could be filled anew between the last look at it and the use")
			p.slots.mu.Unlock()
		}
	}
	if err := p.fetch(k); err != nil {
		t.Fatal(err)
	}
	held := k.mat.bytes()
	if !bytes.Equal(held, secret) || !bytes.Equal(s.lent, make([]byte, 32)) {
		t.Errorf("the key is %x, the slot's buffer %x", held, s.lent)
	}
	k.release()
	if !bytes.Equal(held, make([]byte, 32)) || k.block != nil {
		t.Errorf("after the use there is %x", held)
	}
}

// TestSlotKeyIsTheOneThatWasAsked: a key with another policy that comes into the
// slot after the policy was asked is not used.
func TestSlotKeyIsTheOneThatWasAsked(t *testing.T) {
	w, s := newSlotWorld(t)
	a := inSlot(psa.KeyAES, psa.UsageExport, psa.GCM)
	a.Bits = 256
	s.put(a, ones)
	s.found = func(n int) {
		if n == 1 {
			a.Usage = psa.UsageEncrypt
			s.put(a, secret)
		}
	}
	got, err := w.client(appOwner).Export(a.ID)
	wantStatus(t, "export", err, veneer.ErrInvalidHandle)
	if len(got) != 0 || s.uses != 0 {
		t.Errorf("%x after %d uses", got, s.uses)
	}
}

// TestNewSlotKey walks the rules for a key to be made in a slot.
func TestNewSlotKey(t *testing.T) {
	const slot0 = psa.KeyID(0x7fff3000)
	for _, tt := range []struct {
		name   string
		change func(*psa.KeyAttributes)
		want   veneer.Status
	}{
		{"as it is", func(*psa.KeyAttributes) {}, veneer.Success},
		{"revocable", func(a *psa.KeyAttributes) { a.Lifetime = revocable }, veneer.Success},
		{"locked", func(a *psa.KeyAttributes) { a.Lifetime = locked }, veneer.Success},
		{"encrypted", func(a *psa.KeyAttributes) { a.ID = 0x7fff2000 }, veneer.Success},
		{"protected", func(a *psa.KeyAttributes) { a.ID = 0x7fff0000 }, veneer.Success},
		{"protected, to export", func(a *psa.KeyAttributes) { a.ID, a.Usage = 0x7fff0000, psa.UsageExport }, veneer.ErrInvalidArgument},
		{"protected, to copy", func(a *psa.KeyAttributes) { a.ID, a.Usage = 0x7fff0000, psa.UsageCopy }, veneer.ErrInvalidArgument},
		{"protected, not AES", func(a *psa.KeyAttributes) { a.ID, a.Type, a.Algorithm = 0x7fff0000, psa.KeyHMAC, psa.HMAC(psa.SHA256) }, veneer.ErrNotSupported},
		{"the last slot of all", func(a *psa.KeyAttributes) { a.ID = slot0 + lastNonSecureSlot - 1 }, veneer.Success},
		{"a reserved slot", func(a *psa.KeyAttributes) { a.ID = slot0 + lastNonSecureSlot + 1 }, veneer.ErrNotPermitted},
		{"no slot", func(a *psa.KeyAttributes) { a.ID = slot0 + 255 }, veneer.ErrNotPermitted},
		{"an identifier of the user's", func(a *psa.KeyAttributes) { a.ID = 1 }, veneer.ErrInvalidArgument},
		{"no identifier", func(a *psa.KeyAttributes) { a.ID = psa.NullKey }, veneer.ErrInvalidArgument},
		{"a built-in identifier", func(a *psa.KeyAttributes) { a.ID = psa.HUK }, veneer.ErrInvalidArgument},
		{"CRACEN's identity key", func(a *psa.KeyAttributes) { a.ID = 0x7fffc001 }, veneer.ErrInvalidArgument},
		{"volatile", func(a *psa.KeyAttributes) { a.Lifetime = psa.NewLifetime(psa.PersistenceVolatile, psa.LocationKMU) }, veneer.ErrInvalidArgument},
		{"persistence 4", func(a *psa.KeyAttributes) { a.Lifetime = psa.NewLifetime(4, psa.LocationKMU) }, veneer.ErrInvalidArgument},
		{"local, with the identifier of a slot", func(a *psa.KeyAttributes) { a.Lifetime = psa.LifetimePersistent }, veneer.ErrInvalidArgument},
		{"among CRACEN's own", func(a *psa.KeyAttributes) { a.Lifetime = psa.NewLifetime(1, psa.LocationCRACEN) }, veneer.ErrInvalidArgument},
		{"unknown usage flag", func(a *psa.KeyAttributes) { a.Usage |= 1 << 18 }, veneer.ErrInvalidArgument},
		{"odd parity", func(a *psa.KeyAttributes) { a.Type ^= 1 }, veneer.ErrInvalidArgument},
		{"a second algorithm", func(a *psa.KeyAttributes) { a.EnrollmentAlgorithm = psa.GCM }, veneer.ErrNotSupported},
		{"a type that the slots have not", func(a *psa.KeyAttributes) { a.Type = psa.KeyRawData }, veneer.ErrNotSupported},
		{"a type that is not here", func(a *psa.KeyAttributes) {
			a.Type, a.Bits, a.Algorithm = psa.ECCPair(psa.TwistedEdwards), 255, psa.PureEdDSA
		}, veneer.ErrNotSupported},
	} {
		attrs := inSlot(psa.KeyAES, psa.UsageEncrypt, psa.GCM)
		attrs.Bits = 256
		tt.change(&attrs)
		w, s := newSlotWorld(t)
		c := w.client(appOwner)
		for _, create := range []struct {
			name string
			do   func() (psa.KeyID, error)
		}{
			{"generate", func() (psa.KeyID, error) { return c.Generate(attrs) }},
			{"import", func() (psa.KeyID, error) { return c.Import(attrs, ones) }},
		} {
			id, err := create.do()
			wantStatus(t, create.name+" "+tt.name, err, tt.want)
			if err != nil {
				continue
			}
			if got, err := c.Attributes(id); err != nil || got != attrs {
				t.Errorf("%s: %+v, %v", tt.name, got, err)
			}
			_, err = create.do()
			wantStatus(t, tt.name+", again", err, veneer.ErrAlreadyExists)
			*s = slotStore{}
		}
	}
}

// TestDestroySlotKey: what becomes of a slot is up to the persistence.
func TestDestroySlotKey(t *testing.T) {
	for _, tt := range []struct {
		name                       string
		lifetime                   psa.Lifetime
		destroy, after, use, again veneer.Status
	}{
		{"rotating", rotating, veneer.Success, veneer.ErrInvalidHandle, veneer.ErrInvalidHandle, veneer.Success},
		{"revocable", revocable, veneer.Success, veneer.ErrNotPermitted, veneer.ErrNotPermitted, veneer.ErrAlreadyExists},
		{"locked", locked, veneer.ErrNotPermitted, veneer.ErrNotPermitted, veneer.Success, veneer.ErrAlreadyExists},
	} {
		w, _ := newSlotWorld(t)
		c := w.client(appOwner)
		attrs := inSlot(psa.KeyAES, psa.UsageExport, psa.GCM)
		attrs.Lifetime = tt.lifetime
		if _, err := c.Import(attrs, ones); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, tt.name+": destroy", c.Destroy(attrs.ID), tt.destroy)
		wantStatus(t, tt.name+": use", exportSame(ones)(c, attrs.ID), tt.use)
		wantStatus(t, tt.name+": destroy again", c.Destroy(attrs.ID), tt.after)
		_, err := c.Import(attrs, ones)
		wantStatus(t, tt.name+": make again", err, tt.again)
	}
}

// TestSlotOwnership: non-secure clients share the first slots, and have no others.
func TestSlotOwnership(t *testing.T) {
	w, s := newSlotWorld(t)
	nobody := veneer.Owner{}
	for _, slot := range []int{0, lastNonSecureSlot, lastNonSecureSlot + 1, 249} {
		a := inSlot(psa.KeyAES, psa.UsageExport, psa.GCM)
		a.ID, a.Bits = psa.KMUKeyID(psa.KMURaw, slot), 256
		s.put(a, ones)
	}
	ok, no, none := veneer.Success, veneer.ErrNotPermitted, veneer.ErrInvalidHandle
	for _, tt := range []struct {
		name       string
		id         psa.KeyID
		app, other veneer.Status
		ps, nobody veneer.Status
	}{
		{"the first slot", 0x7fff3000, ok, ok, ok, no},
		{"the first slot, another scheme", 0x7fff2000, none, none, none, no},
		{"the last shared one", 0x7fff30b3, ok, ok, ok, no},
		{"the first that is not", 0x7fff30b4, no, no, ok, no},
		{"the last of all", 0x7fff30f9, no, no, ok, no},
		{"an empty one", 0x7fff3005, none, none, none, no},
		{"an empty one that is reserved", 0x7fff30c0, no, no, none, no},
		{"none", 0x7fff30ff, no, no, none, no},
		{"CRACEN's identity key", 0x7fffc001, none, none, none, none},
		{"an identifier between", 0x7fff3100, none, none, none, none},
	} {
		for _, c := range []struct {
			name  string
			owner veneer.Owner
			want  veneer.Status
		}{{"one", appOwner, tt.app}, {"another", otherOwner, tt.other}, {"a partition", psOwner, tt.ps}, {"nobody", nobody, tt.nobody}} {
			client := w.client(c.owner)
			_, err := client.Attributes(tt.id)
			wantStatus(t, tt.name+", attributes, "+c.name, err, c.want)
			wantStatus(t, tt.name+", export, "+c.name, exportSame(ones)(client, tt.id), c.want)
			wantStatus(t, tt.name+", purge, "+c.name, client.Purge(tt.id), c.want)
			if c.want != ok {
				wantStatus(t, tt.name+", destroy, "+c.name, client.Destroy(tt.id), c.want)
			}
		}
	}
	// One destroys what another uses, as on the chip.
	wantStatus(t, "destroy", w.client(otherOwner).Destroy(0x7fff3000), ok)
	wantStatus(t, "use", exportSame(ones)(w.client(appOwner), 0x7fff3000), none)
}

// TestListSlotKeys: the keys in slots come after the caller's own.
func TestListSlotKeys(t *testing.T) {
	w, s := newSlotWorld(t)
	c := w.client(appOwner)
	vol := volatileKey(t, c, psa.KeyAES, 0, psa.GCM, secret)
	if _, err := c.Import(persistent(7), secret); err != nil {
		t.Fatal(err)
	}
	var ids, reserved []psa.KeyID
	for slot := range 250 {
		a := inSlot(psa.KeyAES, psa.UsageEncrypt, psa.GCM)
		a.ID = psa.KMUKeyID([]psa.KMUScheme{psa.KMURaw, psa.KMUEncrypted}[slot%2], slot)
		s.put(a, ones[:16])
		if slot > lastNonSecureSlot {
			reserved = append(reserved, a.ID)
			continue
		}
		ids = append(ids, a.ID)
	}
	s.slots[0].revoked = true
	ids = ids[1:]
	check := func(name string, o veneer.Owner, own []psa.KeyID, held ...psa.KeyID) {
		t.Helper()
		keys, err := w.client(o).List()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []psa.KeyID
		for _, k := range keys {
			got = append(got, k.ID)
		}
		slices.Sort(held)
		if want := append(own, held...); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	check("one", appOwner, []psa.KeyID{7, vol}, ids...)
	check("another", otherOwner, nil, ids...)
	check("a partition", psOwner, nil, append(ids, reserved...)...)
	s.fail = veneer.ErrHardwareFailure
	_, err := c.List()
	wantStatus(t, "broken hardware", err, veneer.ErrHardwareFailure)
}

// TestCopySlotKey copies into and out of slots, and never gets more than there was.
func TestCopySlotKey(t *testing.T) {
	local := psa.KeyAttributes{Lifetime: psa.LifetimePersistent, ID: 1}
	slot := func(id psa.KeyID) psa.KeyAttributes { return psa.KeyAttributes{Lifetime: rotating, ID: id} }
	pair := psa.ECCPair(psa.SECPR1)
	sign, both := psa.UsageSignMessage, psa.UsageSignMessage|psa.UsageSignHash
	key := func(usage psa.Usage, alg psa.Algorithm, at psa.KeyAttributes) psa.KeyAttributes {
		at.Type, at.Bits, at.Usage, at.Algorithm = pair, 256, usage, alg
		return at
	}
	anyHash, sha256 := psa.ECDSA(psa.AnyHash), psa.ECDSA(psa.SHA256)
	const raw1, raw8, protected8 = 0x7fff3000, 0x7fff3008, 0x7fff0008
	for _, tt := range []struct {
		name         string
		source, copy psa.KeyAttributes
		want         veneer.Status
		alg          psa.Algorithm
		usage        psa.Usage
	}{
		{"out", key(psa.UsageCopy|both, anyHash, slot(raw1)), key(both, sha256, local), 0, sha256, both},
		{"out, not allowed", key(both, anyHash, slot(raw1)), key(both, sha256, local), veneer.ErrNotPermitted, 0, 0},
		{"out, without more usage", key(psa.UsageCopy|both, anyHash, slot(raw1)), key(psa.UsageExport|both, anyHash, local), 0, anyHash, both},
		{"from slot to slot", key(psa.UsageCopy|both, anyHash, slot(raw1)), key(both, anyHash, slot(raw8)), 0, anyHash, both},
		{"in", key(psa.UsageCopy|both, anyHash, local), key(both, anyHash, slot(raw8)), 0, anyHash, both},
		{"in, with less usage than metadata can say", key(psa.UsageCopy|both, anyHash, local), key(sign, anyHash, slot(raw8)), 0, anyHash, both},
		{"in, with more usage than there was", key(psa.UsageCopy|sign, anyHash, local), key(sign, anyHash, slot(raw8)), veneer.ErrNotSupported, 0, 0},
		{"in, one hash", key(psa.UsageCopy|both, anyHash, local), key(both, sha256, slot(raw8)), 0, anyHash, both},
		{"in, more hashes than there were", key(psa.UsageCopy|both, sha256, local), key(both, sha256, slot(raw8)), veneer.ErrNotSupported, 0, 0},
		{"in, not allowed", key(both, anyHash, local), key(both, anyHash, slot(raw8)), veneer.ErrNotPermitted, 0, 0},
		{"into a reserved slot", key(psa.UsageCopy|both, anyHash, local), key(both, anyHash, slot(0x7fff30c0)), veneer.ErrNotPermitted, 0, 0},
		{"a type that is not for the slot", key(psa.UsageCopy|both, anyHash, local), key(both, anyHash, slot(protected8)), veneer.ErrNotSupported, 0, 0},
		{"onto itself", key(psa.UsageCopy|both, anyHash, slot(raw1)), key(both, anyHash, slot(raw1)), veneer.ErrAlreadyExists, 0, 0},
	} {
		w, s := newSlotWorld(t)
		c := w.client(appOwner)
		if tt.source.Lifetime == rotating {
			s.put(tt.source, ones)
		} else if _, err := c.Import(tt.source, ones); err != nil {
			t.Fatal(err)
		}
		id, err := c.Copy(tt.source.ID, tt.copy)
		wantStatus(t, tt.name, err, tt.want)
		if err != nil {
			continue
		}
		got, err := c.Attributes(id)
		if err != nil || got.Algorithm != tt.alg || got.Usage != tt.usage || got.Bits != 256 {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
		a, errA := c.ExportPublic(tt.source.ID)
		b, errB := c.ExportPublic(id)
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: the copy is another key: %v, %v", tt.name, errA, errB)
		}
	}
}

// TestSlotErrors: the hardware's statuses are the caller's.
func TestSlotErrors(t *testing.T) {
	for _, want := range []veneer.Status{
		veneer.ErrBadState, veneer.ErrCorruptionDetected, veneer.ErrHardwareFailure, veneer.ErrNotPermitted,
	} {
		w, s := newSlotWorld(t)
		s.fail = want
		c := w.client(appOwner)
		id := psa.KMUKeyID(psa.KMURaw, 0)
		_, err := c.Attributes(id)
		wantStatus(t, "attributes", err, want)
		wantStatus(t, "export", exportSame(nil)(c, id), want)
		wantStatus(t, "destroy", c.Destroy(id), want)
		_, err = c.Import(inSlot(psa.KeyAES, psa.UsageEncrypt, psa.GCM), ones)
		wantStatus(t, "import", err, want)
	}
	w, s := newSlotWorld(t)
	a := inSlot(psa.KeyAES, psa.UsageExport, psa.GCM)
	a.Bits = 256
	s.put(a, ones)
	s.slots[0].blocked = true
	wantStatus(t, "a blocked slot", exportSame(ones)(w.client(appOwner), a.ID), veneer.ErrNotPermitted)
}

// TestNoSlots: on a board without CRACEN there is no such location and no such
// key, for nobody.
func TestNoSlots(t *testing.T) {
	w := newWorld(t)
	for _, o := range []veneer.Owner{appOwner, psOwner} {
		c := w.client(o)
		for _, id := range []psa.KeyID{0x7fff0000, 0x7fff3005, 0x7fff30b7, 0x7fffc001} {
			_, err := c.Attributes(id)
			wantStatus(t, "attributes", err, veneer.ErrInvalidHandle)
			wantStatus(t, "destroy", c.Destroy(id), veneer.ErrInvalidHandle)
		}
		attrs := inSlot(psa.KeyAES, psa.UsageEncrypt, psa.GCM)
		_, err := c.Import(attrs, ones)
		wantStatus(t, "import", err, veneer.ErrInvalidArgument)
		attrs.Bits = 256
		_, err = c.Generate(attrs)
		wantStatus(t, "generate", err, veneer.ErrInvalidArgument)
		if keys, err := c.List(); err != nil || len(keys) != 0 {
			t.Errorf("list: %v, %v", keys, err)
		}
	}
}

// TestConcurrentSlots lets two kinds of keys, one that may be exported and one that
// may not, take turns in a slot while others export what they find there: it is
// never the second.
func TestConcurrentSlots(t *testing.T) {
	w, _ := newSlotWorld(t)
	may, mayNot := inSlot(psa.KeyAES, psa.UsageExport, psa.GCM), inSlot(psa.KeyAES, psa.UsageEncrypt, psa.GCM)
	var wg sync.WaitGroup
	for _, o := range []veneer.Owner{appOwner, otherOwner} {
		c := w.client(o)
		wg.Go(func() {
			for range 500 {
				got, err := c.Export(may.ID)
				if err == nil && !bytes.Equal(got, ones) ||
					err != nil && !errors.Is(err, veneer.ErrInvalidHandle) && !errors.Is(err, veneer.ErrNotPermitted) {
					t.Errorf("%x, %v", got, err)
				}
				if _, err := c.List(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		c := w.client(appOwner)
		for range 500 {
			_, err := c.Import(may, ones)
			wantStatus(t, "import the one", err, veneer.Success)
			wantStatus(t, "destroy the one", c.Destroy(may.ID), veneer.Success)
			_, err = c.Import(mayNot, secret)
			wantStatus(t, "import the other", err, veneer.Success)
			wantStatus(t, "destroy the other", c.Destroy(may.ID), veneer.Success)
		}
	})
	wg.Wait()
}
