package spe_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/cracen"
	"github.com/postern-spe/postern/platform/keyfile"
	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spetest"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// The keys that the factory puts into the KMU.
const (
	kmuSigner    psa.KeyID = 0x7fff2000 // encrypted, slots 0 to 3
	kmuCipher    psa.KeyID = 0x7fff0008 // protected, slot 8
	kmuMAC       psa.KeyID = 0x7fff300c // raw, slots 12 and 13
	kmuEd25519   psa.KeyID = 0x7fff3010 // raw, slots 16 and 17
	kmuBootKey   psa.KeyID = 0x7fff30f2 // a bootloader's, slots 242 and 243
	kmuRandom    psa.KeyID = 0x7fff0014 // protected, made on the device, slots 20 and 21
	kmuPublic    psa.KeyID = 0x7fff3018 // raw, slots 24 to 27
	kmuAgreement psa.KeyID = 0x7fff3020 // raw, slots 32 and 33
)

func kmuLifetime(p psa.Persistence) psa.Lifetime { return psa.NewLifetime(p, psa.LocationKMU) }

// factory is what a key file is made of.
type factory struct{ slots []string }

func (f *factory) add(a psa.KeyAttributes, value string) {
	packed := keyfile.Pack(cracen.Attributes{
		Type: uint16(a.Type), Bits: a.Bits, Lifetime: uint32(a.Lifetime),
		Usage: uint32(a.Usage), Algorithm: uint32(a.Algorithm), ID: uint32(a.ID),
	})
	f.slots = append(f.slots, fmt.Sprintf(`{"metadata": "0x%X", "value": %q}`, packed, value))
}

