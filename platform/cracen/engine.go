package cracen

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/kmu54l"
	"github.com/postern-spe/postern/platform/secretmem"
)

// Where the KMU's pushes go: the addresses that are a slot's DEST.
const (
	// SeedRegisters are SEED[0] to SEED[11], 48 bytes.
	SeedRegisters = Base + RegSeed
	// ProtectedSeed is the same memory at its place in the protected RAM.
	ProtectedSeed uint32 = 0x51810000
	// ProtectedAESKey0 and ProtectedAESKey1 are keys of 32 bytes that the
	// engine's AES can use and nothing can read.
	ProtectedAESKey0 uint32 = 0x51810040
	ProtectedAESKey1 uint32 = 0x51810060
	// ProtectedSM4Keys begins where the SM4 keys are. Nothing here uses them.
	ProtectedSM4Keys uint32 = 0x51810080

	// protectedSize is how far the protected RAM goes: not documented.
	protectedSize = 0x100
)

// PushAreaSize is the size in bytes of the RAM that RAW and ENCRYPTED keys are
// pushed to.
const PushAreaSize = 96

// SeedSize is the size of the IKG's seed in bytes.
const SeedSize = 48

// The engine's memory, by offset.
const (
	memProtected = 0x000 // as the protected RAM, from ProtectedSeed on
	memArea      = 0x110 // the push area; the byte before it is a point's prefix
	memRoots     = 0x180 // identity key, MKEK, MEXT
	memDRBG      = 0x1E0
	memSize      = memDRBG + drbgSize
)

var errClosed = errors.New("cracen: closed")

// Engine is the hardware: the registers, the protected RAM, the key generator
// IKG, and the push area, a piece of the secure world's RAM that is set aside
// for the KMU and here, beside what the chip does, out of reach of the bus too.
// All of it is in secret memory. All methods are safe for concurrent use.
type Engine struct {
	pushArea uint32

	mu     sync.Mutex
	region *secretmem.Region
	mem    []byte // nil after Close
	seed   uint8  // which thirds of the seed have been pushed
	// arrived has a bit for each 16 bytes of the push area (0 to 5) and of
	// AES_KEY0 (8 and 9) that have been pushed since expect.
	arrived    uint16
	enable     uint32
	seedValid  bool
	seedLock   bool
	ramLock    bool
	generated  bool   // the IKG's keys are there
	generation uint64 // how often they have been generated
}

var _ kmu54l.Destination = (*Engine)(nil)

// NewEngine returns an engine as it is after reset. pushArea is the address of
// the push area, a multiple of 16, the same for the life of a device: it is in
// the DEST of slots.
func NewEngine(pushArea uint32) (*Engine, error) {
	if pushArea%kmu54l.DestAlign != 0 {
		return nil, fmt.Errorf("cracen: a push area at 0x%08x", pushArea)
	}
	r, err := secretmem.Alloc(memSize)
	if err != nil {
		return nil, err
	}
	return &Engine{pushArea: pushArea, region: r, mem: r.Bytes()}, nil
}

// Format prints a fixed word and never the memory.
func (e *Engine) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[CRACEN engine]") }

// Kind returns what kind of memory the keys are in: see secretmem.Region.Kind.
func (e *Engine) Kind() string { return e.region.Kind() }

// Reset puts the registers back, and clears the seed, the protected RAM, the push
// area and the IKG's keys.
func (e *Engine) Reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.mem)
	e.seed, e.arrived, e.enable = 0, 0, 0
	e.seedValid, e.seedLock, e.ramLock, e.generated = false, false, false, false
}

// Close wipes the memory and gives it back.
func (e *Engine) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mem = nil
	e.region.Destroy()
}

// Push is a push of the KMU. SEEDLOCK refuses it for the seed, PROTECTEDRAMLOCK
// for the rest of the protected RAM; anywhere else there is nothing.
func (e *Engine) Push(addr uint32, v *keycells.Value) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mem == nil {
		return errClosed
	}
	var off uint32
	switch {
	case addr%kmu54l.DestAlign != 0:
		return fmt.Errorf("cracen: a push to 0x%08x", addr)
	case addr-SeedRegisters < SeedSize:
		off = memProtected + addr - SeedRegisters
	case addr-ProtectedSeed < protectedSize:
		off = memProtected + addr - ProtectedSeed
	case addr-e.pushArea < PushAreaSize:
		i := (addr - e.pushArea) / keycells.ValueSize
		e.arrived |= 1 << i
		v.CopyTo(e.mem[memArea+i*keycells.ValueSize:][:keycells.ValueSize])
		return nil
	default:
		return fmt.Errorf("cracen: nothing at 0x%08x takes a push", addr)
	}
	key0 := ProtectedAESKey0 - ProtectedSeed
	switch {
	case off < key0 && e.seedLock, off >= key0 && e.ramLock:
		return fmt.Errorf("cracen: 0x%08x is locked until reset", addr)
	case off < SeedSize:
		e.seed |= 1 << (off / keycells.ValueSize)
	case off-key0 < 32:
		e.arrived |= 1 << (8 + (off-key0)/keycells.ValueSize)
	}
	v.CopyTo(e.mem[off:][:keycells.ValueSize])
	return nil
}

// expect clears the push area, and forgets what has arrived there and in
// AES_KEY0.
func (e *Engine) expect() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mem != nil {
		clear(e.mem[memArea-1 : memArea+PushAreaSize])
	}
	e.arrived = 0
}

// lend calls f with n bytes at off of the memory, after slots pushes have arrived
// in the order of bits from bit on. Otherwise a slot's DEST is not what the driver
// gave it, and what lies there is not the key.
func (e *Engine) lend(off, n, bit, slots int, f func(p []byte) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	want := uint16(1<<slots-1) << bit
	switch {
	case e.mem == nil:
		return errClosed
	case e.arrived&want != want:
		return fmt.Errorf("%w: the key is pushed elsewhere", ErrCorruptionDetected)
	}
	return f(e.mem[off : off+n : off+n])
}
