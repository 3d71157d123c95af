package crypto

import (
	"bytes"
	"crypto/ecdh"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

var secret = []byte("a secret key of 32 bytes, really")

// persistent is the attributes of a persistent key that may be exported.
func persistent(id psa.KeyID) psa.KeyAttributes {
	return psa.KeyAttributes{
		Type: psa.KeyDerive, Bits: 256, Lifetime: psa.LifetimePersistent, ID: id,
		Usage: psa.UsageExport | psa.UsageDerive | psa.UsageCopy, Algorithm: psa.HKDF(psa.SHA256),
	}
}

// Another owner's key is one that does not exist, and so is another session's
// volatile key. Two owners can have a key of the same identifier.
func TestOwnership(t *testing.T) {
	w := newWorld(t)
	c := w.client(appOwner)
	vol := volatileKey(t, c, psa.KeyDerive, persistent(0).Usage, psa.HKDF(psa.SHA256), secret)
	if _, err := c.Import(persistent(7), secret); err != nil {
		t.Fatal(err)
	}
	foreign := func(name string, c *contract.Client, id psa.KeyID) {
		t.Helper()
		_, attributes := c.Attributes(id)
		_, export := c.Export(id)
		_, public := c.ExportPublic(id)
		_, copied := c.Copy(id, psa.KeyAttributes{})
		_, sign := c.SignHash(make([]byte, 64), id, psa.ECDSA(psa.SHA256), make([]byte, 32))
		_, mac := c.ComputeMAC(make([]byte, 64), id, psa.HMAC(psa.SHA256), nil)
		_, seal := c.Seal(nil, id, psa.GCM, make([]byte, 12), nil, nil)
		_, derive := c.DeriveKey(id, psa.HKDF(psa.SHA256), nil, nil, persistent(9))
		for what, err := range map[string]error{
			"attributes": attributes, "export": export, "export public": public, "copy": copied, "sign": sign,
			"mac": mac, "seal": seal, "derive": derive, "destroy": c.Destroy(id), "purge": c.Purge(id),
		} {
			wantStatus(t, name+": "+what, err, veneer.ErrInvalidHandle)
		}
		if keys, err := c.List(); err != nil || len(keys) > 1 {
			t.Errorf("%s: list %v, %v", name, keys, err)
		}
	}
	session2 := veneer.Owner{ClientID: appOwner.ClientID, Session: 3}
	foreign("another session, volatile key", w.client(session2), vol)
	foreign("another client, volatile key", w.client(otherOwner), vol)
	foreign("another client, persistent key", w.client(otherOwner), 7)
	foreign("a partition, persistent key", w.client(psOwner), 7)
	if _, err := w.client(session2).Export(7); err != nil {
		t.Errorf("the same client in another session: %v", err)
	}
	if _, err := w.client(otherOwner).Import(persistent(7), bytes.Repeat([]byte{1}, 32)); err != nil {
		t.Errorf("another client's key 7: %v", err)
	}
	if got, err := c.Export(7); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("our key 7: %x, %v", got, err)
	}
}