func (f *factory) parse(t *testing.T) []keyfile.Key {
	t.Helper()
	keys, err := keyfile.Parse([]byte(`{"version": 0, "keyslots": [` + strings.Join(f.slots, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for i := range keys {
			keys[i].Destroy()
		}
	})
	return keys
}

// TestKMUKeys takes a device from its factory through a life with keys in the KMU.
func TestKMUKeys(t *testing.T) {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	scalar, err := signer.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	point, err := signer.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	aesKey, macKey := make([]byte, 16), make([]byte, 32)
	rand.Read(aesKey)
	rand.Read(macKey)
	const (
		signs    = psa.UsageSignHash | psa.UsageSignMessage
		verifies = psa.UsageVerifyHash | psa.UsageVerifyMessage
		seals    = psa.UsageEncrypt | psa.UsageDecrypt
	)
	rotating, revocable, locked := kmuLifetime(psa.PersistenceDefault), kmuLifetime(psa.PersistenceRevocable), kmuLifetime(psa.PersistenceLocked)
	pair, public := psa.ECCPair(psa.SECPR1), psa.ECCPublic(psa.SECPR1)
	anyECDSA, ecdsa256 := psa.ECDSA(psa.AnyHash), psa.ECDSA(psa.SHA256)
	made := []psa.KeyAttributes{
		{ID: kmuCipher, Type: psa.KeyAES, Bits: 128, Lifetime: rotating, Usage: seals, Algorithm: psa.GCM},
		{ID: kmuRandom, Type: psa.KeyAES, Bits: 256, Lifetime: locked, Usage: seals, Algorithm: psa.GCM},
		{ID: kmuSigner, Type: pair, Bits: 256, Lifetime: locked, Usage: signs | verifies, Algorithm: anyECDSA},
		{ID: kmuMAC, Type: psa.KeyHMAC, Bits: 256, Lifetime: revocable, Usage: signs | verifies, Algorithm: psa.HMAC(psa.SHA256)},
		{ID: kmuEd25519, Type: psa.ECCPublic(psa.TwistedEdwards), Bits: 255, Lifetime: revocable, Usage: verifies, Algorithm: psa.PureEdDSA},
		{ID: kmuPublic, Type: public, Bits: 256, Lifetime: revocable, Usage: verifies, Algorithm: anyECDSA},
		{ID: kmuAgreement, Type: pair, Bits: 256, Lifetime: revocable, Usage: psa.UsageDerive, Algorithm: psa.ECDH},
	}
	var f factory
	for i, value := range []string{
		hex(aesKey), "TRNG:32", hex(scalar), hex(macKey), hex(point[1:33]), hex(point), hex(scalar),
	} {
		f.add(made[i], value)
	}
	bootKey := psa.KeyAttributes{ID: kmuBootKey, Type: psa.ECCPublic(psa.TwistedEdwards), Bits: 255, Lifetime: locked, Usage: verifies, Algorithm: psa.PureEdDSA}
	f.add(bootKey, hex(point[1:33]))
	world := spetest.StartDevice(t, platform.ProvisionOptions{Board: "nrf54l15", Keys: f.parse(t)}, spe.Options{})
	keys := crypto.New(world.Gate(t))
	list := func(want ...psa.KeyAttributes) {
		t.Helper()
		got, err := keys.List()
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("list: %v\n got %+v\nwant %+v", err, got, want)
		}
	}
	status := func(name string, err error, want veneer.Status) {
		t.Helper()
		if want == veneer.Success && err != nil || want != veneer.Success && !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want.Name())
		}
	}

	list(made...)
	hash := sha256.Sum256([]byte("message"))
	sign := func() error {
		sig := make([]byte, 64)
		if _, err := keys.SignHash(sig, kmuSigner, ecdsa256, hash[:]); err != nil {
			return err
		}
		r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
		if !ecdsa.Verify(&signer.PublicKey, hash[:], r, s) {
			return errors.New("the signature is not that of the key in the file")
		}
		status("verify with the public key", keys.VerifyHash(kmuPublic, ecdsa256, hash[:], sig), veneer.Success)
		sig[0] ^= 1
		status("verify something else", keys.VerifyHash(kmuPublic, ecdsa256, hash[:], sig), veneer.ErrInvalidSignature)
		return nil
	}
	status("sign", sign(), veneer.Success)
	if got, err := keys.PublicKey(kmuSigner); err != nil || !got.Equal(&signer.PublicKey) {
		t.Errorf("the public half: %v", err)
	}

	block, err := aes.NewCipher(aesKey)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, 12)
	sealed, err := keys.Seal(nil, kmuCipher, psa.GCM, nonce, []byte("plain"), []byte("ad"))
	if plain, e := gcm.Open(nil, nonce, sealed, []byte("ad")); err != nil || e != nil || string(plain) != "plain" {
		t.Errorf("AES-GCM: %q, %v, %v", plain, err, e)
	}
	kept, err := keys.Seal(nil, kmuRandom, psa.GCM, nonce, []byte("kept"), nil)
	status("AES-GCM with a key of the device's own", err, veneer.Success)
	mac := make([]byte, 32)
	_, err = keys.ComputeMAC(mac, kmuMAC, psa.HMAC(psa.SHA256), []byte("m"))
	status("MAC", err, veneer.Success)
	shared := make([]byte, 32)
	_, err = keys.Agree(shared, kmuAgreement, psa.ECDH, point)
	status("key agreement", err, veneer.Success)

	_, err = keys.Export(kmuCipher)
	status("export a key that may not be", err, veneer.ErrNotPermitted)
	_, err = keys.ComputeMAC(mac, kmuSigner, psa.HMAC(psa.SHA256), nil)
	status("MAC with a signing key", err, veneer.ErrNotPermitted)
	status("verify with Ed25519", keys.VerifyMessage(kmuEd25519, psa.PureEdDSA, nil, make([]byte, 64)), veneer.ErrNotSupported)
	_, err = keys.Attributes(kmuBootKey)
	status("a bootloader's key", err, veneer.ErrNotPermitted)
	_, err = keys.Attributes(psa.KMUKeyID(psa.KMUSeed, cracen.SlotSeed))
	status("the seed", err, veneer.ErrNotPermitted)
	_, err = keys.Attributes(psa.KeyID(cracen.IDMKEK))
	status("MKEK", err, veneer.ErrInvalidHandle)

	// Keys that are made in the field.
	field := psa.KeyAttributes{ID: 0x7fff2040, Type: pair, Bits: 256, Lifetime: rotating, Usage: psa.UsageSignHash | psa.UsageCopy, Algorithm: ecdsa256}
	_, err = keys.Generate(field)
	status("generate", err, veneer.Success)
	_, err = keys.Generate(field)
	status("generate again", err, veneer.ErrAlreadyExists)
	field.ID = 0x7fff3043
	_, err = keys.Import(field, scalar)
	status("import over another's last slot", err, veneer.ErrAlreadyExists)
	field.ID = 0x7fff3050
	field.Lifetime = revocable
	_, err = keys.Import(field, scalar)
	status("import", err, veneer.Success)
	_, err = keys.Copy(field.ID, psa.KeyAttributes{ID: 5, Lifetime: psa.LifetimePersistent, Usage: psa.UsageSignHash, Algorithm: ecdsa256})
	status("copy out", err, veneer.Success)
	for _, bad := range []struct {
		name string
		psa.KeyAttributes
		want veneer.Status
	}{
		{"a protected key that could leave", psa.KeyAttributes{ID: 0x7fff0060, Type: psa.KeyAES, Bits: 128, Lifetime: rotating, Usage: seals | psa.UsageExport, Algorithm: psa.GCM}, veneer.ErrInvalidArgument},
		{"a protected key that is not AES", psa.KeyAttributes{ID: 0x7fff0060, Type: pair, Bits: 256, Lifetime: rotating, Usage: signs, Algorithm: anyECDSA}, veneer.ErrNotSupported},
		{"raw data", psa.KeyAttributes{ID: 0x7fff3060, Type: psa.KeyRawData, Bits: 256, Lifetime: rotating}, veneer.ErrNotSupported},
		{"P-521", psa.KeyAttributes{ID: 0x7fff3060, Type: pair, Bits: 521, Lifetime: rotating, Usage: signs, Algorithm: anyECDSA}, veneer.ErrNotSupported},
		{"a persistence that there is not", psa.KeyAttributes{ID: 0x7fff3060, Type: psa.KeyAES, Bits: 128, Lifetime: kmuLifetime(9), Usage: seals, Algorithm: psa.GCM}, veneer.ErrInvalidArgument},
		{"past the last slot for programs", psa.KeyAttributes{ID: 0x7fff30b3, Type: psa.KeyAES, Bits: 256, Lifetime: rotating, Usage: seals, Algorithm: psa.GCM}, veneer.ErrInvalidArgument},
		{"a reserved slot", psa.KeyAttributes{ID: 0x7fff30bb, Type: psa.KeyAES, Bits: 128, Lifetime: rotating, Usage: seals, Algorithm: psa.GCM}, veneer.ErrNotPermitted},
	} {
		_, err := keys.Generate(bad.KeyAttributes)
		status("generate "+bad.name, err, bad.want)
	}

	status("destroy a rotating key", keys.Destroy(kmuCipher), veneer.Success)
	status("destroy a revocable key", keys.Destroy(kmuMAC), veneer.Success)
	status("destroy a locked key", keys.Destroy(kmuSigner), veneer.ErrNotPermitted)
	if left, err := keys.List(); err != nil || slices.ContainsFunc(left, func(a psa.KeyAttributes) bool {
		return a.ID == kmuCipher || a.ID == kmuMAC || a.ID == psa.NullKey
	}) {
		t.Errorf("the list has destroyed keys: %+v, %v", left, err)
	}
	after := func() {
		t.Helper()
		_, err := keys.Seal(nil, kmuCipher, psa.GCM, nonce, nil, nil)
		status("use what was destroyed", err, veneer.ErrInvalidHandle)
		_, err = keys.ComputeMAC(mac, kmuMAC, psa.HMAC(psa.SHA256), nil)
		status("use what was revoked", err, veneer.ErrNotPermitted)
		_, err = keys.Import(made[3], macKey)
		status("fill revoked slots", err, veneer.ErrAlreadyExists)
		status("use the locked key", sign(), veneer.Success)
		plain, err := keys.Open(nil, kmuRandom, psa.GCM, nonce, kept, nil)
		if err != nil || string(plain) != "kept" {
			t.Errorf("the key of the device's own: %q, %v", plain, err)
		}
	}
	after()
	world.Restart()
	keys = crypto.New(world.Gate(t))
	after()
	_, err = keys.Import(made[0], aesKey)
	status("fill slots that are free again", err, veneer.Success)

	// A key in the KMU is in no storage beside it, and a revoked one nowhere.
	world.Close()
	if got := filesWith(t, world.Dir, aesKey); !slices.Equal(got, []string{"keys.bin"}) {
		t.Errorf("the AES key is in %v", got)
	}
	if got := filesWith(t, world.Dir, macKey); got != nil {
		t.Errorf("the revoked key is in %v", got)
	}
}

