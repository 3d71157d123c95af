package cryptocell

import (
	"errors"
	"fmt"
	"io"

	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/kmu"
	"github.com/postern-spe/postern/platform/secretmem"
)

// WriteRootKey fills the slots of MKEK or MEXT (kmu.SlotMKEK, kmu.SlotMEXT) from
// key, as many bytes as the variant's HUKSize, or, where the KMU can push it, of
// KDR (kmu.SlotKDR), 16 bytes; pushable only. It can be done once in the life of
// a device: kmu.ErrFilled. The key is copied.
func (c *CryptoCell) WriteRootKey(slot int, key []byte) error {
	dest := c.engine.variant.AESKey
	switch slot {
	case kmu.SlotMKEK, kmu.SlotMEXT:
	case kmu.SlotKDR:
		if dest = []uint32{c.engine.variant.KDR}; dest[0] == 0 {
			return fmt.Errorf("cryptocell: the KMU of the %s cannot push KDR", c.engine.variant.Name)
		}
	default:
		return fmt.Errorf("cryptocell: slot %d is not a root key's: %w", slot, kmu.ErrSlot)
	}
	if n := len(dest) * keycells.ValueSize; len(key) != n {
		return fmt.Errorf("cryptocell: a root key of %d bytes, not %d", len(key), n)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, d := range dest {
		v := keycells.NewValue(key[keycells.ValueSize*i:][:keycells.ValueSize])
		err := c.kmu.Write(slot+i, d, kmu.PermKey, v)
		v.Destroy()
		if err != nil {
			return err
		}
	}
	return nil
}

// WriteRandomRootKeys makes MKEK and MEXT from random, in secret memory. None of
// the two may be there: kmu.ErrFilled otherwise, and nothing has been written.
func (c *CryptoCell) WriteRandomRootKeys(random io.Reader) error {
	size := c.engine.variant.HUKSize
	keys, err := secretmem.Alloc(size)
	if err != nil {
		return err
	}
	defer keys.Destroy()
	roots := []int{kmu.SlotMKEK, kmu.SlotMEXT}
	for _, slot := range roots {
		for i := range c.engine.variant.slots() {
			cfg, err := c.kmu.Config(slot + i)
			switch {
			case err != nil:
				return err
			case cfg.State != kmu.Empty:
				return kmu.ErrFilled
			}
		}
	}
	for _, slot := range roots {
		if _, err := io.ReadFull(random, keys.Bytes()); err != nil {
			return fmt.Errorf("cryptocell: no random root key: %w", err)
		}
		if err := c.WriteRootKey(slot, keys.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// HasRootKeys reports whether MKEK and MEXT are there, all of both, closed and
// not revoked.
func (c *CryptoCell) HasRootKeys() (bool, error) {
	for _, slot := range []int{kmu.SlotMKEK, kmu.SlotMEXT} {
		for i, dest := range c.engine.variant.AESKey {
			cfg, err := c.kmu.Config(slot + i)
			if err != nil || cfg != (kmu.Config{State: kmu.Active, Dest: dest, Perm: kmu.PermKey}) {
				return false, err
			}
		}
	}
	return true, nil
}

// LoadKDR pushes the device root key from its slot to the engine, where it stays
// until reset, and locks out K_PRTL and any other lifecycle state: what a
// bootloader of the nRF9160 does. ErrKeyMissing without a key in the slot.
func (c *CryptoCell) LoadKDR() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.engine.hold()()
	if err := c.push(kmu.SlotKDR); err != nil {
		return err
	}
	c.engine.lock()
	return nil
}

// lock is LoadKDR's end.
func (e *Engine) lock() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kprtl = true
	if !e.lcsValid {
		e.lcs, e.lcsValid = lcsSecure, true
	}
}

// push pushes a slot, with an error that names the lack of a key.
func (c *CryptoCell) push(slot int) error {
	err := c.kmu.Push(slot)
	if errors.Is(err, kmu.ErrEmpty) {
		err = ErrKeyMissing
	}
	return err
}

// withKey runs f with the root key in the slots from slot on. f keeps no
// reference to it. The caller holds c.mu.
func (c *CryptoCell) withKey(slot int, f func(key []byte) error) error {
	if c.scalar == nil {
		return ErrClosed
	}
	defer c.engine.hold()()
	for i := range c.engine.variant.slots() {
		if err := c.push(slot + i); err != nil {
			return err
		}
	}
	return c.engine.withAES(f)
}
