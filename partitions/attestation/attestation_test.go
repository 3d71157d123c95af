package attestation

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"math/big"
	"os"
	"reflect"
	"regexp"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"

	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/attestation"
)

var update = flag.Bool("update", false, "write the golden files")

// device is a device with facts that are easy to recognise.
type device struct {
	lifecycle  uint32
	components []Component
}

func (device) BootSeed() [32]byte                { return [32]byte(bytes.Repeat([]byte{0xb5}, 32)) }
func (device) ImplementationID() [32]byte        { return [32]byte(bytes.Repeat([]byte{0x1d}, 32)) }
func (d device) Lifecycle() uint32               { return d.lifecycle }
func (d device) SoftwareComponents() []Component { return d.components }

func component(name string) Component {
	return Component{
		Type:        name,
		Measurement: bytes.Repeat([]byte{0xea}, 32),
		Version:     "1.2.3+4",
		SignerID:    bytes.Repeat([]byte{0x51}, 32),
		Description: "sha-256",
	}
}

func secured() device {
	return device{0x3000, []Component{component("BL2"), component("SPE")}}
}

// key is an identity key that is held by the test. Its signatures are those of
// RFC 6979, so that a token can be compared with a golden one.
type key struct {
	private *ecdsa.PrivateKey
	err     error
	sign    func(sig []byte) []byte // what becomes of a signature; may be nil
	signed  int
}

// newKey returns the key of RFC 6979, appendix A.2.5.
func newKey(t testing.TB) *key {
	d, err := hex.DecodeString("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
	if err != nil {
		t.Fatal(err)
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		t.Fatal(err)
	}
	return &key{private: private}
}

func (k *key) SignIdentity(hash []byte) ([]byte, error) {
	k.signed++
	if k.err != nil {
		return nil, k.err
	}
	der, err := k.private.Sign(nil, hash, crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &rs); err != nil {
		return nil, err
	}
	sig := make([]byte, 64)
	rs.R.FillBytes(sig[:32])
	rs.S.FillBytes(sig[32:])
	if k.sign != nil {
		sig = k.sign(sig)
	}
	return sig, nil
}

func (k *key) PublicKey() ([]byte, error) {
	if k.err != nil {
		return nil, k.err
	}
	return k.private.PublicKey.Bytes()
}

// started returns the service of a partition after Init.
func started(t testing.TB, cfg Config, k signer) service.Handler {
	t.Helper()
	p := newPartition(cfg, func(veneer.Gate) signer { return k })
	if err := p.init(nil); err != nil {
		t.Fatal(err)
	}
	return p.handler()
}

// call delivers one message and returns what the caller would see.
func call(h service.Handler, client int32, typ int32, in [][]byte, room ...int) (out [][]byte, err error) {
	var ins []veneer.InVec
	for _, b := range in {
		ins = append(ins, b)
	}
	var outs []veneer.OutVec
	for _, n := range room {
		outs = append(outs, make([]byte, n))
	}
	var m service.Message
	m.Deliver(typ, veneer.Owner{ClientID: client, Session: 1}, nil, false, ins, outs)
	err = h(&m)
	var written [veneer.MaxIOVec]int
	m.Answer(&written)
	for i := range outs {
		out = append(out, outs[i][:written[i]])
	}
	return out, err
}

func le32(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }

const nonSecure = -0x3c000000

func challenge(n int) []byte { return bytes.Repeat([]byte{0xc4}, n) }

func TestToken(t *testing.T) {
	k := newKey(t)
	cfg := Config{
		Device:                 secured(),
		CertificationReference: "0604565272829-10010",
		VerificationService:    "psa.example",
	}
	h := started(t, cfg, k)
	for _, tt := range []struct {
		name   string
		client int32
		size   int
	}{
		{"non-secure, 32", nonSecure, 32},
		{"non-secure, 48", -1, 48},
		{"secure, 64", 256, 64},
		{"lowest ID", -1 << 31, 32},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sizes, err := call(h, tt.client, contract.CallTokenSize, [][]byte{le32(tt.size)}, 4)
			if err != nil {
				t.Fatal(err)
			}
			size := int(binary.LittleEndian.Uint32(sizes[0]))
			// The predicted size is enough, and one byte less is not.
			if out, err := call(h, tt.client, contract.CallToken, [][]byte{challenge(tt.size)}, size-1); !errors.Is(err, veneer.ErrBufferTooSmall) || len(out[0]) != 0 {
				t.Errorf("a byte short: %v, %d bytes written", err, len(out[0]))
			}
			out, err := call(h, tt.client, contract.CallToken, [][]byte{challenge(tt.size)}, size)
			if err != nil {
				t.Fatal(err)
			}
			if len(out[0]) != size || size > contract.MaxTokenSize {
				t.Errorf("%d bytes, predicted %d, at most %d", len(out[0]), size, contract.MaxTokenSize)
			}
			verifyToken(t, out[0], k, cfg, tt.client, tt.size)
		})
	}
}

