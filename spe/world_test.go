package spe_test

import (
	"bytes"
	stdcrypto "crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-spe/postern/ipc"
	"github.com/postern-spe/postern/ipc/buslink"
	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spetest"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/attestation"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/ps"
	"github.com/postern-spe/postern/veneer/psa"
)

var signingKey = psa.KeyAttributes{
	ID: 0x11, Type: psa.ECCPair(psa.SECPR1), Bits: 256,
	Lifetime: psa.LifetimePersistent, Usage: psa.UsageSignHash | psa.UsageVerifyHash, Algorithm: psa.ECDSA(psa.SHA256),
}

// What a client keeps in the secure world outlives it; what belongs to its
// session does not.
func TestRestart(t *testing.T) {
	world := spetest.Start(t)
	conn, err := ipc.Dial(world.Socket())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Disconnect()
	keys, internal, protected := crypto.New(conn), its.New(conn), ps.New(conn)

	if _, err := keys.Generate(signingKey); err != nil {
		t.Fatal(err)
	}
	public, err := keys.PublicKey(signingKey.ID)
	if err != nil {
		t.Fatal(err)
	}
	volatileKey := signingKey
	volatileKey.ID, volatileKey.Lifetime = 0, psa.LifetimeVolatile
	volatileID, err := keys.Generate(volatileKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := internal.Set(7, []byte("internal"), 0); err != nil {
		t.Fatal(err)
	}
	if err := protected.Set(7, []byte("protected"), 0); err != nil {
		t.Fatal(err)
	}
	world.Restart()

	if _, err := keys.Attributes(volatileID); !errors.Is(err, veneer.ErrInvalidHandle) {
		t.Errorf("the volatile key: %v", err)
	}
	signer, err := keys.Signer(signingKey.ID)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte("message"))
	sig, err := signer.Sign(nil, hash[:], stdcrypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if !ecdsa.VerifyASN1(public, hash[:], sig) {
		t.Error("the signature does not verify with the key from before the restart")
	}
	buf := make([]byte, 32)
	if n, err := internal.Get(7, 0, buf); err != nil || string(buf[:n]) != "internal" {
		t.Errorf("ITS: %q %v", buf[:n], err)
	}
	if n, err := protected.Get(7, 0, buf); err != nil || string(buf[:n]) != "protected" {
		t.Errorf("PS: %q %v", buf[:n], err)
	}
}

// Protected Storage lies in flash encrypted; the secret is nowhere to be found.
func TestProtectedStorageIsEncrypted(t *testing.T) {
	world := spetest.Start(t)
	secret := []byte("a secret that nobody else may see")
	if err := ps.New(world.Gate(t)).Set(1, secret, 0); err != nil {
		t.Fatal(err)
	}
	world.Close()
	err := filepath.WalkDir(world.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, secret[:16]) {
			t.Errorf("%s holds the secret", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestSessionsShareAClientButNotVolatileKeys(t *testing.T) {
	world := spetest.Start(t)
	a, b := crypto.New(world.Gate(t)), crypto.New(world.Gate(t))
	if _, err := a.Generate(signingKey); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Attributes(signingKey.ID); err != nil {
		t.Errorf("a persistent key, from another session of its client: %v", err)
	}
	key := signingKey
	key.ID, key.Lifetime = 0, psa.LifetimeVolatile
	id, err := a.Generate(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Attributes(id); !errors.Is(err, veneer.ErrInvalidHandle) {
		t.Errorf("a volatile key, from another session: %v", err)
	}
}

func TestRootKeysAreNotForClients(t *testing.T) {
	world := spetest.Start(t)
	keys := crypto.New(world.Gate(t))
	hash := sha256.Sum256(nil)
	sig := make([]byte, 64)
	if _, err := keys.SignHash(sig, psa.IAK, psa.ECDSA(psa.SHA256), hash[:]); err == nil {
		t.Error("a non-secure client signs with the attestation key")
	}
	if _, err := keys.Export(psa.HUK); err == nil {
		t.Error("a non-secure client exports the hardware unique key")
	}
	key := psa.KeyAttributes{Type: psa.KeyAES, Bits: 256, Usage: psa.UsageEncrypt, Algorithm: psa.GCM}
	if _, err := keys.DeriveKey(psa.HUK, psa.HKDF(psa.SHA256), nil, []byte("info"), key); err == nil {
		t.Error("a non-secure client derives from the hardware unique key")
	}
}

func TestAttestation(t *testing.T) {
	world := spetest.Start(t)
	challenge := make([]byte, 32)
	rand.Read(challenge)
	token, err := attestation.New(world.Gate(t)).Token(challenge)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(token, challenge) || !bytes.Contains(token, []byte("tag:psacertified.org,2023:psa#tfm")) {
		t.Errorf("token %x", token)
	}
}

func TestBusDoorIsNonSecure(t *testing.T) {
	world := spetest.Start(t)
	bus, err := buslink.Dial(filepath.Join(world.Dir, spe.RunDir, spe.BusDoor))
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	b, _ := board.Lookup(world.Board())
	for _, row := range []struct {
		area string
		want buslink.Outcome
	}{
		{board.PS, buslink.SecureFault},
		{board.ITS, buslink.SecureFault},
		{board.NVCounters, buslink.SecureFault},
		{board.SecureImage, buslink.SecureFault},
		{board.NonSecureImage, buslink.OK},
		{board.NonSecureStorage, buslink.OK},
	} {
		a, _ := b.Area(row.area)
		for _, addr := range []uint32{a.Base, a.End() - 4} {
			if row.area == board.SecureImage && addr != a.Base {
				continue // its end is the veneers'
			}
			v, o, err := bus.Load(buslink.MemoryAP, addr, 4)
			if err != nil || o != row.want || o != buslink.OK && v != 0 {
				t.Errorf("%s at %#x: %#x, %v, %v", row.area, addr, v, o, err)
			}
		}
	}
	if _, o, _ := bus.Load(buslink.MemoryAP, b.UICR+0x800, 4); o == buslink.OK {
		t.Error("a non-secure load of a key slot")
	}
}

func TestDebugDoor(t *testing.T) {
	world := spetest.Start(t)
	port, err := buslink.Dial(filepath.Join(world.Dir, spe.RunDir, spe.DebugDoor))
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	const ctrlAP, idr = 2, 0x0FC // of the nRF5340
	if v, _, err := port.Load(ctrlAP, idr, 4); err != nil || v != 0x12880000 {
		t.Errorf("IDR %#x %v", v, err)
	}
	if _, o, err := port.Load(buslink.MemoryAP, 0x20000000, 4); err != nil || o != buslink.Protected {
		t.Errorf("a provisioned device is open to debuggers: %v, %v", o, err)
	}
}

func TestBootRefuses(t *testing.T) {
	t.Run("device in use", func(t *testing.T) {
		world := spetest.Start(t)
		_, err := spe.Boot(world.Dir, spe.Options{})
		var used *platform.InUseError
		if !errors.As(err, &used) || used.PID != os.Getpid() {
			t.Error(err)
		}
	})
	t.Run("path too long", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
		_, err := spe.Boot(dir, spe.Options{})
		var bad *platform.DeviceError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), "107") {
			t.Error(err)
		}
	})
	t.Run("something else in the place of a socket", func(t *testing.T) {
		world := spetest.Start(t)
		world.Close()
		path := filepath.Join(world.Dir, spe.RunDir, spe.VeneerDoor)
		if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := spe.Boot(world.Dir, spe.Options{}); err == nil {
			t.Fatal("booted")
		}
		if b, _ := os.ReadFile(path); string(b) != "mine" {
			t.Error("the file was touched")
		}
		os.Remove(path)
		world.World, _ = spe.Boot(world.Dir, spe.Options{})
	})
}
