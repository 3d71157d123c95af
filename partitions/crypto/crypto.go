// Package crypto is the Crypto partition: the PSA Certified Crypto API 1.5 as
// TF-M's Crypto service offers it (TF-M 2.3, SID 0x80), with the algorithms that
// Go's standard library has. The secure world boots it; non-secure programs and
// secure partitions call it through the SPM with package veneer/crypto or TF-M's
// own C sources.
//
// Everything in a message is the caller's and attacker-controlled: the request
// block, every vector and its length, the order of calls and how many run at
// once. The owner is not: it comes from the SPM. A key belongs to its owner, the
// client ID for a persistent key, the client ID and the session for a volatile
// one and for a multipart operation; another's is answered as one that does not
// exist. Keys in slots of the KMU belong to all clients: see KeySlots.
//
// The partition takes several messages at a time. Locks, in the order in which
// they are taken: operation.mu, keystore.write, keystore.mu or session.mu, key.mu,
// slots.mu. Storage calls are made under the first two alone, calls of KeySlots
// under any but keystore.write, keystore.mu and session.mu.
//
// What callers can make it hold is bounded by Limits. The salt and the info of a
// derivation with HKDF are at most 8 KiB each, and longer ones are answered with
// ErrInsufficientMemory; a session with all of its 256 operations so filled holds
// 4 MiB in them. The API sets no such bound, and RFC 5869 neither.
//
// # Secrets
//
// Key bytes live in material, are wiped when the key ends, and go into no error
// or log. What Go cannot promise: the standard library's own key objects
// (ecdsa.PrivateKey, the AES key schedule, HMAC states), which a key caches, are
// left to the garbage collector, which may also have copied them; stacks that
// grew may hold old copies.
package crypto

import (
	_ "embed"
	"io"
	"sync"

	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
)

//go:embed tfm_crypto.yaml
var manifest string

// Manifest returns the partition's manifest in TF-M's format.
func Manifest() []byte { return []byte(manifest) }

// Engine is the crypto engine that holds the device's own keys and never gives
// them to the processor, except for keys derived from them. It is safe for
// concurrent use.
type Engine interface {
	// DeriveHUK fills out with a key derived from the hardware unique key, the
	// same for the same label and context on the same device.
	DeriveHUK(label, context, out []byte) error
	// IdentityPublicKey returns the public half of the initial attestation key:
	// the uncompressed point on P-256, 65 bytes.
	IdentityPublicKey() ([]byte, error)
	// SignIdentity signs a SHA-256 hash with the initial attestation key. The
	// signature is r||s, 64 bytes.
	SignIdentity(hash []byte) ([]byte, error)
}

// Config is what the partition is made of.
type Config struct {
	// Random is the true random number generator. It is safe for concurrent
	// use; an error, or too few bytes, fails what needed them.
	Random io.Reader
	// Engine holds the built-in keys. Without one there are none.
	Engine Engine
	// KeySlots are the keys in the KMU. Without them, as on boards that have no
	// CRACEN, their identifiers and their lifetimes name nothing.
	KeySlots KeySlots
	// Limits of the partition's memory; a zero field takes its default.
	Limits Limits
}

// Limits bounds what callers can make the partition hold.
type Limits struct {
	// VolatileKeys is the most volatile keys of a session; 4096 by default.
	VolatileKeys int
	// Operations is the most multipart operations of a session; 256 by default.
	// One holds at most 16 KiB of its caller's bytes.
	Operations int
	// CachedKeys is the most persistent keys of a client that are kept in
	// memory; 256 by default. More can be stored.
	CachedKeys int
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		v   *int
		def int
	}{{&l.VolatileKeys, 4096}, {&l.Operations, 256}, {&l.CachedKeys, 256}} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	return l
}

// partition is the state of the Crypto partition.
type partition struct {
	random   io.Reader
	engine   Engine
	limits   Limits
	slots    slots
	store    *store
	sessions sessions
	ids      volatileIDs
	requests sync.Pool
}

// New returns the Crypto partition.
func New(cfg Config) service.Partition {
	p := newPartition(cfg)
	return service.Partition{
		Init: func(rt service.Runtime) error {
			p.store = newStore(its.New(rt), p.limits.CachedKeys)
			return nil
		},
		Services:   map[string]service.Handler{"TFM_CRYPTO": p.serve},
		EndSession: p.endSession,
	}
}

func newPartition(cfg Config) *partition {
	return &partition{
		random:   cfg.Random,
		engine:   cfg.Engine,
		slots:    slots{hw: cfg.KeySlots},
		limits:   cfg.Limits.withDefaults(),
		requests: sync.Pool{New: func() any { return new(request) }},
	}
}

// fillRandom fills b from the random number generator, wholly or not at all.
func (p *partition) fillRandom(b []byte) error {
	if _, err := io.ReadFull(p.random, b); err != nil {
		clear(b)
		return veneer.ErrInsufficientEntropy
	}
	return nil
}
