// Package platform is the emulated SoC as a whole: the blocks of the packages
// below it put together, and the device directory that keeps them while the
// power is off.
//
// A device is a directory, made by Provision and booted by Open:
//
//	device.json    format version, board, device identifier, when it was made, options
//	flash.bin      the secure world's flash, at its offsets in the chip's
//	flash-ns.bin   the non-secure world's, likewise
//	flash.wear     how often each page was erased, each word written
//	uicr.bin       the UICR page: debug protection, OTP, settings of key slots
//	uicr.wear      how often each word of it was written
//	keys.bin       the values of the key slots
//	external.bin   the external flash, and external.wear; not on every board
//	iak.pub.pem    the public attestation key, for verifiers
//	lock           held, with the holder's process ID, while the device is open
//	erasing        while an ERASEALL is under way
//
// Everything in it but iak.pub.pem is the secure world's alone, and the files
// are the hardware: who can read keys.bin has the root keys, as someone with
// the opened chip under a probe might. The directory's mode, the owner checks
// of Open and the host's own disk encryption are what protects it; there is no
// key of this emulation that could.
//
// Package spe holds an SoC and hands its blocks to the partitions. Nothing of
// the non-secure world reaches this package but through Bus and CtrlAP.
package platform

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/clock"
	"github.com/postern-spe/postern/platform/counters"
	"github.com/postern-spe/postern/platform/ctrlap"
	"github.com/postern-spe/postern/platform/power"
	"github.com/postern-spe/postern/platform/trng"
	"github.com/postern-spe/postern/platform/uicr"
)

// SoC is a device with its power on. Its blocks are safe for concurrent use;
// after Close they answer with errors.
type SoC struct {
	Board   *board.Board
	ID      string    // the device identifier, 32 hexadecimal digits
	Created time.Time // when the device was provisioned
	// Blank: the device has been wiped. There are no keys, and no program that
	// could boot; what is left is the debug port.
	Blank bool
	// ITS is how the device's secure image has Internal Trusted Storage.
	ITS ITSOptions

	Power    *power.Supply
	Clock    *clock.Clock
	Bus      *bus.Bus
	CtrlAP   *ctrlap.CtrlAP
	TRNG     *trng.TRNG
	Keys     RootKeys
	Counters *counters.Counters // nil on a blank device

	guard  bus.Guard
	blocks blocks
	uicr   *uicr.UICR
	images *images

	booted, closed bool
	durable        bool
	openedByErase  bool // the debug port, since an ERASEALL was before this boot

	storage   blStorage
	debug     DebugPolicy
	bootSeed  [BootSeedSize]byte
	lock      *os.File
	onReset   func(ResetReason)
	onRefusal func(AccessError)
	resetOnce sync.Once
	eraseOnce sync.Once
	unlockKey atomic.Uint32 // what opens the debug signals; 0: nothing
}

// RootKeys is the crypto engine that has the device's own keys: CryptoCell with
// the KMU, or CRACEN. What comes out of it is derived keys, public keys and
// signatures.
type RootKeys interface {
	// DeriveHUK derives a key from MEXT, the hardware unique key, into all of
	// out. On an error out is zero.
	DeriveHUK(label, context, out []byte) error
	// DeriveMKEK is DeriveHUK from MKEK, the key encryption key.
	DeriveMKEK(label, context, out []byte) error
	// IdentityPublicKey returns the public identity key as an uncompressed
	// point on P-256, 65 bytes.
	IdentityPublicKey() ([]byte, error)
	// SignIdentity signs a SHA-256 hash with the identity key: r and s of 32
	// bytes each, big-endian.
	SignIdentity(hash []byte) ([]byte, error)
	// Close wipes what is held outside the key slots.
	Close()
}

// FlashArea is the secure flash driver of one part of a memory. Offsets are from
// the start of the area. Of a durable device it is a durableArea.
type FlashArea interface {
	Addr() uint32
	Size() int
	PageSize() int
	Read(off int, p []byte) error
	Program(off int, p []byte) error
	Erase(off int) error
}

// Sizes of the values that attestation reports, in bytes.
const (
	BootSeedSize         = 32
	ImplementationIDSize = 32
	SignerIDSize         = 32
)

// OpenOptions is how a device is powered. The zero value is a power-on with
// nobody to listen.
type OpenOptions struct {
	// Reset is why the processor starts.
	Reset ResetReason
	// OnReset is called, on a goroutine of its own, when something on the chip
	// resets it, and perhaps once more with EraseAll, which counts then. The SoC
	// is to be closed, and opened anew with that reason.
	OnReset func(ResetReason)
	// OnAccessError is called for interrupts of the blocks that guard memory and
	// peripherals, after the event has been cleared. It does not block.
	OnAccessError func(AccessError)
	// PowerFailAt lets the power fail at that point, 1 being the first after
	// Open; PowerFailSeed decides what the torn cells hold. OnPowerLoss is
	// called then, once, on a goroutine of its own.
	PowerFailAt, PowerFailSeed uint64
	OnPowerLoss                func()
	// Durable: what the secure world has done survives the host's losing its
	// power, and not only the death of this process. The areas have a method
	// Sync(from, to int) error then, which their users call at their commit
	// points; counters, UICR and key slots see to it themselves. A directory in
	// the host's memory is refused.
	Durable bool
}

