package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"
)

func newKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signed returns a token with any payload at all, properly signed.
func signed(t testing.TB, key *ecdsa.PrivateKey, alg cose.Algorithm, headers cose.Headers, payload []byte) []byte {
	t.Helper()
	signer, err := cose.NewSigner(alg, key)
	if err != nil {
		t.Fatal(err)
	}
	if headers.Protected == nil {
		headers.Protected = cose.ProtectedHeader{}
	}
	headers.Protected.SetAlgorithm(alg)
	token, err := cose.Sign1(rand.Reader, signer, headers, payload, nil)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// claimMap are claims by key.
type claimMap map[any]any

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := cbor.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// good returns the claims of a token of RFC 9783 with everything in it.
func good() claimMap {
	return claimMap{
		10:   repeat(0xc4, 64),
		256:  append([]byte{1}, repeat(9, 32)...),
		265:  ProfileTFM,
		268:  repeat(8, 32),
		2394: -1,
		2395: 0x3000,
		2396: repeat(7, 32),
		2398: "1234567890123-12345",
		2399: []any{claimMap{1: "SPE", 2: repeat(6, 64), 4: "1.0", 5: repeat(5, 48), 6: "sha-512"}},
		2400: "https://verifier.example",
	}
}

// goodLegacy returns those of one of PSA_IOT_PROFILE_1.
func goodLegacy() claimMap {
	return claimMap{
		-75000: ProfileLegacy,
		-75001: -1,
		-75002: 0x3000,
		-75003: repeat(7, 32),
		-75004: repeat(8, 32),
		-75006: []any{claimMap{2: repeat(6, 32)}},
		-75008: repeat(0xc4, 64),
		-75009: append([]byte{1}, repeat(9, 32)...),
	}
}

func TestVerifyProfiles(t *testing.T) {
	for _, tt := range []struct {
		name   string
		claims claimMap
	}{
		{"RFC 9783", good()},
		{"RFC 9783, mandatory claims alone", without(good(), 268, 2398, 2400)},
		{"RFC 9783, claims of others", with(good(), claimMap{99: []any{1, "x", cbor.Tag{Number: 1, Content: 5}}, "own": nil, uint64(1) << 63: uint64(1) << 63})},
		{"drafts", with(good(), claimMap{265: ProfileDraft})},
		{"legacy", goodLegacy()},
		{"legacy, profile not named", without(goodLegacy(), -75000)},
		{"legacy, nothing measured", with(without(goodLegacy(), -75006), claimMap{-75007: 1})},
		{"legacy, old certification reference", with(goodLegacy(), claimMap{-75005: "1234567890123"})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key := newKey(t, elliptic.P256())
			token, err := Parse(signed(t, key, cose.AlgorithmES256, cose.Headers{}, encode(t, tt.claims)))
			if err != nil {
				t.Fatal(err)
			}
			if err := token.Verify(&key.PublicKey, repeat(0xc4, 64)); err != nil {
				t.Error(err)
			}
		})
	}
}

// A receiver accepts ES256, ES384 and ES512 (RFC 9783, section 5.2), and a key
// identifier in the unprotected header, which TF-M can put there.
func TestVerifyAlgorithms(t *testing.T) {
	for _, tt := range []struct {
		alg   cose.Algorithm
		curve elliptic.Curve
	}{
		{cose.AlgorithmES256, elliptic.P256()},
		{cose.AlgorithmES384, elliptic.P384()},
		{cose.AlgorithmES512, elliptic.P521()},
	} {
		t.Run(tt.alg.String(), func(t *testing.T) {
			key := newKey(t, tt.curve)
			headers := cose.Headers{Unprotected: cose.UnprotectedHeader{cose.HeaderLabelKeyID: []byte("key 1")}}
			token, err := Parse(signed(t, key, tt.alg, headers, encode(t, good())))
			if err != nil {
				t.Fatal(err)
			}
			if err := token.Verify(&key.PublicKey, repeat(0xc4, 64)); err != nil {
				t.Error(err)
			}
			if token.Algorithm != tt.alg.String() {
				t.Errorf("algorithm %s", token.Algorithm)
			}
		})
	}
}