// verifyToken reads a token in the way of a relying party that knows the
// numbers of RFC 9783 and nothing of this package.
func verifyToken(t *testing.T, token []byte, k *key, cfg Config, client int32, size int) {
	t.Helper()
	var m cose.Sign1Message
	if err := m.UnmarshalCBOR(token); err != nil {
		t.Fatal(err)
	}
	verifier, err := cose.NewVerifier(cose.AlgorithmES256, &k.private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Verify(nil, verifier); err != nil {
		t.Errorf("signature: %v", err)
	}
	var got map[int]any
	if err := cbor.Unmarshal(m.Payload, &got); err != nil {
		t.Fatal(err)
	}
	part := func(name string) map[any]any {
		return map[any]any{
			uint64(1): name, uint64(2): bytes.Repeat([]byte{0xea}, 32), uint64(4): "1.2.3+4",
			uint64(5): bytes.Repeat([]byte{0x51}, 32), uint64(6): "sha-256",
		}
	}
	number := func(n int32) any {
		if n < 0 {
			return int64(n)
		}
		return uint64(n)
	}
	want := map[int]any{
		10:   challenge(size),
		256:  instanceIDOf(t, k),
		265:  "tag:psacertified.org,2023:psa#tfm",
		268:  bytes.Repeat([]byte{0xb5}, 32),
		2394: number(client),
		2395: uint64(0x3000),
		2396: bytes.Repeat([]byte{0x1d}, 32),
		2398: cfg.CertificationReference,
		2399: []any{part("BL2"), part("SPE")},
		2400: cfg.VerificationService,
	}
	for _, optional := range []int{2398, 2400} {
		if want[optional] == "" {
			delete(want, optional)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("claims\n%v\nwant\n%v", got, want)
	}
	// The claims stand in the deterministic order: that of their encoded keys.
	keys := regexp.MustCompile(`^a[8-9a].*0a58.*19010058.*19010978.*19010c58.*19095a.*19095b.*19095c58.*19095f82.*`)
	if !keys.MatchString(hex.EncodeToString(m.Payload)) {
		t.Errorf("not in order: %x", m.Payload)
	}
}

// instanceIDOf writes out TF-M's rule byte by byte.
func instanceIDOf(t *testing.T, k *key) []byte {
	t.Helper()
	point, err := k.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	coseKey := []byte{0xa4, 0x01, 0x02, 0x20, 0x01, 0x21, 0x58, 0x20}
	coseKey = append(coseKey, point[1:33]...)
	coseKey = append(coseKey, 0x22, 0x58, 0x20)
	coseKey = append(coseKey, point[33:]...)
	hash := sha256.Sum256(coseKey)
	return append([]byte{0x01}, hash[:]...)
}

// The token of a fixed device, key and challenge, as bytes: what is sent changes
// only on purpose. Run with -update to write it.
func TestGoldenToken(t *testing.T) {
	h := started(t, Config{Device: secured()}, newKey(t))
	out, err := call(h, nonSecure, contract.CallToken, [][]byte{challenge(32)}, contract.MaxTokenSize)
	if err != nil {
		t.Fatal(err)
	}
	const file = "testdata/token.hex"
	got := hex.EncodeToString(out[0]) + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got  %swant %s", got, want)
	}
}

func BenchmarkToken(b *testing.B) {
	h := started(b, Config{Device: secured()}, newKey(b))
	in := []veneer.InVec{challenge(32)}
	out := []veneer.OutVec{make([]byte, contract.MaxTokenSize)}
	b.ReportAllocs()
	for b.Loop() {
		var m service.Message
		m.Deliver(contract.CallToken, veneer.Owner{ClientID: -1, Session: 1}, nil, false, in, out)
		if err := h(&m); err != nil {
			b.Fatal(err)
		}
	}
}