// filesWith returns the files of a device that hold these bytes.
func filesWith(t *testing.T, dir string, what []byte) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, what) {
			names = append(names, d.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func hex(b []byte) string { return fmt.Sprintf("0x%x", b) }

// TestNoKMUKeys: boards whose KMU is CryptoCell's have no keys of programs in it.
func TestNoKMUKeys(t *testing.T) {
	for _, name := range board.Names() {
		if b, _ := board.Lookup(name); b.KeyHardware == board.CRACEN {
			continue
		}
		t.Run(name, func(t *testing.T) {
			keys := crypto.New(spetest.StartOn(t, name, spe.Options{}).Gate(t))
			const id = psa.KeyID(0x7fff3000)
			if _, err := keys.Attributes(id); !errors.Is(err, veneer.ErrInvalidHandle) {
				t.Errorf("attributes: %v", err)
			}
			if err := keys.Destroy(id); !errors.Is(err, veneer.ErrInvalidHandle) {
				t.Errorf("destroy: %v", err)
			}
			key := psa.KeyAttributes{ID: id, Type: psa.KeyAES, Bits: 128, Lifetime: kmuLifetime(1), Usage: psa.UsageEncrypt, Algorithm: psa.GCM}
			if _, err := keys.Generate(key); !errors.Is(err, veneer.ErrInvalidArgument) {
				t.Errorf("generate: %v", err)
			}
		})
	}
}
