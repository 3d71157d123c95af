// Package kmu54l emulates the Key Management Unit of the nRF54L15 (nRF54L15
// datasheet, chapter KMU; registers by the SVD): 250 slots of 128 bits in the
// SICR, an RRAM that nothing else reaches, whose values the KMU pushes to a
// destination and never shows to the processor.
//
// Emulated: all registers; PROVISION, PUSH, REVOKE, READMETADATA and PUSHBLOCK
// with their events; the states of a slot and the revocation policies; the
// RRAMC's write enable as a condition; a provisioning that the power interrupts.
// Not emulated: the time that an operation takes (STATUS always reads Ready: a
// task is done when its store returns, and two at once take turns), CRACEN's
// registers being out of reach during a push, and wear of the SICR.
//
// Decided here, where the documents are silent:
//   - PUSHBLOCK of a slot that is not provisioned, revoked ones included, is an
//     ERROR; a repeated one is PUSHBLOCKED.
//   - A source struct with a policy other than 1 to 3, or a DEST that is not a
//     multiple of 16 or lies in the SICR, is an ERROR, as is one that is not
//     word-aligned or not in RAM.
//   - A push that its destination refuses is an ERROR.
//   - An operation that fails leaves METADATA as it was.
//   - Slots 250 to 255, which the ID field can name, do not exist: ERROR.
//
// ReadRegister and WriteRegister are what the bus reaches, from the secure side
// alone. The methods named after operations are the secure driver; values that it
// gets come from the secure world, which alone decides what is in RAM at SRC.
// Nothing here is reached by non-secure code.
//
// Lock order: the RRAMC, then KMU, then its cells, then the destination.
package kmu54l

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/secretmem"
)

// Slots is the number of slots; their IDs are 0 to Slots-1.
const Slots = 250

// CellsSize is the size in bytes of the cells that hold all slots.
const CellsSize = Slots * recordSize

// The SICR's place in the memory map, which no push may have as its destination.
const (
	SICRBase uint32 = 0x00FFE000
	SICRSize uint32 = 0x1000
)

// DestAlign is the alignment of a destination in bytes.
const DestAlign = 16

// Destination is what a push goes to: CRACEN's seed registers and protected RAM,
// and RAM.
type Destination interface {
	// Push takes one slot's value at addr, a multiple of DestAlign. It copies
	// the value, keeps no reference to it, and does not call the KMU. The error
	// is that of an address where nothing takes a push.
	Push(addr uint32, v *keycells.Value) error
}

// Config is what the KMU is connected to. All fields are needed.
type Config struct {
	// Writable reports whether the RRAMC is in unbuffered write mode: CONFIG.WEN
	// is 1 and WRITEBUFSIZE 0. Otherwise PROVISION and REVOKE fail.
	Writable func() bool
	// EnableWrites puts the RRAMC into that mode, and returns what puts CONFIG
	// back. The driver's Provision and Revoke call it, as Nordic's lib_kmu does;
	// the tasks do not.
	EnableWrites func() (restore func())
	// Source fills p with what is in RAM from addr on, a multiple of 4, for
	// TASKS_PROVISION.
	Source func(addr uint32, p []byte) error
	// Destination takes the pushes.
	Destination Destination
}

// KMU is one KMU. All methods are safe for concurrent use.
type KMU struct {
	cells *keycells.Cells
	to    Config

	driver sync.Mutex // one writing operation of the driver, and its mode of the RRAMC

	mu       sync.Mutex
	scratch  *secretmem.Region
	record   []byte // in scratch: a slot's record while it is looked at or made
	blocked  [Slots]bool
	events   [6]bool
	keySlot  uint8
	src      uint32
	metadata uint32
}

// New returns the KMU whose slots are in cells, CellsSize bytes, which stay the
// caller's to close.
func New(cells *keycells.Cells, c Config) (*KMU, error) {
	if cells.Size() != CellsSize {
		return nil, fmt.Errorf("kmu54l: %d bytes of cells, not %d", cells.Size(), CellsSize)
	}
	r, err := secretmem.Alloc(recordSize)
	if err != nil {
		return nil, err
	}
	return &KMU{cells: cells, to: c, scratch: r, record: r.Bytes()}, nil
}

// Format prints a fixed word.
func (k *KMU) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[KMU]") }

// Close gives the KMU's memory back. The KMU cannot be used afterwards.
func (k *KMU) Close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.scratch.Destroy()
	k.record = nil
}

// writing begins an operation of the driver that writes; the result ends it. The
// RRAMC is not called with k.mu held: its own lock, which it may hold while it has
// all slots erased, must not be wanted under that.
func (k *KMU) writing() (done func()) {
	k.driver.Lock()
	restore := k.to.EnableWrites()
	k.mu.Lock()
	return func() {
		k.mu.Unlock()
		restore()
		k.driver.Unlock()
	}
}

// Slot is what Provision puts into a slot.
type Slot struct {
	Value    *keycells.Value // stays the caller's to destroy
	Policy   Policy
	Dest     uint32
	Metadata uint32 // readable in the clear
}

// Provision fills an erased slot, wholly or not at all. ErrNotErased,
// ErrSource for a policy or a destination that the KMU does not take, ErrSlot.
func (k *KMU) Provision(slot int, s Slot) error {
	defer k.writing()()
	return opError(OpProvision, slot, k.provision(slot, true, func(p []byte) error {
		s.Value.CopyTo(p[srcValue:])
		binary.LittleEndian.PutUint32(p[srcPolicy:], uint32(s.Policy))
		binary.LittleEndian.PutUint32(p[srcDest:], s.Dest)
		binary.LittleEndian.PutUint32(p[srcMetadata:], s.Metadata)
		return nil
	}))
}

// Push sends a slot's value to its destination. ErrEmpty, ErrRevoked,
// ErrBlocked, ErrSlot, or the destination's error.
func (k *KMU) Push(slot int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return opError(OpPush, slot, k.push(slot))
}

// Revoke ends a key: a Rotating slot is erased and can be used again, a Revocable
// one stays revoked until EraseAll; of both the value is gone. ErrLocked for a
// Locked one, ErrEmpty, ErrRevoked, ErrSlot.
func (k *KMU) Revoke(slot int) error {
	defer k.writing()()
	return opError(OpRevoke, slot, k.revoke(slot, true))
}

// Metadata returns a provisioned slot's metadata word. ErrEmpty, ErrRevoked,
// ErrSlot.
func (k *KMU) Metadata(slot int) (uint32, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.provisioned(slot)
	return r.metadata, opError(OpReadMetadata, slot, err)
}

// BlockPush keeps a provisioned slot from being pushed until Reset. ErrEmpty,
// ErrRevoked, ErrSlot.
func (k *KMU) BlockPush(slot int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return opError(OpPushBlock, slot, k.pushBlock(slot))
}

// State returns the state of a slot: more than the events of any operation tell.
// ErrDamaged for a record that an erase has been interrupted in, ErrSlot.
func (k *KMU) State(slot int) (State, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.load(slot)
	return r.state, opError(OpReadMetadata, slot, err)
}

// EraseAll erases all slots: the SICR's part of ERASEALL of CTRL-AP and RRAMC.
// What has been pushed stays where it is until reset, and blocks stay, too.
func (k *KMU) EraseAll() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cells.EraseAll()
}

// Reset puts the registers back and ends all blocks; the slots stay.
func (k *KMU) Reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.blocked = [Slots]bool{}
	k.events = [6]bool{}
	k.keySlot, k.src, k.metadata = 0, 0, 0
}