// Open boots the device in dir: it takes the device's lock, checks every file,
// and maps the memories. A directory that is not a sound device gives a
// *DeviceError, one that is open already, here or in another process, an
// *InUseError, and in both cases nothing in it has been changed. Guards are as
// after reset; Boot programs them.
func Open(dir string, o OpenOptions) (*SoC, error) {
	d, err := openDirectory(dir)
	if err != nil {
		return nil, err
	}
	defer d.close()
	lock, err := d.lockExisting()
	if err != nil {
		return nil, err
	}
	if o.Durable {
		err = d.settle()
	}
	if err == nil {
		var finished bool
		if finished, err = d.finishErase(o); finished {
			o.Reset = EraseAll
		}
	}
	var s *SoC
	if err == nil {
		s, err = d.load(o)
	}
	if err == nil {
		err = s.start(d, lock, o)
	}
	if err != nil {
		if s != nil {
			s.Close()
		}
		if lock != nil {
			unlock(lock)
		}
		return nil, err
	}
	return s, nil
}

// start does what changes something: it comes after every check.
func (s *SoC) start(d *directory, lock *os.File, o OpenOptions) error {
	if _, err := io.ReadFull(s.TRNG, s.bootSeed[:]); err != nil {
		return err
	}
	if lock == nil {
		var err error
		if lock, err = d.lockNew(); err != nil {
			return err
		}
	}
	unclean := holder(lock) != 0
	err := claim(lock)
	if err == nil && s.durable {
		err = lock.Sync() // who boots it next knows how this boot ended
	}
	if err != nil {
		unlock(lock)
		return fmt.Errorf("platform: write %s: %w", d.path(lockFile), err)
	}
	s.lock = lock
	if unclean || s.durable {
		if err := s.blocks.reconcile(); err != nil {
			return err
		}
	}
	if err := s.images.punch(d, s.Board); err != nil {
		return err
	}
	if o.OnPowerLoss != nil {
		s.Power.OnLoss(o.OnPowerLoss)
	}
	s.Power.CutAt(o.PowerFailAt, o.PowerFailSeed)
	if s.Blank {
		return nil
	}
	if err := s.blocks.keySlots.finish(); err != nil {
		return err
	}
	// Opening the counters may finish what a power cut has interrupted.
	area, err := s.Area(board.NVCounters)
	if err != nil {
		return err
	}
	s.Counters, err = counters.Open(area)
	return err
}

// Close turns the power off: the memories are written to the host's disk, the
// device can be opened again. Accesses that are under way end first; later ones
// get errors, over the bus a fault. Closing again does nothing.
func (s *SoC) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	s.Keys.Close()
	err := errors.Join(s.images.sync(), s.blocks.close(), s.images.close())
	if s.lock != nil {
		err = errors.Join(err, release(s.lock))
		s.lock = nil
	}
	return err
}

// Area returns the secure flash driver of one of the device's areas, by its name
// (board.ITS, board.PS ...), in whichever memory it is.
func (s *SoC) Area(name string) (FlashArea, error) {
	if a, ok := s.Board.Area(name); ok {
		return s.durably(s.blocks.flash.area(a.Base, a.Size), s.blocks.flash.memory(), int(a.Base-s.Board.Flash.Base)), nil
	}
	if a, ok := s.Board.External.Area(name); ok {
		flash := s.blocks.external
		return s.durably(flash.Area(s.blocks.chip.external().XIP+a.Base, a.Size), flash.Flash(), int(a.Base)), nil
	}
	return nil, fmt.Errorf("platform: board %s has no flash area %q", s.Board.Name, name)
}

// KeyMemory returns what kind of memory the values of the key slots are in: see
// package secretmem.
func (s *SoC) KeyMemory() string { return s.images.keys.Kind() }

// BootSeed returns random bytes that stay the same until the next Open
// (tfm_plat_get_boot_seed).
func (s *SoC) BootSeed() [BootSeedSize]byte { return s.bootSeed }

// ImplementationID returns the identifier of the immutable root of trust, from
// the OTP (tfm_plat_get_implementation_id).
func (s *SoC) ImplementationID() [ImplementationIDSize]byte { return s.storage.implementationID }

// SignerID returns the hash of the root-of-trust public key in the OTP: who
// signs the images that this device boots.
func (s *SoC) SignerID() [SignerIDSize]byte { return s.storage.keyHash }

// Lifecycle returns the PSA lifecycle state that the OTP records
// (psa/lifecycle.h): LifecycleSecured for a provisioned device.
func (s *SoC) Lifecycle() uint32 { return s.storage.lifecycle() }
