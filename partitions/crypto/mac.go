package crypto

import (
	"crypto/hmac"
	"hash"
	"sync"
	"sync/atomic"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// minMAC is the shortest MAC in bytes that is worth its name (Crypto API 1.5,
// PSA_ALG_TRUNCATED_MAC: shorter ones an implementation may refuse).
const minMAC = 4

// macCache keeps keyed HMAC states of a key, ready for use: keying one costs two
// blocks of the hash and several allocations.
type macCache struct{ p atomic.Pointer[macPool] }

type macPool struct {
	hash psa.Algorithm
	pool sync.Pool // of *macState
}

// macState is a keyed HMAC and room for its result.
type macState struct {
	from *macPool
	h    hash.Hash
	sum  [contract.MaxHashSize]byte
	size int // of the MAC, the truncation considered

	verifies bool
}

// state returns a keyed state for alg; done returns it. The key is in use.
func (k *key) state(alg psa.Algorithm) *macState {
	h := alg.Hash()
	p := k.mac.p.Load()
	if p == nil || p.hash != h {
		p = &macPool{hash: h}
		k.mac.p.Store(p)
	}
	s, ok := p.pool.Get().(*macState)
	if !ok {
		s = &macState{from: p, h: hmac.New(stdHash(h).New, k.mat.bytes())}
	}
	s.size = alg.MACSize()
	return s
}

// mac returns the MAC of what was written.
func (s *macState) mac() []byte { return s.h.Sum(s.sum[:0])[:s.size] }

// done makes the state ready for its next use with the same key.
func (s *macState) done() {
	s.h.Reset()
	clear(s.sum[:])
	s.from.pool.Put(s)
}

// end drops the state of a multipart operation, which may outlive its key: it
// does not go back.
func (s *macState) end() {
	clear(s.sum[:])
	s.h = nil
}

func (c *macCache) drop() { c.p.Store(nil) }

// useMAC is use for a MAC: the key's type has to be that of the algorithm, too.
func (p *partition) useMAC(r *request, usage psa.Usage) (*key, error) {
	if !r.Alg.IsMAC() {
		return nil, veneer.ErrInvalidArgument
	}
	k, err := p.use(r, usage, r.Alg)
	if err != nil {
		return nil, err
	}
	if err := checkMAC(k.attrs.Type, r.Alg); err != nil {
		k.release()
		return nil, err
	}
	return k, nil
}

func checkMAC(t psa.KeyType, alg psa.Algorithm) error {
	switch {
	case alg.IsBlockCipherMAC() && t.BlockSize() > 1:
		return veneer.ErrNotSupported
	case !alg.IsHMAC() || t != psa.KeyHMAC:
		return veneer.ErrInvalidArgument
	case psa.HMAC(alg.Hash()) != alg.FullLength(), stdHash(alg.Hash()) == 0:
		return veneer.ErrNotSupported
	case alg.MACSize() < minMAC:
		return veneer.ErrNotSupported
	case alg.MACSize() > alg.HashSize():
		return veneer.ErrInvalidArgument
	}
	return nil
}

// macCompute is psa_mac_compute.
func (p *partition) macCompute(r *request) error {
	k, err := p.useMAC(r, psa.UsageSignMessage)
	if err != nil {
		return err
	}
	defer k.release()
	if r.m.OutSize(0) < r.Alg.MACSize() {
		return veneer.ErrBufferTooSmall
	}
	s := k.state(r.Alg)
	defer s.done()
	s.h.Write(r.input(1))
	return r.put(0, s.mac())
}

// macVerify is psa_mac_verify.
func (p *partition) macVerify(r *request) error {
	k, err := p.useMAC(r, psa.UsageVerifyMessage)
	if err != nil {
		return err
	}
	defer k.release()
	s := k.state(r.Alg)
	defer s.done()
	s.h.Write(r.input(1))
	return compare(s.mac(), r.input(2))
}

// macSignSetup is psa_mac_sign_setup.
func (p *partition) macSignSetup(r *request) error { return p.macSetup(r, psa.UsageSignMessage) }

// macVerifySetup is psa_mac_verify_setup.
func (p *partition) macVerifySetup(r *request) error { return p.macSetup(r, psa.UsageVerifyMessage) }

func (p *partition) macSetup(r *request, usage psa.Usage) error {
	return p.setup(r, kindMAC, func() (ender, error) {
		k, err := p.useMAC(r, usage)
		if err != nil {
			return nil, err
		}
		defer k.release()
		s := k.state(r.Alg)
		s.verifies = usage == psa.UsageVerifyMessage
		return s, nil
	})
}

// macUpdate is psa_mac_update.
func (p *partition) macUpdate(r *request) error {
	return step(r, kindMAC, func(s *macState) error {
		s.h.Write(r.input(1)) // a hash's Write does not fail
		return nil
	})
}

// macSignFinish is psa_mac_sign_finish.
func (p *partition) macSignFinish(r *request) error {
	return finish(r, kindMAC, func(s *macState) error {
		if s.verifies {
			return veneer.ErrBadState
		}
		return r.put(1, s.mac())
	})
}

// macVerifyFinish is psa_mac_verify_finish.
func (p *partition) macVerifyFinish(r *request) error {
	return finish(r, kindMAC, func(s *macState) error {
		if !s.verifies {
			return veneer.ErrBadState
		}
		return compare(s.mac(), r.input(1))
	})
}
