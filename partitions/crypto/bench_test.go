package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// caller makes one prepared call again and again, as the SPM does, without the
// copies of a carrier.
type caller struct {
	serve   service.Handler
	m       service.Message
	in      []veneer.InVec
	out     []veneer.OutVec
	written [veneer.MaxIOVec]int
}

func newCaller(w *world, r contract.Request, data []byte, more []byte, room int) *caller {
	c := &caller{serve: w.part.Services["TFM_CRYPTO"], in: []veneer.InVec{r.AppendTo(nil), data, more}}
	if room > 0 {
		c.out = []veneer.OutVec{make(veneer.OutVec, room)}
	}
	return c
}

func (c *caller) call() error {
	c.m.Deliver(contract.CallFunction, appOwner, nil, true, c.in, c.out)
	err := c.serve(&c.m)
	c.m.Answer(&c.written)
	return err
}

// prepared is the calls that programs repeat, each with the bare Go primitive
// that does the same.
func prepared(t testing.TB) (w *world, calls []preparedCall) {
	w = newWorld(t)
	c := w.client(appOwner)
	big, page, hash := make([]byte, 60<<10), make([]byte, 4<<10), make([]byte, 32)
	block, err := aes.NewCipher(secret[:16])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	scalar, err := private.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	alg := psa.ECDSA(psa.SHA256)
	aesKey := volatileKey(t, c, psa.KeyAES, psa.UsageEncrypt, psa.GCM, secret[:16])
	macKey := volatileKey(t, c, psa.KeyHMAC, psa.UsageSignMessage, psa.HMAC(psa.SHA256), secret)
	eccKey := volatileKey(t, c, psa.ECCPair(psa.SECPR1), psa.UsageSignHash|psa.UsageVerifyHash, alg, scalar)
	der, err := ecdsa.SignASN1(rand.Reader, private, hash)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := rawSignature(der, 32)
	if err != nil {
		t.Fatal(err)
	}
	sealed, nonce := make([]byte, 0, len(page)+16), make([]byte, 12)
	req := func(fn contract.FunctionID, key psa.KeyID, alg psa.Algorithm) contract.Request {
		return contract.Request{Function: fn, Key: key, Alg: alg, NonceLength: 12}
	}
	var sink [32]byte
	return w, []preparedCall{
		{"Attributes", newCaller(w, req(contract.GetKeyAttributes, aesKey, 0), nil, nil, 24), nil, 0, true},
		{"Random32", newCaller(w, req(contract.GenerateRandom, 0, 0), nil, nil, 32), func() { rand.Read(sink[:]) }, 32, true},
		{"Hash60K", newCaller(w, req(contract.HashCompute, 0, psa.SHA256), big, nil, 32), func() { sink = sha256.Sum256(big) }, len(big), true},
		{"HMAC4K", newCaller(w, req(contract.MACCompute, macKey, psa.HMAC(psa.SHA256)), page, nil, 32), func() {
			h := hmac.New(sha256.New, secret)
			h.Write(page)
			h.Sum(sink[:0])
		}, len(page), true},
		{"AESGCM4K", newCaller(w, req(contract.AEADEncrypt, aesKey, psa.GCM), page, nil, len(page)+16), func() { gcm.Seal(sealed, nonce, page, nil) }, len(page), true},
		{"Sign", newCaller(w, req(contract.SignHash, eccKey, alg), hash, nil, 64), func() { _, _ = ecdsa.SignASN1(rand.Reader, private, hash) }, 0, false},
		{"Verify", newCaller(w, req(contract.VerifyHash, eccKey, alg), hash, sig, 0), func() { ecdsa.VerifyASN1(&private.PublicKey, hash, der) }, 0, false},
	}
}

type preparedCall struct {
	name  string
	call  *caller
	bare  func()
	bytes int
	// free: the call allocates nothing of its own.
	free bool
}

func TestSteadyStateAllocations(t *testing.T) {
	if underRace {
		t.Skip("under the race detector a sync.Pool drops some of what it is given")
	}
	_, calls := prepared(t)
	for _, c := range calls {
		if err := c.call.call(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if !c.free {
			continue
		}
		if n := testing.AllocsPerRun(100, func() { _ = c.call.call() }); n > 0 {
			t.Errorf("%s allocates %v times", c.name, n)
		}
	}
}

func benchmark(b *testing.B, name string) {
	_, calls := prepared(b)
	for _, c := range calls {
		if c.name != name {
			continue
		}
		run := func(b *testing.B, do func()) {
			b.SetBytes(int64(c.bytes))
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
		}
		b.Run("service", func(b *testing.B) {
			run(b, func() {
				if err := c.call.call(); err != nil {
					b.Fatal(err)
				}
			})
		})
		if c.bare != nil {
			b.Run("go", func(b *testing.B) { run(b, c.bare) })
		}
	}
}

func BenchmarkAttributes(b *testing.B) { benchmark(b, "Attributes") }
func BenchmarkRandom32(b *testing.B)   { benchmark(b, "Random32") }
func BenchmarkHash60K(b *testing.B)    { benchmark(b, "Hash60K") }
func BenchmarkHMAC4K(b *testing.B)     { benchmark(b, "HMAC4K") }
func BenchmarkAESGCM4K(b *testing.B)   { benchmark(b, "AESGCM4K") }
func BenchmarkSign(b *testing.B)       { benchmark(b, "Sign") }
func BenchmarkVerify(b *testing.B)     { benchmark(b, "Verify") }
