// Package platform is the emulated SoC as a whole: the blocks of the packages
// below it put together, and the device directory that keeps them while the
// power is off.
//
// A device is a directory, made by Provision and booted by Open:
//
//	device.json   format version, board, device identifier, when it was made
//	flash.bin     the flash, as it is in the chip's address space
//	uicr.bin      the UICR page: debug protection, OTP, key slots
//	iak.pub.pem   the public attestation key, for verifiers
//	lock          held, with the holder's process ID, while the device is open
//
// Everything in it but iak.pub.pem is the secure world's alone, and the files
// are the hardware: who can read uicr.bin has the root keys, as someone with
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
	"os"
	"time"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cryptocell"
	"github.com/postern-spe/postern/platform/ctrlap"
	"github.com/postern-spe/postern/platform/kmu"
	"github.com/postern-spe/postern/platform/nvmc"
	"github.com/postern-spe/postern/platform/spu"
	"github.com/postern-spe/postern/platform/trng"
	"github.com/postern-spe/postern/platform/uicr"
)

// SoC is a device with its power on. Its blocks are safe for concurrent use;
// after Close they answer with errors.
type SoC struct {
	Board   *board.Board
	ID      string    // the device identifier, 32 hexadecimal digits
	Created time.Time // when the device was provisioned

	SPU        *spu.SPU
	Flash      *nvmc.Controller
	UICR       *uicr.UICR
	KMU        *kmu.KMU
	CryptoCell *cryptocell.CryptoCell
	TRNG       *trng.TRNG
	Bus        *bus.Bus
	CtrlAP     *ctrlap.CtrlAP

	uicrCells *nvmc.Array
	storage   blStorage
	bootSeed  [BootSeedSize]byte
	lock      *os.File
}

// Sizes of the values that attestation reports, in bytes.
const (
	BootSeedSize         = 32
	ImplementationIDSize = 32
	SignerIDSize         = 32
)

// assemble puts the blocks of a board together over flash and UICR cells.
func assemble(b *board.Board, flash, uicrCells *nvmc.Array) (*SoC, error) {
	u, err := uicr.New(uicrCells)
	if err != nil {
		return nil, err
	}
	engine := cryptocell.NewEngine()
	k, err := kmu.New(u, engine)
	if err != nil {
		return nil, err
	}
	s := spu.New(b.Memory)
	n := nvmc.New(flash, b.Memory.FlashBase, s)
	return &SoC{
		Board:      b,
		SPU:        s,
		Flash:      n,
		UICR:       u,
		KMU:        k,
		CryptoCell: cryptocell.New(engine, k, u),
		TRNG:       new(trng.TRNG),
		Bus:        bus.New(b, s, n, u, k),
		CtrlAP:     ctrlap.New(u),
		uicrCells:  uicrCells,
	}, nil
}

// Open boots the device in dir: it takes the device's lock, checks every file,
// and maps flash and UICR. A directory that is not a sound device gives a
// *DeviceError, one that is open already, here or in another process, an
// *InUseError, and in both cases nothing in it has been changed. The SPU is as
// after reset; Boot programs it.
func Open(dir string) (*SoC, error) {
	d, err := openDirectory(dir)
	if err != nil {
		return nil, err
	}
	defer d.close()
	lock, err := d.lockExisting()
	if err != nil {
		return nil, err
	}
	s, err := d.load()
	if err == nil {
		err = s.start(d, lock)
	}
	if err != nil {
		if s != nil {
			s.Close()
		}
		if lock != nil {
			lock.Close()
		}
		return nil, err
	}
	return s, nil
}

// start does what changes something: it comes after every check.
func (s *SoC) start(d *directory, lock *os.File) error {
	if _, err := s.TRNG.Read(s.bootSeed[:]); err != nil {
		return err
	}
	if lock == nil {
		var err error
		if lock, err = d.lockNew(); err != nil {
			return err
		}
	}
	if err := claim(lock); err != nil {
		lock.Close()
		return fmt.Errorf("platform: write %s: %w", d.path(lockFile), err)
	}
	s.lock = lock
	return nil
}

// Close turns the power off: flash and UICR are written to the host's disk, the
// device can be opened again. Accesses that are under way end first; later ones
// get nvmc.ErrClosed, over the bus a fault. Closing again does nothing.
func (s *SoC) Close() error {
	s.CryptoCell.Close()
	flash := s.Flash.Array()
	err := errors.Join(flash.Sync(), flash.Close(), s.uicrCells.Sync(), s.uicrCells.Close())
	if s.lock != nil {
		err = errors.Join(err, release(s.lock))
		s.lock = nil
	}
	return err
}

// Area returns the secure flash driver of one of the board's areas, by its name
// (board.ITS, board.PS ...).
func (s *SoC) Area(name string) (*nvmc.Area, error) {
	a, ok := s.Board.Area(name)
	if !ok {
		return nil, fmt.Errorf("platform: board %s has no flash area %q", s.Board.Name, name)
	}
	return s.Flash.Area(a.Base, a.Size), nil
}

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