func TestVerifyClaims(t *testing.T) {
	part := func(fields claimMap) claimMap {
		return claimMap{2399: []any{good()[2399].([]any)[0], fields}}
	}
	for _, tt := range []struct {
		name   string
		claims claimMap
		check  Check
		claim  string
	}{
		{"no profile", without(good(), 265), CheckProfile, ""},
		{"unknown profile", with(good(), claimMap{265: "tag:psacertified.org,2023:psa#aes-mac"}), CheckProfile, ""},
		{"no challenge", without(good(), 10), CheckChallenge, ""},
		{"no instance ID", without(good(), 256), CheckClaims, nameInstanceID},
		{"instance ID of 32 bytes", with(good(), claimMap{256: repeat(1, 32)}), CheckClaims, nameInstanceID},
		{"instance ID of another type", with(good(), claimMap{256: repeat(2, 33)}), CheckClaims, nameInstanceID},
		{"no implementation ID", without(good(), 2396), CheckClaims, nameImplementation},
		{"implementation ID of 31 bytes", with(good(), claimMap{2396: repeat(1, 31)}), CheckClaims, nameImplementation},
		{"no client ID", without(good(), 2394), CheckClaims, nameClientID},
		{"client ID 0", with(good(), claimMap{2394: 0}), CheckClaims, nameClientID},
		{"no lifecycle", without(good(), 2395), CheckClaims, nameLifecycle},
		{"lifecycle that does not exist", with(good(), claimMap{2395: 0x7000}), CheckClaims, nameLifecycle},
		{"lifecycle between two", with(good(), claimMap{2395: 0x3100}), CheckClaims, nameLifecycle},
		{"boot seed of 7 bytes", with(good(), claimMap{268: repeat(1, 7)}), CheckClaims, nameBootSeed},
		{"empty boot seed", with(good(), claimMap{268: []byte{}}), CheckClaims, nameBootSeed},
		{"certification reference without version", with(good(), claimMap{2398: "1234567890123"}), CheckClaims, nameReference},
		{"no software components", without(good(), 2399), CheckClaims, nameComponents},
		{"empty list of software components", with(good(), claimMap{2399: []any{}}), CheckClaims, nameComponents},
		{"component without measurement", with(good(), part(claimMap{5: repeat(1, 32)})), CheckClaims, nameComponents},
		{"component without signer", with(good(), part(claimMap{2: repeat(1, 32)})), CheckClaims, nameComponents},
		{"measurement of 20 bytes", with(good(), part(claimMap{2: repeat(1, 20), 5: repeat(1, 32)})), CheckClaims, nameComponents},
		{"legacy without boot seed", without(goodLegacy(), -75004), CheckClaims, nameBootSeed},
		{"legacy without components", without(goodLegacy(), -75006), CheckClaims, nameComponents},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key := newKey(t, elliptic.P256())
			token, err := Parse(signed(t, key, cose.AlgorithmES256, cose.Headers{}, encode(t, tt.claims)))
			if err != nil {
				t.Fatal(err)
			}
			var e *Error
			if err := token.Verify(&key.PublicKey, repeat(0xc4, 64)); !errors.As(err, &e) || e.Check != tt.check || e.Claim != tt.claim {
				t.Errorf("got %v, want the check of the %s, %s", err, tt.check, tt.claim)
			}
		})
	}
}

// with returns m and more; without returns m and less.
func with(m, more claimMap) claimMap {
	for k, v := range more {
		m[k] = v
	}
	return m
}

func without(m claimMap, keys ...any) claimMap {
	for _, k := range keys {
		delete(m, k)
	}
	return m
}

