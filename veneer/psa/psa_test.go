package psa_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// golden is the attributes of a P-256 signing key and their bytes.
var golden = psa.KeyAttributes{
	Type: psa.ECCPair(psa.SECPR1), Bits: 256, Lifetime: psa.LifetimePersistent,
	Usage: psa.UsageSignHash.Extended(), Algorithm: psa.ECDSA(psa.SHA256), ID: 0x1234,
}

var goldenBytes = []byte{
	0x12, 0x71, 0x00, 0x01, 1, 0, 0, 0, 0x00, 0x14, 0, 0, 0x09, 0x06, 0x00, 0x06, 0, 0, 0, 0, 0x34, 0x12, 0, 0,
}

func TestKeyAttributesLayout(t *testing.T) {
	if got := golden.AppendTo(nil); !bytes.Equal(got, goldenBytes) {
		t.Errorf("AppendTo = %x, want %x", got, goldenBytes)
	}
	if got, err := psa.ParseKeyAttributes(goldenBytes); err != nil || got != golden {
		t.Errorf("ParseKeyAttributes = %+v, %v", got, err)
	}
}

func TestParseKeyAttributesRefuses(t *testing.T) {
	large := bytes.Clone(goldenBytes)
	large[2], large[3] = 0xff, 0xff
	for _, c := range []struct {
		name string
		in   []byte
		want error
	}{
		{"nothing", nil, veneer.ErrProgrammerError},
		{"one byte short", goldenBytes[:23], veneer.ErrProgrammerError},
		{"28 bytes, with the owner", append(bytes.Clone(goldenBytes), 0, 0, 0, 0), veneer.ErrProgrammerError},
		{"bits too large", large, veneer.ErrInvalidArgument},
	} {
		if _, err := psa.ParseKeyAttributes(c.in); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// FuzzAttributes checks that what is accepted is what AppendTo writes.
func FuzzAttributes(f *testing.F) {
	f.Add(goldenBytes)
	f.Add(make([]byte, psa.AttributesSize))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := psa.ParseKeyAttributes(b)
		if err != nil {
			return
		}
		if got := a.AppendTo(nil); !bytes.Equal(got, b) {
			t.Errorf("%x was accepted and is written as %x", b, got)
		}
	})
}

func TestAlgorithmWords(t *testing.T) {
	for _, c := range []struct {
		alg  psa.Algorithm
		want uint32
		name string
	}{
		{psa.HMAC(psa.SHA256), 0x03800009, "HMAC(SHA_256)"},
		{psa.HMAC(psa.SHA256).Truncated(16), 0x03900009, "TRUNCATED_MAC(HMAC(SHA_256),16)"},
		{psa.HMAC(psa.SHA256).AtLeast(16), 0x03908009, "AT_LEAST_THIS_LENGTH_MAC(HMAC(SHA_256),16)"},
		{psa.GCM.Truncated(12), 0x054c0200, "AEAD_WITH_SHORTENED_TAG(GCM,12)"},
		{psa.GCM.AtLeast(12), 0x054c8200, "AEAD_WITH_AT_LEAST_THIS_LENGTH_TAG(GCM,12)"},
		{psa.GCM.Truncated(12).FullLength(), 0x05500200, "GCM"},
		{psa.ECDSA(psa.SHA256), 0x06000609, "ECDSA(SHA_256)"},
		{psa.ECDSA(psa.AnyHash), 0x060006ff, "ECDSA(ANY_HASH)"},
		{psa.ECDSAAny, 0x06000600, "ECDSA_ANY"},
		{psa.DeterministicECDSA(psa.SHA384), 0x0600070a, "DETERMINISTIC_ECDSA(SHA_384)"},
		{psa.HKDF(psa.SHA3_256), 0x08000111, "HKDF(SHA3_256)"},
		{psa.KeyAgreement(psa.ECDH, psa.HKDF(psa.SHA256)), 0x09020109, "KEY_AGREEMENT(ECDH,HKDF(SHA_256))"},
		{psa.ECDH, 0x09020000, "ECDH"},
		{psa.AlgNone, 0, "NONE"},
		{0x86543210, 0x86543210, "ALG(0x86543210)"},
		{0x0902ff00, 0x0902ff00, "ALG(0x0902ff00)"},
	} {
		if uint32(c.alg) != c.want {
			t.Errorf("%s = %#08x, want %#08x", c.name, uint32(c.alg), c.want)
		}
		if got := c.alg.String(); got != c.name {
			t.Errorf("%#08x is called %q, want %q", c.want, got, c.name)
		}
	}
}

