// Package kmu emulates the Key Management Unit of the nRF5340's application core
// and of the nRF9160 (Product Specifications, chapter KMU): 128 slots of 128 bits
// in the UICR, whose values go over a private bus to the crypto engine and,
// unless a slot says otherwise, never to the processor.
//
// Emulated: the permission word with its write-once halves, SELECTKEYSLOT and
// STATUS, writing and reading a slot word by word as the manual prescribes,
// TASKS_PUSH_KEYSLOT with its three events and their interrupt, revocation with
// the wiping of the value, and 0xDEADDEAD for what may not be read.
//
// Decided here, because the manuals do not say:
//   - Selecting anew ends STATUS.BLOCKED; a load that gives 0xDEADDEAD and a
//     store that is ignored set it.
//   - PERM.WRITE and PERM.STATE govern DEST as well as VALUE, so that a key that
//     has been closed cannot be sent elsewhere.
//   - A push that PERM.PUSH does not allow ends in EVENTS_KEYSLOT_ERROR.
//   - The nRF9160 wipes the value of a revoked slot, as the nRF5340 does. A
//     wiping that the power failed in is done again at the next boot
//     (FinishRevocations).
//   - ID 0 and IDs above 128 select nothing.
//
// The methods named after operations (Write, Read, Push, Revoke) are the secure
// driver: each selects its slot, works and deselects, as the manual prescribes.
// ReadRegister, WriteRegister, LoadSlot and StoreSlot are what the bus reaches:
// the secure world's code, in values and order of its choosing. The non-secure
// world gets zeros.
//
// Values are in secret memory (package keycells) at rest and on the way to the
// engine; only those that the processor may read leave it, by Read and LoadSlot.
//
// Lock order: KMU, then uicr.UICR, keycells.Cells and the Destination.
package kmu

import (
	"fmt"
	"io"
	"sync"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/uicr"
)

// ValuesSize is the size of the cells of all values in bytes.
const ValuesSize = uicr.Slots * keycells.ValueSize

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

// The slots that Nordic's software reserves, two each where a key has 256 bits
// (indices from 0; the ID that SELECTKEYSLOT takes is one higher).
const (
	SlotKDR    = 0 // device root key
	SlotMKEK   = 2 // master key encryption key
	SlotMEXT   = 4 // master key for external storage: the hardware unique key
	SlotKIdent = 6 // the identity key, encrypted
	SlotUser   = 8 // the first of the others
)

// Destination is what is at the far end of the private bus: the crypto engine.
type Destination interface {
	// Push takes one slot's value at an address. It copies the value.
	Push(addr uint32, v *keycells.Value) error
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
	dest   Destination
	irq    bus.Interrupt
	slots  *uicr.KeySlots
	values *keycells.Cells

	mu       sync.Mutex // SELECTKEYSLOT serves one operation at a time
	selected uint8      // SELECTKEYSLOT
	blocked  bool
	events   uint32 // bits as in INTEN
	inten    uint32
}

var (
	_ bus.Peripheral = (*KMU)(nil)
	_ uicr.KeyUnit   = (*KMU)(nil)
)

// New returns the KMU over the key slots of u, which it claims, with the values
// in ValuesSize bytes of cells, pushing to dest. It changes no cells. The caller
// closes them. irq may be nil.
func New(u *uicr.UICR, values *keycells.Cells, dest Destination, irq bus.Interrupt) (*KMU, error) {
	if values.Size() != ValuesSize {
		return nil, fmt.Errorf("kmu: %d bytes for values, not %d", values.Size(), ValuesSize)
	}
	k := &KMU{dest: dest, irq: irq, values: values}
	slots, err := u.ClaimKeySlots(k)
	if err != nil {
		return nil, err
	}
	k.slots = slots
	return k, nil
}

// FinishRevocations wipes the values of revoked slots that a power failure has
// kept from being wiped. It belongs into the boot of a device, after the device
// has been found sound: a UICR that is damaged must not cost the keys. Until then
// such a slot gives its value to nobody, as any that is revoked.
func (k *KMU) FinishRevocations() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for slot := range uicr.Slots {
		_, perm, err := k.slots.Config(slot)
		if err != nil {
			return err
		}
		if perm&PermState != 0 || k.values.Zero(at(slot), keycells.ValueSize) {
			continue
		}
		if err := k.wipe(slot); err != nil {
			return err
		}
	}
	return nil
}

// at is where the value of a slot is in the cells.
func at(slot int) int { return slot * keycells.ValueSize }

// wipe programs the value of a slot to zero, a word and power point after the
// other.
func (k *KMU) wipe(slot int) error {
	return k.values.Program(at(slot), make([]byte, keycells.ValueSize))
}

// Format prints a fixed word.
func (k *KMU) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[KMU]") }

// Reset puts the registers back; the slots stay.
func (k *KMU) Reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.selected, k.blocked, k.events, k.inten = 0, false, 0, 0
}

// EraseValues erases the values of all slots: a part of ERASEALL (uicr.EraseAll,
// which erases DEST and PERM after it).
func (k *KMU) EraseValues() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.values.EraseAll()
}

// BlankValues reports whether no slot has a value.
func (k *KMU) BlankValues() bool { return k.values.Erased(0, ValuesSize) }
