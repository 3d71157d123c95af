package cryptocell

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/kmu"
	"github.com/postern-spe/postern/platform/secretmem"
)

// The key registers' sizes in bytes.
const (
	aesSize    = 32
	chachaSize = 32
	kdrSize    = 16
)

// Engine is the hardware: the key registers, the end of the KMU's private bus,
// and the register file. All methods are safe for concurrent use.
type Engine struct {
	variant *Variant

	mu     sync.Mutex
	secret *secretmem.Region
	// The key registers, in secret memory; nil after Close. loaded has a bit for
	// each 16 bytes of aes, kdrSet one for each word of kdr.
	aes, chacha, kdr []byte
	loaded, kdrSet   uint8

	enable   bool // ENABLE
	held     int  // how many operations of the driver need it on
	keySel   uint32
	kprtl    bool // HOST_IOT_KPRTL_LOCK
	lcs      uint32
	lcsValid bool
}

var (
	_ kmu.Destination = (*Engine)(nil)
	_ bus.Peripheral  = (*Engine)(nil)
)

// NewEngine returns an engine as it is after reset, with empty key registers. The
// caller closes it, or the CryptoCell over it.
func NewEngine(v *Variant) (*Engine, error) {
	r, err := secretmem.Alloc(aesSize + chachaSize + kdrSize)
	if err != nil {
		return nil, err
	}
	b := r.Bytes()
	e := &Engine{variant: v, secret: r, aes: b[:aesSize], chacha: b[aesSize:][:chachaSize], kdr: b[aesSize+chachaSize:]}
	e.Reset()
	return e, nil
}

// Variant returns what was given to NewEngine. It is not to be changed.
func (e *Engine) Variant() *Variant { return e.variant }

// Format prints a fixed word and never the registers.
func (e *Engine) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[crypto engine]") }

// Reset puts all registers to their reset values and empties the key registers,
// those of the always-on domain as well.
func (e *Engine) Reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.enable, e.keySel, e.kprtl, e.lcs, e.lcsValid = false, 0, false, lcsSecure, false
	e.powerDown()
	clear(e.kdr)
	e.kdrSet = 0
}

// Close wipes the key registers for good. It may be called again.
func (e *Engine) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.aes, e.chacha, e.kdr, e.loaded, e.kdrSet = nil, nil, nil, 0, 0
	e.secret.Destroy()
}

// powerDown empties the key registers that are not in the always-on domain.
func (e *Engine) powerDown() {
	e.emptyAES()
	clear(e.chacha)
}

func (e *Engine) emptyAES() {
	clear(e.aes)
	e.loaded = 0
}

// Push is a push of the KMU: it fills one key register. An address that is none
// is refused, and so is any while the engine is not enabled.
func (e *Engine) Push(addr uint32, v *keycells.Value) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.aes == nil:
		return ErrClosed
	case !e.on():
		return errors.New("cryptocell: a push to an engine that is not enabled")
	}
	for i, a := range e.variant.AESKey {
		if addr == a {
			v.CopyTo(e.aes[keycells.ValueSize*i:][:keycells.ValueSize])
			e.loaded |= 1 << i
			return nil
		}
	}
	for i, a := range e.variant.ChaChaKey {
		if addr == a {
			v.CopyTo(e.chacha[keycells.ValueSize*i:][:keycells.ValueSize])
			return nil
		}
	}
	switch {
	case addr != e.variant.KDR || addr == 0:
		return fmt.Errorf("cryptocell: no key register at 0x%08x", addr)
	case e.kdrSet != 0:
		return errors.New("cryptocell: KDR has been written since reset")
	}
	v.CopyTo(e.kdr)
	e.kdrSet = kdrAll
	return nil
}

// on reports whether the engine is enabled, by software or by the driver.
func (e *Engine) on() bool { return e.enable || e.held > 0 }

// hold enables the engine for an operation of the driver; the result ends that,
// and leaves no key of it in the AES registers however it ended.
func (e *Engine) hold() func() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held++
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.emptyAES()
		if e.held--; !e.on() {
			e.powerDown()
		}
	}
}

// withAES calls f with the key of HUKSize bytes in the AES registers, which are
// emptied afterwards. f keeps no reference to it.
func (e *Engine) withAES(f func(key []byte) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	defer e.emptyAES()
	if e.aes == nil {
		return ErrClosed
	}
	if e.loaded != 1<<e.variant.slots()-1 {
		return errors.New("cryptocell: the key registers are not loaded")
	}
	return f(e.aes[:e.variant.HUKSize])
}

// withKDR calls f with the device root key: ErrKeyMissing if it is not retained.
func (e *Engine) withKDR(f func(key []byte) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.kdrSet != kdrAll {
		return ErrKeyMissing
	}
	return f(e.kdr)
}