func TestAlgorithmPredicates(t *testing.T) {
	for _, c := range []struct {
		name string
		ok   bool
	}{
		{"ECDSA_ANY signs hashes", psa.ECDSAAny.IsSignHash()},
		{"ECDSA_ANY signs no messages", !psa.ECDSAAny.IsSignMessage()},
		{"ECDSA(SHA_256) does both", psa.ECDSA(psa.SHA256).IsSignHash() && psa.ECDSA(psa.SHA256).IsSignMessage()},
		{"PURE_EDDSA signs messages only", psa.PureEdDSA.IsSignMessage() && !psa.PureEdDSA.IsSignHash()},
		{"an any-hash signature is a wildcard", psa.ECDSA(psa.AnyHash).IsWildcard()},
		{"a minimum MAC length is a wildcard", psa.HMAC(psa.SHA256).AtLeast(8).IsWildcard()},
		{"a minimum tag length is a wildcard", psa.GCM.AtLeast(8).IsWildcard()},
		{"a truncated MAC is none", !psa.HMAC(psa.SHA256).Truncated(8).IsWildcard()},
		{"a truncated HMAC is an HMAC", psa.HMAC(psa.SHA256).Truncated(8).IsHMAC()},
		{"CMAC is no HMAC", !psa.CMAC.IsHMAC() && psa.CMAC.IsBlockCipherMAC()},
		{"a combined agreement is not standalone", !psa.KeyAgreement(psa.ECDH, psa.HKDF(psa.SHA256)).IsStandaloneKeyAgreement()},
		{"its parts", psa.Algorithm(0x09020109).KeyAgreementBase() == psa.ECDH && psa.Algorithm(0x09020109).KeyAgreementKDF() == psa.HKDF(psa.SHA256)},
		{"an HMAC's size", psa.HMAC(psa.SHA384).MACSize() == 48 && psa.HMAC(psa.SHA384).Truncated(20).MACSize() == 20},
		{"an SLH-DSA key is no ECC key", !psa.KeyType(0x4182).IsECC()},
		{"a pair's public type", psa.ECCPair(psa.SECPR1).Public() == 0x4112 && psa.KeyAES.Public() == psa.KeyAES},
		{"AES blocks", psa.KeyAES.BlockSize() == 16 && psa.KeyChaCha20.BlockSize() == 1 && psa.KeyHMAC.BlockSize() == 0},
		{"odd parity is no type", !psa.KeyType(0x1000).Valid() && psa.KeyRawData.Valid()},
	} {
		if !c.ok {
			t.Error(c.name)
		}
	}
}

func TestParseNames(t *testing.T) {
	for word, want := range map[string]psa.Algorithm{
		"sha-256": psa.SHA256, "SHA256": psa.SHA256, "sha-512/256": psa.SHA512_256, "sha3-256": psa.SHA3_256,
		"ecdsa-sha256": psa.ECDSA(psa.SHA256), "hmac-sha256": psa.HMAC(psa.SHA256),
		"hmac-sha256:16": psa.HMAC(psa.SHA256).Truncated(16), "aes-gcm": psa.GCM, "aes-gcm:12": psa.GCM.Truncated(12),
		"deterministic-ecdsa-sha-384": psa.DeterministicECDSA(psa.SHA384), "ECDSA(SHA_256)": psa.ECDSA(psa.SHA256),
		"ecdsa-any-hash": psa.ECDSA(psa.AnyHash), "ecdsa-any": psa.ECDSAAny, "hkdf-sha256": psa.HKDF(psa.SHA256),
		"none": psa.AlgNone, "0x06000609": psa.ECDSA(psa.SHA256),
	} {
		if got, err := psa.ParseAlgorithm(word); err != nil || got != want {
			t.Errorf("ParseAlgorithm(%q) = %v, %v; want %v", word, got, err, want)
		}
	}
	for _, word := range []string{"", "sha", "hmac", "hmac-hmac-sha256", "sha-256:16", "aes-gcm:0", "aes-gcm:64", "aes-gcm:", "é"} {
		if got, err := psa.ParseAlgorithm(word); err == nil {
			t.Errorf("ParseAlgorithm(%q) = %v", word, got)
		}
	}
	for _, c := range []struct {
		word string
		typ  psa.KeyType
		bits uint16
	}{
		{"ecc-p256", psa.ECCPair(psa.SECPR1), 256}, {"aes", psa.KeyAES, 256}, {"aes-128", psa.KeyAES, 128},
		{"hmac", psa.KeyHMAC, 256}, {"ECC_KEY_PAIR(SECP_R1)", psa.ECCPair(psa.SECPR1), 0},
		{"ecc-p384-public", psa.ECCPublic(psa.SECPR1), 384}, {"raw-data", psa.KeyRawData, 0}, {"0x2400", psa.KeyAES, 0},
	} {
		if typ, bits, err := psa.ParseKeyType(c.word); err != nil || typ != c.typ || bits != c.bits {
			t.Errorf("ParseKeyType(%q) = %v, %d, %v", c.word, typ, bits, err)
		}
	}
	if _, _, err := psa.ParseKeyType("rsa-7"); err == nil {
		t.Error("ParseKeyType took rsa-7")
	}
	var name *psa.NameError
	if _, err := psa.ParseUsage("sign-hash,fly"); !errors.As(err, &name) || name.Word != "fly" {
		t.Errorf("ParseUsage: %v", err)
	}
	if u, err := psa.ParseUsage("sign-hash,EXPORT"); err != nil || u != psa.UsageSignHash|psa.UsageExport {
		t.Errorf("ParseUsage = %v, %v", u, err)
	}
}

