// Package kmu emulates the Key Management Unit of the nRF5340 application core
// (nRF5340 Product Specification, chapter KMU): 128 slots of 128 bits in the
// UICR, whose values go over a private bus to the crypto engine and, unless a
// slot says otherwise, never to the processor.
//
// Emulated: the permission word with its write-once halves, SELECTKEYSLOT and
// STATUS, TASKS_PUSH_KEYSLOT with its three events, revocation with the wiping
// of the value, and 0xDEADDEAD for what may not be read. Not emulated:
// interrupts.
//
// The methods named after operations (Write, Read, Push, Revoke) are the secure
// driver: each selects its slot, works and deselects, as the manual prescribes.
// ReadRegister, WriteRegister and Load are what the bus reaches; non-secure
// transactions never get here.
package kmu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/postern-spe/postern/platform/uicr"
)

// Denied is what a read of a slot gives that is not selected, not readable, or
// revoked.
const Denied uint32 = 0xDEADDEAD

// The bits of PERM, and the words that Nordic's key library writes.
const (
	PermWrite uint32 = 1 << 0
	PermRead  uint32 = 1 << 1
	PermPush  uint32 = 1 << 2
	PermState uint32 = 1 << 16 // 1 active, 0 revoked

	// PermKey: not writable, not readable, pushed only.
	PermKey uint32 = 0xFFFFFFFC
	// PermIdentity: not writable, readable, not pushed. The slot holds the
	// encrypted identity key.
	PermIdentity uint32 = 0xFFFFFFFA

	revoke uint32 = 0xFFFEFFFF
)

// NoDest is the DEST of a slot that cannot be pushed.
const NoDest uint32 = 0xFFFFFFFF

// The slots that Nordic's software reserves, two each (kmu indices; the ID that
// SELECTKEYSLOT takes is one higher).
const (
	SlotMKEK   = 2 // master key encryption key
	SlotMEXT   = 4 // master key for external storage: the hardware unique key
	SlotKIdent = 6 // the identity key, encrypted
)

// Errors of the driver.
var (
	ErrSlot    = errors.New("kmu: no such slot")
	ErrFilled  = errors.New("kmu: the slot is not empty")
	ErrDenied  = errors.New("kmu: the slot's permissions do not allow it")
	ErrRevoked = errors.New("kmu: the slot is revoked")
	ErrEmpty   = errors.New("kmu: the slot is empty")
)

// Destination is what is at the far end of the private bus: the crypto engine.
type Destination interface {
	// Push takes one slot's value at an address. It copies the value.
	Push(addr uint32, v *Value) error
}

// State is the state of a slot.
type State uint8

const (
	Empty State = iota
	Active
	Revoked
)

func (s State) String() string { return [...]string{"empty", "active", "revoked"}[s] }

// Config is the part of a slot that is not secret.
type Config struct {
	State State
	Dest  uint32
	Perm  uint32
}

// KMU is the unit. All methods are safe for concurrent use.
type KMU struct {
	dest Destination

	mu       sync.Mutex // SELECTKEYSLOT serves one operation at a time
	slots    *uicr.KeySlots
	selected uint8 // slot + 1; 0: none
	blocked  bool
	events   [3]bool
}

// New returns the KMU over the key slots of u, which it claims, pushing to dest.
func New(u *uicr.UICR, dest Destination) (*KMU, error) {
	slots, err := u.ClaimKeySlots()
	if err != nil {
		return nil, err
	}
	return &KMU{dest: dest, slots: slots}, nil
}

// Config returns the state and the settings of a slot.
func (k *KMU) Config(slot int) (Config, error) {
	defer k.use(slot)()
	return k.config(slot)
}

func (k *KMU) config(slot int) (Config, error) {
	if slot < 0 || slot >= uicr.Slots {
		return Config{}, ErrSlot
	}
	dest, perm, err := k.slots.Config(slot)
	if err != nil {
		return Config{}, err
	}
	c := Config{State: Active, Dest: dest, Perm: perm}
	empty, err := k.slots.Empty(slot)
	switch {
	case err != nil:
		return Config{}, err
	case empty:
		c.State = Empty
	case perm&PermState == 0:
		c.State = Revoked
	}
	return c, nil
}

