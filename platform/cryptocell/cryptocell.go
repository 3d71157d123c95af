// Package cryptocell emulates the CryptoCell-312 of the nRF5340 as far as the
// secure world's root keys need it: an engine whose AES key registers are
// filled by the KMU over its private bus, and the operations of Nordic's
// nrf_cc3xx_platform library on the keys that live there. No caller, in the
// secure world either, gets a root key or the identity key; what comes out is
// derived keys, public keys and signatures.
//
// Emulated: the two 128-bit AES key registers, key derivation (SP 800-108 in
// counter mode with AES-CMAC, see derive.go), the identity key (see
// identity.go). Not emulated: the register interface of the engine, which the
// manual does not publish, and the ChaCha, hash and public-key units as such:
// Go's crypto packages do their work.
//
// What Go cannot promise: the key schedules of crypto/aes and the scalar inside
// crypto/ecdsa are in memory while the process runs and are not wiped, only
// released; buffers of this package are wiped. Who cannot read this process's
// memory cannot read them.
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
	"github.com/postern-spe/postern/platform/uicr"
)

// The addresses of the CC312's AES key registers: the destinations of the two
// slots of a 256-bit key.
const (
	RegAESKey0 uint32 = 0x50845400
	RegAESKey1 uint32 = 0x50845410
)

// HUKSize is the size of MKEK and MEXT in bytes.
const HUKSize = 32

// ErrKeyMissing is an operation whose root key has not been provisioned.
var ErrKeyMissing = errors.New("cryptocell: the key has not been provisioned")

// Engine is the registers: the end of the KMU's private bus.
type Engine struct {
	mu     sync.Mutex
	key    [HUKSize]byte
	loaded [2]bool
}

var _ kmu.Destination = (*Engine)(nil)

// NewEngine returns an engine with empty key registers.
func NewEngine() *Engine { return new(Engine) }

// Format prints a fixed word and never the registers.
func (e *Engine) Format(f fmt.State, _ rune) { io.WriteString(f, "[crypto engine]") }

// Push is a push of the KMU: it fills one key register.
func (e *Engine) Push(addr uint32, v *kmu.Value) error {
	var i int
	switch addr {
	case RegAESKey0:
	case RegAESKey1:
		i = 1
	default:
		return fmt.Errorf("cryptocell: no key register at 0x%08x", addr)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	v.CopyTo(e.key[16*i : 16*i+16])
	e.loaded[i] = true
	return nil
}

// take moves the 256-bit key out of the registers, and empties them.
func (e *Engine) take(key *[HUKSize]byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	ok := e.loaded == [2]bool{true, true}
	*key = e.key
	clear(e.key[:])
	e.loaded = [2]bool{}
	if !ok {
		return errors.New("cryptocell: the key registers are not loaded")
	}
	return nil
}

// CryptoCell is the engine together with its driver. All methods are safe for
// concurrent use.
type CryptoCell struct {
	engine *Engine
	kmu    *kmu.KMU
	uicr   *uicr.UICR

	mu       sync.Mutex        // one key in the registers at a time
	identity *ecdsa.PrivateKey // nil until first used
}

// New returns the driver of e, whose keys are in the slots of k. The tag of the
// encrypted identity key is in the OTP of u.
func New(e *Engine, k *kmu.KMU, u *uicr.UICR) *CryptoCell {
	return &CryptoCell{engine: e, kmu: k, uicr: u}
}

// Format prints a fixed word.
func (c *CryptoCell) Format(f fmt.State, _ rune) { io.WriteString(f, "[CryptoCell]") }

// Close forgets the decrypted identity key.
func (c *CryptoCell) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.identity = nil
}

// WriteRootKey fills the two slots of MKEK or MEXT (kmu.SlotMKEK, kmu.SlotMEXT)
// from key, HUKSize bytes, pushable only. It can be done once in the life of a
// device.
func (c *CryptoCell) WriteRootKey(slot int, key []byte) error {
	if len(key) != HUKSize {
		return fmt.Errorf("cryptocell: a root key is %d bytes, not %d", HUKSize, len(key))
	}
	for i, dest := range []uint32{RegAESKey0, RegAESKey1} {
		v := kmu.NewValue(key[16*i : 16*i+16])
		err := c.kmu.Write(slot+i, dest, kmu.PermKey, v)
		v.Destroy()
		if err != nil {
			return err
		}
	}
	return nil
}

// withKey runs f with the 256-bit key of two slots, which it wipes afterwards.
// f keeps no reference to it. The caller holds c.mu.
func (c *CryptoCell) withKey(slot int, f func(key *[HUKSize]byte) error) error {
	for i := range 2 {
		if err := c.kmu.Push(slot + i); err != nil {
			if errors.Is(err, kmu.ErrEmpty) {
				err = ErrKeyMissing
			}
			return err
		}
	}
	var key [HUKSize]byte
	defer clear(key[:])
	if err := c.engine.take(&key); err != nil {
		return err
	}
	return f(&key)
}