func TestStrings(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{psa.ECCPair(psa.SECPR1).String(), "ECC_KEY_PAIR(SECP_R1)"},
		{psa.ECCPublic(psa.BrainpoolPR1).String(), "ECC_PUBLIC_KEY(BRAINPOOL_P_R1)"},
		{psa.KeyType(0x4182).String(), "KEY_TYPE(0x4182)"},
		{(psa.UsageExport | psa.UsageSignHash | 1<<31).String(), "EXPORT|SIGN_HASH|USAGE(0x80000000)"},
		{psa.Usage(0).String(), "0"},
		{psa.LifetimeBuiltin.String(), "PERSISTENT@LOCATION(0x800001)"},
		{psa.LifetimeVolatile.String(), "VOLATILE"},
		{psa.NewLifetime(psa.PersistenceDefault, psa.LocationKMU).String(), "PERSISTENT@KMU"},
		{psa.NewLifetime(psa.PersistenceRevocable, psa.LocationKMU).String(), "REVOCABLE@KMU"},
		{psa.NewLifetime(psa.PersistenceLocked, psa.LocationKMU).String(), "LOCKED@KMU"},
		{psa.NewLifetime(2, psa.LocationLocal).String(), "PERSISTENCE(0x02)"},
		{psa.NewLifetime(3, psa.LocationCRACEN).String(), "PERSISTENCE(0x03)@LOCATION(0x804e00)"},
		{psa.HUK.String(), "0x7fff815c"},
		{psa.LifecycleSecured.String(), "secured"},
		{(psa.LifecycleSecured | 0x12).String(), "secured"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestKMUKeyID(t *testing.T) {
	for _, c := range []struct {
		id     psa.KeyID
		scheme psa.KMUScheme
		slot   int
		ok     bool
	}{
		{0x7fff0000, psa.KMUProtected, 0, true},
		{0x7fff10b7, psa.KMUSeed, 183, true},
		{0x7fff2005, psa.KMUEncrypted, 5, true},
		{0x7fff30ff, psa.KMURaw, 255, true},
		{0x7fff3105, 0, 0, false},
		{0x7fff4005, 0, 0, false},
		{0x7fffc001, 0, 0, false}, // CRACEN's identity key
		{psa.HUK, 0, 0, false},
		{psa.NullKey, 0, 0, false},
		{0x80003005, 0, 0, false},
	} {
		s, slot, ok := c.id.KMUSlot()
		if ok != c.ok || ok && (s != c.scheme || slot != c.slot) {
			t.Errorf("%s: scheme %d, slot %d, %v", c.id, s, slot, ok)
		}
		if ok && psa.KMUKeyID(s, slot) != c.id {
			t.Errorf("%s: KMUKeyID gives %s", c.id, psa.KMUKeyID(s, slot))
		}
	}
	if l := psa.NewLifetime(psa.PersistenceRevocable, psa.LocationKMU); l != 0x804e4b02 {
		t.Errorf("lifetime 0x%08x", uint32(l))
	}
}
