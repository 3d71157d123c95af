package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/postern-spe/postern/veneer/psa"
)

// readHex returns the bytes of a file in hexadecimal.
func readHex(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func publicKey(t testing.TB, x, y string) *ecdsa.PublicKey {
	t.Helper()
	point, err := hex.DecodeString("04" + x + y)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

// rfc9783Key is the attestation key of the examples of RFC 9783.
func rfc9783Key(t testing.TB) *ecdsa.PublicKey {
	return publicKey(t,
		"4e5e22099e3bceb45b446d1355fd1dc3b545947b6fd7c1c89d886798c3726e8f",
		"80d70b840b256aac34a62ede1043364f044095f003474b91e0182092afb13f2e")
}

// rfc6979Key is the key of RFC 6979, appendix A.2.5.
func rfc6979Key(t testing.TB) *ecdsa.PublicKey {
	return publicKey(t,
		"60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
		"7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299")
}

func repeat(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }

func ptr[T any](v T) *T { return &v }

// The published example, claim by claim.
func TestRFC9783Example(t *testing.T) {
	got, err := Parse(readHex(t, "rfc9783-sign1.hex"))
	if err != nil {
		t.Fatal(err)
	}
	want := Claims{
		Profile:          ProfileTFM,
		Nonce:            repeat(1, 32),
		InstanceID:       append([]byte{1}, repeat(2, 32)...),
		ImplementationID: repeat(0, 32),
		BootSeed:         repeat(0, 8),
		ClientID:         ptr(int32(2147483647)),
		Lifecycle:        ptr(psa.LifecycleSecured),
		SoftwareComponents: []Component{
			{Type: "PRoT", Measurement: repeat(3, 32), SignerID: repeat(4, 32)},
		},
	}
	if !reflect.DeepEqual(got.Claims, want) {
		t.Errorf("got  %+v\nwant %+v", got.Claims, want)
	}
	if err := got.Verify(rfc9783Key(t), repeat(1, 32)); err != nil {
		t.Error(err)
	}
}

func TestPosternToken(t *testing.T) {
	token, err := Parse(readHex(t, "postern.hex"))
	if err != nil {
		t.Fatal(err)
	}
	pub := rfc6979Key(t)
	if err := token.Verify(pub, repeat(0xc4, 32)); err != nil {
		t.Error(err)
	}
	id, err := InstanceID(pub)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(token.InstanceID, id[:]) {
		t.Errorf("instance ID %x, the key's is %x", token.InstanceID, id)
	}
	if *token.ClientID != -0x3c000000 || len(token.SoftwareComponents) != 2 || token.SoftwareComponents[1].Type != "SPE" {
		t.Errorf("got %+v", token.Claims)
	}
}

// No bit of a token can be changed, and none of its bytes left out.
func TestEveryBitMatters(t *testing.T) {
	data := readHex(t, "postern.hex")
	pub, challenge := rfc6979Key(t), repeat(0xc4, 32)
	verify := func(data []byte) error {
		token, err := Parse(data)
		if err != nil {
			return err
		}
		return token.Verify(pub, challenge)
	}
	if err := verify(data); err != nil {
		t.Fatal(err)
	}
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			var e *Error
			if err := verify(data); !errors.As(err, &e) {
				t.Errorf("byte %d, bit %d: got %v", i, bit, err)
			}
			data[i] ^= 1 << bit
		}
		if verify(data[:i]) == nil {
			t.Errorf("accepted the first %d bytes", i)
		}
	}
	if verify(append(data, 0)) == nil {
		t.Error("accepted a byte more")
	}
}

func TestVerifyRefuses(t *testing.T) {
	token, err := Parse(readHex(t, "rfc9783-sign1.hex"))
	if err != nil {
		t.Fatal(err)
	}
	challenge := repeat(1, 32)
	for _, tt := range []struct {
		name      string
		pub       *ecdsa.PublicKey
		challenge []byte
		check     Check
	}{
		{"no key", nil, challenge, CheckAlgorithm},
		{"another key", rfc6979Key(t), challenge, CheckSignature},
		{"a key on P-384", &newKey(t, elliptic.P384()).PublicKey, challenge, CheckAlgorithm},
		{"a key on P-224", &newKey(t, elliptic.P224()).PublicKey, challenge, CheckAlgorithm},
		{"another challenge", rfc9783Key(t), repeat(2, 32), CheckChallenge},
		{"a longer challenge", rfc9783Key(t), repeat(1, 48), CheckChallenge},
		{"no challenge", rfc9783Key(t), nil, CheckChallenge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var e *Error
			if err := token.Verify(tt.pub, tt.challenge); !errors.As(err, &e) || e.Check != tt.check {
				t.Errorf("got %v, want the check of the %s", err, tt.check)
			}
		})
	}
}

func TestMarshalJSON(t *testing.T) {
	token, err := Parse(readHex(t, "rfc9783-sign1.hex"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(token, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "algorithm": "ES256",
  "profile": "tag:psacertified.org,2023:psa#tfm",
  "nonce": "` + strings.Repeat("01", 32) + `",
  "instance_id": "01` + strings.Repeat("02", 32) + `",
  "implementation_id": "` + strings.Repeat("00", 32) + `",
  "boot_seed": "0000000000000000",
  "client_id": 2147483647,
  "lifecycle": 12288,
  "software_components": [
    {
      "type": "PRoT",
      "measurement": "` + strings.Repeat("03", 32) + `",
      "signer_id": "` + strings.Repeat("04", 32) + `"
    }
  ],
  "lifecycle_state": "secured"
}`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestDescribe(t *testing.T) {
	token := &Token{
		Algorithm: "ES256",
		Claims: Claims{
			Profile:   ProfileTFM,
			Nonce:     repeat(1, 4),
			ClientID:  ptr(int32(-1)),
			Lifecycle: ptr(psa.LifecycleSecured | 7),
			SoftwareComponents: []Component{
				{Type: "SPE", Version: "1.0", Measurement: repeat(2, 4), SignerID: repeat(3, 4), Description: "sha-256"},
				{Measurement: repeat(4, 4)},
			},
			VerificationService: "https://\x1b[2Jexample",
			Other:               []string{"42"},
		},
	}
	var b strings.Builder
	if err := token.Describe(&b); err != nil {
		t.Fatal(err)
	}
	want := `signature             ES256
profile               tag:psacertified.org,2023:psa#tfm
challenge             01010101
client ID             -1 (non-secure)
lifecycle             0x3007 (secured)
verification service  "https://\x1b[2Jexample"
software 1            SPE 1.0
  measurement         02020202 (sha-256)
  signer              03030303
software 2            (unnamed)
  measurement         04040404
other claim           42
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
