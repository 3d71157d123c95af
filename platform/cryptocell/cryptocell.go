// Package cryptocell emulates the CryptoCell-310 of the nRF9160 and the
// CryptoCell-312 of the nRF5340 as far as the secure world's root keys need it
// (Product Specifications, chapter CRYPTOCELL; register offsets from the SVDs):
// an engine whose key registers are filled by the KMU over its private bus, and
// the operations of Nordic's nrf_cc3xx_platform library on the keys that live
// there. No caller, in the secure world either, gets a root key or the identity
// key; what comes out is derived keys, public keys and signatures.
//
// Emulated: the AES, ChaCha and KDR key registers, ENABLE, the lifecycle and
// key-selection registers of CC_HOST_RGF (register.go), key derivation (SP
// 800-108 in counter mode with AES-CMAC, derive.go), the identity key
// (identity.go). Not emulated: the rest of the engine's register interface,
// which the manual does not publish, and the ChaCha, hash and public-key units as
// such: Go's crypto packages do their work.
//
// What is where: key registers and intermediate keys are in secret memory
// (package secretmem), and wiped after use. The key schedules of crypto/aes are
// on the Go heap while a derivation runs, and wiped after it (package aescmac).
// Registers that key bytes pass through are not wiped, nor a signal's frame that
// may have them.
//
// The identity key is in ordinary memory from its first use to Reset or Close, in
// the three or so copies that crypto/ecdsa makes of it. To make it anew for each
// signature, from secret memory, was measured: a signature costs 15 % more, and
// leaves two copies behind each time that nothing wipes. After Close what is left
// is garbage, which stays until its memory is given out again, or, in a program
// built with GOEXPERIMENT=runtimesecret, until the collector finds it (erase.go).
// What this does not stop is reading this process's ordinary memory; the walls
// around the process have to.
//
// Lock order: CryptoCell, then kmu.KMU, then Engine.
package cryptocell

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/postern-spe/postern/platform/kmu"
	"github.com/postern-spe/postern/platform/secretmem"
	"github.com/postern-spe/postern/platform/uicr"
)

// ErrKeyMissing is an operation whose key has not been provisioned.
var ErrKeyMissing = errors.New("cryptocell: the key has not been provisioned")

// ErrClosed is an operation after Close.
var ErrClosed = errors.New("cryptocell: closed")

// CryptoCell is the engine together with its driver. All methods are safe for
// concurrent use.
type CryptoCell struct {
	engine *Engine
	kmu    *kmu.KMU
	uicr   *uicr.UICR

	// mu: one key in the registers at a time, and many signatures once the
	// identity key is decrypted.
	mu     sync.RWMutex
	secret *secretmem.Region
	scalar []byte // the identity key on its way; in secret, nil after Close
	wrap   []byte // what encrypts it, while it is used; in secret
	// identity is the decrypted identity key, from its first use on.
	identity *ecdsa.PrivateKey
}

// New returns the driver of e, whose keys are in the slots of k. The tag of the
// encrypted identity key is in the OTP of u. The caller closes it.
func New(e *Engine, k *kmu.KMU, u *uicr.UICR) (*CryptoCell, error) {
	r, err := secretmem.Alloc(ScalarSize + wrapSize)
	if err != nil {
		return nil, err
	}
	b := r.Bytes()
	return &CryptoCell{engine: e, kmu: k, uicr: u, secret: r, scalar: b[:ScalarSize], wrap: b[ScalarSize:]}, nil
}

// Format prints a fixed word.
func (c *CryptoCell) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[CryptoCell]") }

// Reset is a reset of the block: the registers go to their reset values, and the
// decrypted identity key is forgotten.
func (c *CryptoCell) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget()
	c.engine.Reset()
}

// Close wipes all keys, here and in the engine. It may be called again.
func (c *CryptoCell) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget()
	c.scalar, c.wrap = nil, nil
	c.secret.Destroy()
	c.engine.Close()
}