// use selects a slot for one operation of the driver; the result deselects it.
func (k *KMU) use(slot int) func() {
	k.mu.Lock()
	if slot >= 0 && slot < uicr.Slots {
		k.selected = uint8(slot + 1)
	}
	return func() {
		k.selected = 0
		k.mu.Unlock()
	}
}

// Write fills an empty slot: destination, value, and last the permissions,
// which close it. A slot can be written once: ErrFilled afterwards. dest is
// NoDest for a slot that is not pushed. The value is copied.
func (k *KMU) Write(slot int, dest, perm uint32, v *Value) error {
	defer k.use(slot)()
	c, err := k.config(slot)
	switch {
	case err != nil:
		return err
	case c.State != Empty:
		return ErrFilled
	case perm&PermState == 0 || perm&PermPush != 0 && dest == NoDest:
		return fmt.Errorf("kmu: slot %d: permissions 0x%08x make no key", slot, perm)
	}
	if err := k.slots.SetDest(slot, dest); err != nil {
		return err
	}
	if err := k.slots.SetValue(slot, &v.b); err != nil {
		return err
	}
	return k.slots.SetPerm(slot, perm)
}

// Read returns the value of a slot whose permissions let the processor see it;
// the caller destroys it. Otherwise ErrEmpty, ErrRevoked or ErrDenied.
func (k *KMU) Read(slot int) (*Value, error) {
	defer k.use(slot)()
	if err := k.allowed(slot, PermRead); err != nil {
		return nil, err
	}
	v := new(Value)
	if err := k.slots.Value(slot, &v.b); err != nil {
		return nil, err
	}
	return v, nil
}

// Push sends the value of a slot to its destination. ErrEmpty, ErrRevoked and
// ErrDenied as for Read; the destination may refuse, too.
func (k *KMU) Push(slot int) error {
	defer k.use(slot)()
	return k.push(slot)
}

func (k *KMU) push(slot int) error {
	if err := k.allowed(slot, PermPush); err != nil {
		return err
	}
	dest, _, err := k.slots.Config(slot)
	if err != nil {
		return err
	}
	if dest == NoDest {
		return ErrDenied
	}
	var v Value
	defer v.Destroy()
	if err := k.slots.Value(slot, &v.b); err != nil {
		return err
	}
	return k.dest.Push(dest, &v)
}

// active returns the configuration of a slot that holds a key which has not been
// revoked.
func (k *KMU) active(slot int) (Config, error) {
	c, err := k.config(slot)
	switch {
	case err != nil:
		return c, err
	case c.State == Empty:
		return c, ErrEmpty
	case c.State == Revoked:
		return c, ErrRevoked
	}
	return c, nil
}

func (k *KMU) allowed(slot int, right uint32) error {
	c, err := k.active(slot)
	if err == nil && c.Perm&right == 0 {
		err = ErrDenied
	}
	return err
}

// Revoke ends a key for good: its state is cleared, then its value wiped. The
// slot cannot be used again. Power that fails between the two leaves a revoked
// slot, which gives its value to nobody.
func (k *KMU) Revoke(slot int) error {
	defer k.use(slot)()
	if _, err := k.active(slot); err != nil {
		return err
	}
	if err := k.slots.SetPerm(slot, revoke); err != nil {
		return err
	}
	return k.slots.SetValue(slot, new([uicr.SlotSize]byte))
}

// Load is a secure load of the word at offset off of the UICR, in the key
// slots: what the slot that SELECTKEYSLOT names lets the processor see, and
// Denied for everything else.
func (k *KMU) Load(off uint32) uint32 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if off >= uicr.RegKeySlotConfig && off < uicr.RegKeySlotConfig+8*uicr.Slots {
		slot := int(off-uicr.RegKeySlotConfig) / 8
		dest, perm, err := k.slots.Config(slot)
		if err == nil && k.selected == uint8(slot+1) {
			if off&4 == 0 {
				return dest
			}
			return perm
		}
	}
	if off >= uicr.RegKeySlotKey && off < uicr.RegKeySlotKey+uicr.SlotSize*uicr.Slots {
		slot := int(off-uicr.RegKeySlotKey) / uicr.SlotSize
		if k.selected == uint8(slot+1) && k.allowed(slot, PermRead) == nil {
			var v Value
			defer v.Destroy()
			if k.slots.Value(slot, &v.b) == nil {
				return binary.LittleEndian.Uint32(v.b[off%uicr.SlotSize&^3:])
			}
		}
	}
	k.blocked = true
	return Denied
}
