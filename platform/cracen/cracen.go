// Package cracen emulates CRACEN, the crypto engine of the nRF54L15 (nRF54L15
// datasheet, chapters CRACEN and KMU; registers by the SVD), as far as keys need
// it, and Nordic's driver for keys in the KMU's slots: the usage schemes, the
// metadata word, the provisioning journal, the keys of the IKG.
//
// Emulated: ENABLE, SEEDVALID, SEED, SEEDLOCK, PROTECTEDRAMLOCK; the protected
// RAM; the isolated key generator, with a derivation of our own (ikg.go). Not
// emulated: the engine's events and interrupts and the registers of CRACENCORE
// (CryptoMaster, PKE, RNG, IKG), through which a chip's software hands it work:
// the operations are the driver's methods, and Go's crypto packages do the work.
// The protected RAM is for AES alone; that a PROTECTED key is used for nothing
// else is up to whom Use gives it to.
//
// Decided here, where the documents are silent:
//   - The seed registers and the seed in the protected RAM are one memory.
//   - SEEDLOCK and PROTECTEDRAMLOCK make the KMU's pushes fail, until reset.
//   - The IKG needs the whole seed pushed, not SEEDVALID alone.
//   - The journal (journal.go) has the first slot of a key provisioned last and
//     revoked first, so that a key is there wholly or not at all.
//   - A key is found by its whole ID: with another scheme it does not exist.
//   - Only the slots that Nordic's layout gives to keys can be provisioned.
//   - The push area is in secret memory, not in the RAM that the bus reaches.
//
// Called by the secure world: by the Crypto and Attestation services for root
// keys and keys in slots, by provisioning, and by the bus for the registers.
// Metadata and IDs may be chosen by non-secure callers of the Crypto service; the
// content of slots may come from a device directory that somebody has changed.
//
// What Go cannot promise: keys rest in secret memory, and copies of this package
// are wiped; what crypto/ecdsa makes of the identity key, and what whom Use calls
// makes of a key, is on the heap until it is collected and used again. Registers
// that a key has passed through are not cleared, and a signal puts them on a stack.
//
// Lock order: CRACEN, then the KMU, then Engine.
package cracen

import (
	"crypto/ecdsa"
	"fmt"
	"io"
	"sync"

	"github.com/postern-spe/postern/platform/kmu54l"
	"github.com/postern-spe/postern/platform/secretmem"
)

// CRACEN is the engine together with its driver. All methods are safe for
// concurrent use; one key at a time is in the engine.
type CRACEN struct {
	engine *Engine
	kmu    *kmu54l.KMU
	random io.Reader

	mu         sync.Mutex
	scratch    *secretmem.Region
	work       []byte            // in scratch: a key on its way into its slots; nil after Close
	wrap       []byte            // in scratch: the key that encrypts ENCRYPTED ones
	identity   *ecdsa.PrivateKey // nil until first used
	generation uint64            // of the IKG's keys that identity is one of
}

// New returns the driver of e, into which k pushes. Random bytes, for seeds,
// nonces and keys that are made on the device, come from random. The journal is
// dealt with at first use.
func New(e *Engine, k *kmu54l.KMU, random io.Reader) (*CRACEN, error) {
	r, err := secretmem.Alloc(workSize + RootKeySize)
	if err != nil {
		return nil, err
	}
	b := r.Bytes()
	return &CRACEN{engine: e, kmu: k, random: random, scratch: r, work: b[:workSize:workSize], wrap: b[workSize:]}, nil
}

// Format prints a fixed word.
func (c *CRACEN) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[CRACEN]") }

// Close forgets the identity key and gives the driver's memory back. Engine and
// KMU stay the caller's to close.
func (c *CRACEN) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.identity, c.work, c.wrap = nil, nil, nil
	c.scratch.Destroy()
}

// begin locks the driver and finishes what the power has interrupted. The caller
// unlocks c.mu, whatever it returns.
func (c *CRACEN) begin() error {
	c.mu.Lock()
	if c.work == nil {
		return errClosed
	}
	return c.recover()
}
