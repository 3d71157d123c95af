package crypto

import (
	"bytes"
	"testing"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

func TestAlgorithmPermits(t *testing.T) {
	hmac, gcm := psa.HMAC(psa.SHA256), psa.GCM
	for _, c := range []struct {
		name        string
		policy, alg psa.Algorithm
		sign        bool // otherwise the same for verifying
		verify      bool
	}{
		{"the same", psa.ECDSA(psa.SHA256), psa.ECDSA(psa.SHA256), true, true},
		{"another hash", psa.ECDSA(psa.SHA256), psa.ECDSA(psa.SHA384), false, false},
		{"any hash", psa.ECDSA(psa.AnyHash), psa.ECDSA(psa.SHA384), true, true},
		{"any hash, ECDSA_ANY", psa.ECDSA(psa.AnyHash), psa.ECDSAAny, true, true},
		{"ECDSA_ANY is no wildcard", psa.ECDSAAny, psa.ECDSA(psa.SHA256), false, false},
		{"deterministic for randomised", psa.DeterministicECDSA(psa.SHA256), psa.ECDSA(psa.SHA256), false, true},
		{"randomised for deterministic", psa.ECDSA(psa.SHA256), psa.DeterministicECDSA(psa.SHA256), false, true},
		{"the same, of any hash", psa.ECDSA(psa.AnyHash), psa.DeterministicECDSA(psa.SHA256), false, true},
		{"nothing", psa.AlgNone, psa.ECDSA(psa.SHA256), false, false},
		{"nothing asked for", psa.ECDSA(psa.SHA256), psa.AlgNone, false, false},
		{"nothing of nothing", psa.AlgNone, psa.AlgNone, false, false},
		{"full MAC by its length", hmac, hmac.Truncated(32), true, true},
		{"shorter MAC", hmac, hmac.Truncated(16), false, false},
		{"longer MAC than the policy's", hmac.Truncated(16), hmac, false, false},
		{"minimum MAC length, reached", hmac.AtLeast(16), hmac.Truncated(16), true, true},
		{"minimum MAC length, full", hmac.AtLeast(16), hmac, true, true},
		{"minimum MAC length, missed", hmac.AtLeast(16), hmac.Truncated(15), false, false},
		{"MAC with another hash", hmac.AtLeast(16), psa.HMAC(psa.SHA384), false, false},
		{"any hash is for signatures only", psa.HMAC(psa.AnyHash), hmac, false, false},
		{"minimum tag length, reached", gcm.AtLeast(12), gcm.Truncated(12), true, true},
		{"minimum tag length, full", gcm.AtLeast(12), gcm, true, true},
		{"minimum tag length, missed", gcm.AtLeast(13), gcm.Truncated(12), false, false},
		{"shorter tag", gcm, gcm.Truncated(12), false, false},
		{"another AEAD", gcm.AtLeast(12), psa.CCM, false, false},
		{"key agreement, then any derivation", psa.ECDH, psa.KeyAgreement(psa.ECDH, psa.HKDF(psa.SHA256)), true, true},
		{"the other way round", psa.KeyAgreement(psa.ECDH, psa.HKDF(psa.SHA256)), psa.ECDH, false, false},
		{"another derivation", psa.HKDF(psa.SHA256), psa.HKDF(psa.SHA384), false, false},
	} {
		if got := algorithmPermits(c.policy, c.alg, false); got != c.sign {
			t.Errorf("%s: %v", c.name, got)
		}
		if got := algorithmPermits(c.policy, c.alg, true); got != c.verify {
			t.Errorf("%s, verifying: %v", c.name, got)
		}
	}
}

// TestUsageMatrix gives each key one usage flag and tries everything: what the
// flag allows succeeds, all else is NOT_PERMITTED.
func TestUsageMatrix(t *testing.T) {
	w := newWorld(t)
	c := w.client(appOwner)
	var (
		hash   = make([]byte, 32)
		nonce  = make([]byte, 12)
		ecc    = bytes.Repeat([]byte{1}, 32)
		ecdsa  = psa.ECDSA(psa.SHA256)
		hmac   = psa.HMAC(psa.SHA256)
		signer = volatileKey(t, c, psa.ECCPair(psa.SECPR1), psa.UsageSignHash, ecdsa, ecc)
		mac    = make([]byte, 32)
	)
	sig := make([]byte, 64)
	if _, err := c.SignHash(sig, signer, ecdsa, hash); err != nil {
		t.Fatal(err)
	}
	msgHash, err := c.Hash(psa.SHA256, []byte("m"))
	if err != nil {
		t.Fatal(err)
	}
	msgSig := make([]byte, 64)
	if _, err := c.SignHash(msgSig, signer, ecdsa, msgHash); err != nil {
		t.Fatal(err)
	}
	macKey := volatileKey(t, c, psa.KeyHMAC, psa.UsageSignMessage, hmac, secret)
	if _, err := c.ComputeMAC(mac, macKey, hmac, nil); err != nil {
		t.Fatal(err)
	}
	aesKey := volatileKey(t, c, psa.KeyAES, psa.UsageEncrypt, psa.GCM, secret)
	sealed, err := c.Seal(nil, aesKey, psa.GCM, nonce, []byte("p"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range []struct {
		name  string
		allow psa.Usage // any of these flags allows it
		typ   psa.KeyType
		alg   psa.Algorithm
		data  []byte
		do    func(psa.KeyID) error
	}{
		{"export", psa.UsageExport, psa.KeyAES, psa.GCM, secret, func(k psa.KeyID) error { _, err := c.Export(k); return err }},
		{"copy", psa.UsageCopy, psa.KeyAES, psa.GCM, secret, func(k psa.KeyID) error { _, err := c.Copy(k, psa.KeyAttributes{}); return err }},
		{"encrypt", psa.UsageEncrypt, psa.KeyAES, psa.GCM, secret, func(k psa.KeyID) error { _, err := c.Seal(nil, k, psa.GCM, nonce, nil, nil); return err }},
		{"decrypt", psa.UsageDecrypt, psa.KeyAES, psa.GCM, secret, func(k psa.KeyID) error { _, err := c.Open(nil, k, psa.GCM, nonce, sealed, nil); return err }},
		{"sign hash", psa.UsageSignHash, psa.ECCPair(psa.SECPR1), ecdsa, ecc, func(k psa.KeyID) error { _, err := c.SignHash(make([]byte, 64), k, ecdsa, hash); return err }},
		{"sign message", psa.UsageSignHash | psa.UsageSignMessage, psa.ECCPair(psa.SECPR1), ecdsa, ecc, func(k psa.KeyID) error { _, err := c.SignMessage(make([]byte, 64), k, ecdsa, nil); return err }},
		{"verify hash", psa.UsageVerifyHash, psa.ECCPair(psa.SECPR1), ecdsa, ecc, func(k psa.KeyID) error { return c.VerifyHash(k, ecdsa, hash, sig) }},
		{"verify message", psa.UsageVerifyHash | psa.UsageVerifyMessage, psa.ECCPair(psa.SECPR1), ecdsa, ecc, func(k psa.KeyID) error { return c.VerifyMessage(k, ecdsa, []byte("m"), msgSig) }},
		{"compute MAC", psa.UsageSignHash | psa.UsageSignMessage, psa.KeyHMAC, hmac, secret, func(k psa.KeyID) error { _, err := c.ComputeMAC(make([]byte, 32), k, hmac, nil); return err }},
		{"verify MAC", psa.UsageVerifyHash | psa.UsageVerifyMessage, psa.KeyHMAC, hmac, secret, func(k psa.KeyID) error { return c.VerifyMAC(k, hmac, nil, mac) }},
		{"derive", psa.UsageDerive, psa.KeyDerive, psa.HKDF(psa.SHA256), secret, func(k psa.KeyID) error {
			_, err := c.DeriveKey(k, psa.HKDF(psa.SHA256), nil, nil, psa.KeyAttributes{Type: psa.KeyAES, Bits: 128})
			return err
		}},
		{"key agreement", psa.UsageDerive, psa.ECCPair(psa.SECPR1), psa.ECDH, ecc, func(k psa.KeyID) error {
			point, err := c.ExportPublic(signer)
			if err != nil {
				return err
			}
			st, _ := w.call(appOwner, contract.Request{Function: contract.RawKeyAgreement, Alg: psa.ECDH, Key: k}, [][]byte{point}, 32)
			return st.Err()
		}},
	} {
		for flag := psa.Usage(1); flag <= psa.UsageAll; flag <<= 1 {
			if flag&psa.UsageAll == 0 {
				continue
			}
			key := volatileKey(t, c, op.typ, flag, op.alg, op.data)
			want := veneer.ErrNotPermitted
			if flag&op.allow != 0 {
				want = veneer.Success
			}
			wantStatus(t, op.name+" with "+flag.String(), op.do(key), want)
		}
	}
}

// TestNewKeyAttributes walks the rules for the attributes of a key to be made.
func TestNewKeyAttributes(t *testing.T) {
	c := newWorld(t).client(appOwner)
	for _, tt := range []struct {
		name   string
		change func(*psa.KeyAttributes)
		want   veneer.Status
	}{
		{"as it is", func(a *psa.KeyAttributes) {}, veneer.Success},
		{"volatile with an identifier", func(a *psa.KeyAttributes) { a.ID = 1 }, veneer.ErrInvalidArgument},
		{"persistent without one", func(a *psa.KeyAttributes) { a.Lifetime = 1 }, veneer.ErrInvalidArgument},
		{"persistent, last of the user range", func(a *psa.KeyAttributes) { a.Lifetime, a.ID = 1, psa.UserIDMax }, veneer.Success},
		{"persistent, vendor range", func(a *psa.KeyAttributes) { a.Lifetime, a.ID = 1, psa.UserIDMax+1 }, veneer.ErrInvalidArgument},
		{"persistent, built-in identifier", func(a *psa.KeyAttributes) { a.Lifetime, a.ID = 1, psa.HUK }, veneer.ErrInvalidArgument},
		{"persistent, private range", func(a *psa.KeyAttributes) { a.Lifetime, a.ID = 1, 1<<31 }, veneer.ErrInvalidArgument},
		{"read-only persistence", func(a *psa.KeyAttributes) { a.Lifetime, a.ID = 0xff, 1 }, veneer.ErrInvalidArgument},
		{"reserved persistence", func(a *psa.KeyAttributes) { a.Lifetime, a.ID = 2, 1 }, veneer.ErrNotSupported},
		{"location of built-in keys", func(a *psa.KeyAttributes) { a.Lifetime, a.ID = psa.LifetimeBuiltin, 1 }, veneer.ErrInvalidArgument},
		{"volatile in a secure element", func(a *psa.KeyAttributes) { a.Lifetime = 0x100 }, veneer.ErrInvalidArgument},
		{"unknown usage flag", func(a *psa.KeyAttributes) { a.Usage |= 1 << 18 }, veneer.ErrInvalidArgument},
		{"all usage flags", func(a *psa.KeyAttributes) { a.Usage = psa.UsageAll }, veneer.Success},
		{"odd parity", func(a *psa.KeyAttributes) { a.Type ^= 1 }, veneer.ErrInvalidArgument},
		{"no bits", func(a *psa.KeyAttributes) { a.Bits = 0 }, veneer.ErrInvalidArgument},
		{"P-224", func(a *psa.KeyAttributes) { a.Bits = 224 }, veneer.ErrNotSupported},
		{"P-255", func(a *psa.KeyAttributes) { a.Bits = 255 }, veneer.ErrInvalidArgument},
		{"a public key", func(a *psa.KeyAttributes) { a.Type = psa.ECCPublic(psa.SECPR1) }, veneer.ErrInvalidArgument},
		{"another family", func(a *psa.KeyAttributes) { a.Type = psa.ECCPair(psa.SECPK1) }, veneer.ErrNotSupported},
		{"RSA", func(a *psa.KeyAttributes) { a.Type, a.Bits = psa.KeyRSAPair, 2048 }, veneer.ErrNotSupported},
		{"no type", func(a *psa.KeyAttributes) { a.Type = psa.KeyNone }, veneer.ErrNotSupported},
		{"AES of 129 bits", func(a *psa.KeyAttributes) { a.Type, a.Bits = psa.KeyAES, 129 }, veneer.ErrInvalidArgument},
		{"AES of 64 bits", func(a *psa.KeyAttributes) { a.Type, a.Bits = psa.KeyAES, 64 }, veneer.ErrInvalidArgument},
		{"HMAC of 9 bits", func(a *psa.KeyAttributes) { a.Type, a.Bits = psa.KeyHMAC, 9 }, veneer.ErrInvalidArgument},
		{"HMAC of 4096 bytes", func(a *psa.KeyAttributes) { a.Type, a.Bits = psa.KeyHMAC, 32768 }, veneer.Success},
		{"HMAC of 4097 bytes", func(a *psa.KeyAttributes) { a.Type, a.Bits = psa.KeyHMAC, 32776 }, veneer.ErrNotSupported},
	} {
		attrs := signingKey
		tt.change(&attrs)
		id, err := c.Generate(attrs)
		wantStatus(t, tt.name, err, tt.want)
		if err != nil {
			continue
		}
		got, err := c.Attributes(id)
		attrs.ID, attrs.Usage = id, attrs.Usage.Extended()
		if err != nil || got != attrs {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
}

func TestImportedData(t *testing.T) {
	c := newWorld(t).client(appOwner)
	pair, public := psa.ECCPair(psa.SECPR1), psa.ECCPublic(psa.SECPR1)
	ones := func(n int) []byte { return bytes.Repeat([]byte{1}, n) }
	for _, tt := range []struct {
		name string
		typ  psa.KeyType
		bits uint16
		data []byte
		want veneer.Status
	}{
		{"AES, size from the data", psa.KeyAES, 0, ones(24), veneer.Success},
		{"AES, size as said", psa.KeyAES, 128, ones(16), veneer.Success},
		{"AES, another size", psa.KeyAES, 128, ones(32), veneer.ErrInvalidArgument},
		{"AES, 15 bytes", psa.KeyAES, 0, ones(15), veneer.ErrInvalidArgument},
		{"no data", psa.KeyRawData, 0, nil, veneer.ErrInvalidArgument},
		{"too much data", psa.KeyRawData, 0, ones(4097), veneer.ErrNotSupported},
		{"P-256", pair, 0, ones(32), veneer.Success},
		{"P-521 has 66 bytes", pair, 521, append([]byte{0}, ones(65)...), veneer.Success},
		{"P-256 of 33 bytes", pair, 256, ones(33), veneer.ErrInvalidArgument},
		{"scalar 0", pair, 256, make([]byte, 32), veneer.ErrInvalidArgument},
		{"scalar past the order", pair, 256, bytes.Repeat([]byte{0xff}, 32), veneer.ErrInvalidArgument},
		{"P-224", pair, 224, ones(28), veneer.ErrNotSupported},
		{"compressed point", public, 256, append([]byte{2}, ones(32)...), veneer.ErrInvalidArgument},
		{"point off the curve", public, 256, append([]byte{4}, ones(64)...), veneer.ErrInvalidArgument},
		{"point of 66 bytes", public, 0, append([]byte{4}, ones(65)...), veneer.ErrInvalidArgument},
		{"another type", psa.KeyRSAPublic, 0, ones(32), veneer.ErrNotSupported},
	} {
		_, err := c.Import(psa.KeyAttributes{Type: tt.typ, Bits: tt.bits}, tt.data)
		wantStatus(t, tt.name, err, tt.want)
	}
}

// TestBuiltinKeys gives each caller what the platform's policy gives it.
func TestBuiltinKeys(t *testing.T) {
	w := newWorld(t)
	derive := func(o veneer.Owner) error {
		c := w.client(o)
		id, err := c.DeriveKey(psa.HUK, psa.HKDF(psa.SHA256), nil, []byte("info"), psa.KeyAttributes{Type: psa.KeyAES, Bits: 256, Usage: psa.UsageExport})
		if err != nil {
			return err
		}
		if got, err := c.Export(id); err != nil || len(got) != 32 {
			t.Errorf("derived: %x, %v", got, err)
		}
		return nil
	}
	sign := func(o veneer.Owner) error {
		_, err := w.client(o).SignHash(make([]byte, 64), psa.IAK, psa.ECDSA(psa.SHA256), make([]byte, 32))
		return err
	}
	public := func(o veneer.Owner) error { _, err := w.client(o).ExportPublic(psa.IAK); return err }
	attributes := func(id psa.KeyID) func(veneer.Owner) error {
		return func(o veneer.Owner) error { _, err := w.client(o).Attributes(id); return err }
	}
	no := veneer.ErrNotPermitted
	for _, c := range []struct {
		name         string
		do           func(veneer.Owner) error
		app, ps, att veneer.Status
	}{
		{"derive from the HUK", derive, no, 0, 0},
		{"attributes of the HUK", attributes(psa.HUK), no, 0, 0},
		{"export the HUK", func(o veneer.Owner) error { _, err := w.client(o).Export(psa.HUK); return err }, no, no, no},
		{"public half of the HUK", func(o veneer.Owner) error { _, err := w.client(o).ExportPublic(psa.HUK); return err }, no, veneer.ErrInvalidArgument, veneer.ErrInvalidArgument},
		{"copy the HUK", func(o veneer.Owner) error { _, err := w.client(o).Copy(psa.HUK, psa.KeyAttributes{}); return err }, no, no, no},
		{"destroy the HUK", func(o veneer.Owner) error { return w.client(o).Destroy(psa.HUK) }, no, no, no},
		{"purge the HUK", func(o veneer.Owner) error { return w.client(o).Purge(psa.HUK) }, no, 0, 0},
		{"HMAC with the HUK", func(o veneer.Owner) error {
			_, err := w.client(o).ComputeMAC(make([]byte, 32), psa.HUK, psa.HMAC(psa.SHA256), nil)
			return err
		}, no, no, no},
		{"sign with the IAK", sign, no, no, 0},
		{"public half of the IAK", public, no, no, 0},
		{"attributes of the IAK", attributes(psa.IAK), no, no, 0},
		{"export the IAK", func(o veneer.Owner) error { _, err := w.client(o).Export(psa.IAK); return err }, no, no, no},
		{"sign deterministically with the IAK", func(o veneer.Owner) error {
			_, err := w.client(o).SignHash(make([]byte, 64), psa.IAK, psa.DeterministicECDSA(psa.SHA256), make([]byte, 32))
			return err
		}, no, no, no},
		{"verify with the IAK", func(o veneer.Owner) error {
			return w.client(o).VerifyHash(psa.IAK, psa.ECDSA(psa.SHA256), make([]byte, 32), make([]byte, 64))
		}, no, no, no},
		{"another built-in identifier", attributes(psa.BuiltinIDMin), veneer.ErrInvalidHandle, veneer.ErrInvalidHandle, veneer.ErrInvalidHandle},
		{"a private identifier", attributes(1 << 31), veneer.ErrInvalidHandle, veneer.ErrInvalidHandle, veneer.ErrInvalidHandle},
		{"client 0 is nobody", func(veneer.Owner) error { return derive(veneer.Owner{}) }, no, no, no},
	} {
		wantStatus(t, c.name+", non-secure", c.do(appOwner), c.app)
		wantStatus(t, c.name+", a partition", c.do(psOwner), c.ps)
		wantStatus(t, c.name+", attestation", c.do(attOwner), c.att)
	}
	// The signature is the IAK's, and the client's Signer can use it.
	c := w.client(attOwner)
	key, err := c.PublicKey(psa.IAK)
	if err != nil {
		t.Fatal(err)
	}
	sig := make([]byte, 64)
	n, err := c.SignMessage(sig, psa.IAK, psa.ECDSA(psa.SHA256), []byte("token"))
	if err != nil || n != 64 {
		t.Fatal(n, err)
	}
	hash, _ := c.Hash(psa.SHA256, []byte("token"))
	point, _ := key.Bytes()
	id := volatileKey(t, c, psa.ECCPublic(psa.SECPR1), psa.UsageVerifyHash, psa.ECDSA(psa.SHA256), point)
	wantStatus(t, "the IAK's signature", c.VerifyHash(id, psa.ECDSA(psa.SHA256), hash, sig), veneer.Success)
}