func TestEndSession(t *testing.T) {
	w := newWorld(t)
	c := w.client(appOwner)
	vol := volatileKey(t, c, psa.KeyDerive, persistent(0).Usage, psa.HKDF(psa.SHA256), secret)
	if _, err := c.Import(persistent(7), secret); err != nil {
		t.Fatal(err)
	}
	h, err := c.NewHash(psa.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	w.part.EndSession(appOwner)
	w.part.EndSession(appOwner)
	_, err = c.Attributes(vol)
	wantStatus(t, "a volatile key after the session", err, veneer.ErrInvalidHandle)
	_, err = h.Finish()
	wantStatus(t, "an operation after the session", err, veneer.ErrBadState)
	_, err = c.Export(7)
	wantStatus(t, "a persistent key after the session", err, veneer.Success)
}

func TestCopy(t *testing.T) {
	c := newWorld(t).client(appOwner)
	src := volatileKey(t, c, psa.KeyAES, psa.UsageCopy|psa.UsageEncrypt|psa.UsageExport, psa.GCM.AtLeast(12), secret)
	noCopy := volatileKey(t, c, psa.KeyAES, psa.UsageEncrypt, psa.GCM, secret)
	gcm13 := psa.GCM.Truncated(13)
	for _, tt := range []struct {
		name  string
		src   psa.KeyID
		attrs psa.KeyAttributes
		want  veneer.Status
		usage psa.Usage
		alg   psa.Algorithm
	}{
		{"no COPY flag", noCopy, psa.KeyAttributes{Usage: psa.UsageEncrypt, Algorithm: psa.GCM}, veneer.ErrNotPermitted, 0, 0},
		{"usage is the intersection", src, psa.KeyAttributes{Usage: psa.UsageEncrypt | psa.UsageDecrypt, Algorithm: gcm13}, 0, psa.UsageEncrypt, gcm13},
		{"wildcards: the larger length", src, psa.KeyAttributes{Algorithm: psa.GCM.AtLeast(14)}, 0, 0, psa.GCM.AtLeast(14)},
		{"no algorithm", src, psa.KeyAttributes{Usage: psa.UsageExport}, 0, psa.UsageExport, psa.AlgNone},
		{"another algorithm", src, psa.KeyAttributes{Algorithm: psa.CCM}, veneer.ErrInvalidArgument, 0, 0},
		{"another type", src, psa.KeyAttributes{Type: psa.KeyHMAC, Algorithm: psa.GCM}, veneer.ErrInvalidArgument, 0, 0},
		{"another size", src, psa.KeyAttributes{Bits: 128, Algorithm: psa.GCM}, veneer.ErrInvalidArgument, 0, 0},
		{"into a persistent key", src, psa.KeyAttributes{ID: 3, Lifetime: psa.LifetimePersistent, Algorithm: psa.GCM}, 0, 0, psa.GCM},
	} {
		id, err := c.Copy(tt.src, tt.attrs)
		wantStatus(t, tt.name, err, tt.want)
		if err != nil {
			continue
		}
		got, err := c.Attributes(id)
		if err != nil || got.Type != psa.KeyAES || got.Bits != 256 || got.Usage != tt.usage || got.Algorithm != tt.alg {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
}

func TestKeyAgreement(t *testing.T) {
	peer, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := newWorld(t).client(appOwner)
	id, err := c.Generate(psa.KeyAttributes{Type: psa.ECCPair(psa.SECPR1), Bits: 256, Usage: psa.UsageDerive, Algorithm: psa.ECDH})
	if err != nil {
		t.Fatal(err)
	}
	point, err := c.ExportPublic(id)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		t.Fatal(err)
	}
	want, err := peer.ECDH(public)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 32)
	if n, err := c.Agree(got, id, psa.ECDH, peer.PublicKey().Bytes()); err != nil || !bytes.Equal(got[:n], want) {
		t.Errorf("%x, %v", got[:n], err)
	}
	for _, tt := range []struct {
		name string
		alg  psa.Algorithm
		peer []byte
		room int
		want veneer.Status
	}{
		{"no point", psa.ECDH, nil, 32, veneer.ErrInvalidArgument},
		{"infinity", psa.ECDH, []byte{0}, 32, veneer.ErrInvalidArgument},
		{"off the curve", psa.ECDH, append([]byte{4}, make([]byte, 64)...), 32, veneer.ErrInvalidArgument},
		{"room", psa.ECDH, point, 31, veneer.ErrBufferTooSmall},
		{"FFDH", psa.FFDH, point, 32, veneer.ErrNotSupported},
		{"with a derivation", psa.KeyAgreement(psa.ECDH, psa.HKDF(psa.SHA256)), point, 32, veneer.ErrInvalidArgument},
	} {
		_, err := c.Agree(make([]byte, tt.room), id, tt.alg, tt.peer)
		wantStatus(t, tt.name, err, tt.want)
	}
}

// The rejection sampling of private keys: order-2 is the largest draw, and 0, the
// smallest, becomes 1.
func TestScalarBounds(t *testing.T) {
	for _, c := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		size := (c.Params().BitSize + 7) / 8
		order := c.Params().N.FillBytes(make([]byte, size))
		plus := func(b []byte, d int) []byte {
			b = bytes.Clone(b)
			b[len(b)-1] = byte(int(b[len(b)-1]) + d) // the orders' last bytes do not wrap for |d| <= 2
			return b
		}
		draws := [][]byte{bytes.Repeat([]byte{0xff}, size), order, plus(order, -1), plus(order, -2)}
		got := make([]byte, size)
		err := fillScalar(got, c, func(b []byte) error {
			copy(b, draws[0])
			draws = draws[1:]
			return nil
		})
		if err != nil || len(draws) != 0 || !bytes.Equal(got, plus(order, -1)) {
			t.Errorf("%s: %x with %d draws left, %v", c.Params().Name, got, len(draws), err)
		}
		_ = fillScalar(got, c, func(b []byte) error { clear(b); return nil })
		if !bytes.Equal(got, append(make([]byte, size-1), 1)) {
			t.Errorf("%s: %x of zeros", c.Params().Name, got)
		}
	}
}

func TestMaterialDoesNotPrint(t *testing.T) {
	k, err := newKey(persistent(1), secret)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("key", "material", k.mat)
	for _, s := range []string{fmt.Sprint(k.mat), fmt.Sprintf("%v %+v %#v %s %x %d", k.mat, k.mat, k.mat, k.mat, k.mat, k.mat), fmt.Sprintf("%+v", k.mat), log.String()} {
		if strings.Contains(s, string(secret)) || strings.Contains(s, fmt.Sprintf("%x", secret)) || strings.Contains(s, "97 32") {
			t.Errorf("printed: %s", s)
		}
	}
	data := k.mat.bytes()
	k.end()
	if !bytes.Equal(data, make([]byte, len(data))) || k.lock() {
		t.Error("the key was not wiped at its end")
	}
}