// Payloads that are signed well and are not to be read.
func TestParseRefusesPayload(t *testing.T) {
	key := newKey(t, elliptic.P256())
	raw := func(s string) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, tt := range []struct {
		name    string
		payload []byte
	}{
		{"empty", []byte{}},
		{"a list", raw("80")},
		{"null", raw("f6")},
		{"duplicate key", raw("a2 0a 4101 0a 4101")},
		{"duplicate key in two encodings", raw("a2 0a 4101 180a 4101")},
		{"duplicate key inside another's claim", raw("a1 1863 a2 01 02 01 03")},
		{"indefinite map", raw("bf 0a 4101 ff")},
		{"indefinite bytes", raw("a1 0a 5f 4101 ff")},
		{"bytes left over", raw("a1 0a 4101 00")},
		{"cut off", raw("a1 0a 42 01")},
		{"text that is not UTF-8", raw("a1 190109 61 ff")},
		{"nested deep", append(append(raw("a1 1863"), bytes.Repeat([]byte{0x81}, 40)...), 0)},
		{"challenge as text", raw("a1 0a 6161")},
		{"challenge as null", raw("a1 0a f6")},
		{"challenge as a list of numbers", raw("a1 0a 82 01 02")},
		{"challenge under a tag", raw("a1 0a c2 4101")},
		{"two challenges", raw("a1 0a 82 4101 4102")},
		{"profile as bytes", raw("a1 190109 4161")},
		{"client ID as text", raw("a1 19095a 6131")},
		{"client ID of 33 bits", raw("a1 19095a 1a 80000000")},
		{"client ID as a float", raw("a1 19095a f9 3c00")},
		{"negative lifecycle", raw("a1 19095b 20")},
		{"lifecycle of 17 bits", raw("a1 19095b 1a 00010000")},
		{"software components as a map", raw("a1 19095f a0")},
		{"software component as text", raw("a1 19095f 81 6161")},
		{"signer ID as text", raw("a1 19095f 81 a1 05 6161")},
		{"claims of two profiles", encode(t, with(goodLegacy(), good()))},
		{"new keys under the old profile", encode(t, with(good(), claimMap{265: ProfileLegacy}))},
		{"old keys under the new profile", encode(t, with(goodLegacy(), claimMap{-75000: ProfileTFM}))},
		{"legacy word for unmeasured software, denied", encode(t, with(goodLegacy(), claimMap{-75007: 0}))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(signed(t, key, cose.AlgorithmES256, cose.Headers{}, tt.payload))
			var e *Error
			if !errors.As(err, &e) || e.Check != CheckEncoding {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestParseRefusesEnvelope(t *testing.T) {
	key := newKey(t, elliptic.P256())
	token := signed(t, key, cose.AlgorithmES256, cose.Headers{}, encode(t, good()))
	critical := cose.Headers{Protected: cose.ProtectedHeader{cose.HeaderLabelCritical: []any{int64(-70000)}, int64(-70000): 1}}
	for _, tt := range []struct {
		name string
		data []byte
	}{
		{"nothing", nil},
		{"COSE_Mac0", append([]byte{0xd1}, token[1:]...)},
		{"no tag", token[1:]},
		{"no algorithm", []byte{0xd2, 0x84, 0x40, 0xa0, 0x41, 0xa0, 0x41, 0x00}},
		{"no payload", []byte{0xd2, 0x84, 0x43, 0xa1, 0x01, 0x26, 0xa0, 0xf6, 0x41, 0x00}},
		{"no signature", []byte{0xd2, 0x84, 0x43, 0xa1, 0x01, 0x26, 0xa0, 0x41, 0xa0, 0x40}},
		{"critical header", signed(t, key, cose.AlgorithmES256, critical, encode(t, good()))},
		{"too large", append(slices.Clone(token), make([]byte, MaxSize)...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.data)
			var e *Error
			if !errors.As(err, &e) || e.Check != CheckEncoding {
				t.Errorf("got %v", err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	key := newKey(f, elliptic.P256())
	f.Add(readHex(f, "rfc9783-sign1.hex"))
	f.Add(readHex(f, "postern.hex"))
	f.Add(signed(f, key, cose.AlgorithmES256, cose.Headers{}, encode(f, good())))
	f.Add(signed(f, key, cose.AlgorithmES256, cose.Headers{}, encode(f, goodLegacy())))
	pub := rfc9783Key(f)
	published, err := Parse(readHex(f, "rfc9783-sign1.hex"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		token, err := Parse(data)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Check != CheckEncoding {
				t.Errorf("not an error of encoding: %v", err)
			}
			return
		}
		var b bytes.Buffer
		if err := token.Describe(&b); err != nil {
			t.Error(err)
		}
		for _, r := range b.String() {
			if r < ' ' && r != '\n' || r == 0x7f {
				t.Fatalf("a control character in %q", b.String())
			}
		}
		if _, err := token.MarshalJSON(); err != nil {
			t.Error(err)
		}
		// What the key did not sign does not verify, whatever else it is.
		if token.Verify(pub, token.Nonce) == nil && !bytes.Equal(token.message.Payload, published.message.Payload) {
			t.Errorf("verified: %x", data)
		}
	})
}
