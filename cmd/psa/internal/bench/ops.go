package bench

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"math/big"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// Ops returns every operation that can be measured.
func Ops() []Op {
	ops := []Op{
		{FrameworkVersion, 0, 0, byCarrier, prepareBare},
		{"key_attributes", 0, crypto.SID, byCarrier, prepareAttributes},
		{"random", 32, crypto.SID, byWork, prepareRandom(32)},
	}
	for _, size := range []int{64, 1 << 10, 4 << 10, 60 << 10} {
		ops = append(ops, Op{"sha256", size, crypto.SID, byWork, prepareHash(size)})
	}
	ops = append(ops, Op{"hmac_sha256", 64, crypto.SID, byWork, prepareHMAC(64)})
	for _, size := range []int{64, 4 << 10} {
		ops = append(ops, Op{"aes128_gcm", size, crypto.SID, byWork, prepareGCM(size)})
	}
	ops = append(ops,
		Op{"p256_generate", 0, crypto.SID, byWork, prepareGenerate},
		Op{"p256_sign", 0, crypto.SID, byWork, prepareSign},
		Op{"p256_verify", 0, crypto.SID, byWork, prepareVerify},
	)
	return append(ops, storedOps()...)
}

func prepareBare(gate veneer.Gate) (*trial, error) {
	return &trial{call: func() error {
		if gate.FrameworkVersion() != veneer.FrameworkVersion11 {
			return veneer.ErrCommunicationFailure
		}
		return nil
	}}, nil
}

// volatileKey makes a key for the length of a trial.
func volatileKey(c *crypto.Client, t psa.KeyType, bits uint16, alg psa.Algorithm, usage psa.Usage) (psa.KeyID, func() error, error) {
	id, err := c.Generate(psa.KeyAttributes{
		Type: t, Bits: bits, Lifetime: psa.LifetimeVolatile, Algorithm: alg, Usage: usage,
	})
	return id, func() error { return c.Destroy(id) }, err
}

func prepareAttributes(gate veneer.Gate) (*trial, error) {
	c := crypto.New(gate)
	id, end, err := volatileKey(c, psa.KeyAES, 128, psa.GCM, psa.UsageEncrypt)
	if err != nil {
		return nil, err
	}
	return &trial{
		call: func() error { _, err := c.Attributes(id); return err },
		end:  end,
	}, nil
}

func prepareRandom(size int) func(veneer.Gate) (*trial, error) {
	return func(gate veneer.Gate) (*trial, error) {
		c, buf, local := crypto.New(gate), make([]byte, size), make([]byte, size)
		return &trial{
			call:  func() error { return c.Random(buf) },
			local: func() { rand.Read(local) },
		}, nil
	}
}

func prepareHash(size int) func(veneer.Gate) (*trial, error) {
	return func(gate veneer.Gate) (*trial, error) {
		c, data := crypto.New(gate), make([]byte, size)
		sum := make([]byte, sha256.Size)
		return &trial{
			call:  func() error { _, err := c.HashInto(sum, psa.SHA256, data); return err },
			local: func() { sha256.Sum256(data) },
		}, nil
	}
}

func prepareHMAC(size int) func(veneer.Gate) (*trial, error) {
	return func(gate veneer.Gate) (*trial, error) {
		alg := psa.HMAC(psa.SHA256)
		c, data := crypto.New(gate), make([]byte, size)
		id, end, err := volatileKey(c, psa.KeyHMAC, 256, alg, psa.UsageSignMessage)
		if err != nil {
			return nil, err
		}
		mac, sum := make([]byte, sha256.Size), make([]byte, 0, sha256.Size)
		local := hmac.New(sha256.New, make([]byte, 32))
		return &trial{
			call: func() error { _, err := c.ComputeMAC(mac, id, alg, data); return err },
			local: func() {
				local.Reset()
				local.Write(data)
				local.Sum(sum)
			},
			end: end,
		}, nil
	}
}

func prepareGCM(size int) func(veneer.Gate) (*trial, error) {
	return func(gate veneer.Gate) (*trial, error) {
		block, err := aes.NewCipher(make([]byte, 16))
		if err != nil {
			return nil, err
		}
		local, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		c, data := crypto.New(gate), make([]byte, size)
		id, end, err := volatileKey(c, psa.KeyAES, 128, psa.GCM, psa.UsageEncrypt)
		if err != nil {
			return nil, err
		}
		// One nonce for all: what is measured protects nothing.
		nonce := make([]byte, local.NonceSize())
		dst, localDst := make([]byte, 0, size+local.Overhead()), make([]byte, 0, size+local.Overhead())
		return &trial{
			call:  func() error { _, err := c.Seal(dst, id, psa.GCM, nonce, data, nil); return err },
			local: func() { local.Seal(localDst, nonce, data, nil) },
			end:   end,
		}, nil
	}
}

var p256Usage = psa.UsageSignHash | psa.UsageVerifyHash

func prepareGenerate(gate veneer.Gate) (*trial, error) {
	c := crypto.New(gate)
	var undo func() error
	return &trial{
		call: func() (err error) {
			_, undo, err = volatileKey(c, psa.ECCPair(psa.SECPR1), 256, psa.ECDSA(psa.SHA256), p256Usage)
			return err
		},
		undo:  func() error { return undo() },
		local: func() { ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
	}, nil
}

// p256 is a key pair of each side and a hash to sign.
type p256 struct {
	c      *crypto.Client
	id     psa.KeyID
	alg    psa.Algorithm
	hash   []byte
	raw    []byte // the signature by the secure world's key
	local  *ecdsa.PrivateKey
	r, s   *big.Int // the signature by the local key
	finish func() error
}

func newP256(gate veneer.Gate) (k *p256, err error) {
	k = &p256{c: crypto.New(gate), alg: psa.ECDSA(psa.SHA256), hash: make([]byte, sha256.Size), raw: make([]byte, 64)}
	if k.local, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	if k.r, k.s, err = ecdsa.Sign(rand.Reader, k.local, k.hash); err != nil {
		return nil, err
	}
	k.id, k.finish, err = volatileKey(k.c, psa.ECCPair(psa.SECPR1), 256, k.alg, p256Usage)
	return k, err
}

func (k *p256) sign() error {
	n, err := k.c.SignHash(k.raw, k.id, k.alg, k.hash)
	if err == nil && n != len(k.raw) {
		return fmt.Errorf("a signature of %d bytes", n)
	}
	return err
}

func prepareSign(gate veneer.Gate) (*trial, error) {
	k, err := newP256(gate)
	if err != nil {
		return nil, err
	}
	return &trial{
		call:  k.sign,
		local: func() { ecdsa.Sign(rand.Reader, k.local, k.hash) },
		end:   k.finish,
	}, nil
}

func prepareVerify(gate veneer.Gate) (*trial, error) {
	k, err := newP256(gate)
	if err != nil {
		return nil, err
	}
	if err := k.sign(); err != nil {
		k.finish() // the error that counts is the first
		return nil, err
	}
	return &trial{
		call:  func() error { return k.c.VerifyHash(k.id, k.alg, k.hash, k.raw) },
		local: func() { ecdsa.Verify(&k.local.PublicKey, k.hash, k.r, k.s) },
		end:   k.finish,
	}, nil
}
