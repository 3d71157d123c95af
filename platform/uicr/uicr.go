// Package uicr emulates the User Information Configuration Registers of the
// nRF5340 application core (nRF5340 Product Specification, chapters UICR and
// NVMC; offsets from the device's SVD): one page of flash at 0x00FF8000 that
// only the secure world sees and that no page erase reaches. It holds the debug
// port's protection, 768 bytes of one-time programmable memory, and the key
// slots of the KMU.
//
// Emulated: programming from 1 to 0 by words, the write-once rule of OTP and of
// the key slots' permissions, APPROTECT, SECUREAPPROTECT and ERASEPROTECT. Not
// emulated: ERASEALL, and what the remaining words switch.
//
// Key slots have two faces. The processor's (UICR) has no way to a key's value.
// The KMU's (KeySlots) has, and is given out once, to package kmu. The walls
// between this process and others keep the values; this keeps honest code from
// touching them by mistake.
package uicr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/postern-spe/postern/platform/nvmc"
)

// Size is the size of the UICR page in bytes.
const Size = 4096

// Offsets from the UICR's base, as the SVD of the nRF5340 names them.
const (
	RegAPProtect       = 0x000
	RegSecureAPProtect = 0x01C
	RegEraseProtect    = 0x020
	RegOTP             = 0x100
	RegKeySlotConfig   = 0x400 // DEST at +8n, PERM at +8n+4
	RegKeySlotKey      = 0x800 // VALUE[0..3] at +16n
)

// OTPSize is the size of the one-time programmable memory in bytes.
const OTPSize = 192 * 4

// Values of APPROTECT and SECUREAPPROTECT. On the nRF5340 one value opens the
// debug port, and every other, the erased one included, protects it.
const (
	Unprotected uint32 = 0x50FA50FA
	Protected   uint32 = 0x00000000
)

const erasedHalf = 0xFFFF

// ErrWriteOnce is a write to a halfword that has been written before: ignored.
var ErrWriteOnce = errors.New("uicr: the halfword has been written before")

// ErrKeySlot is a processor's access to the key slots that did not go through
// the KMU.
var ErrKeySlot = errors.New("uicr: key slots are reached through the KMU only")

// UICR is the page as the secure processor sees it. All methods are safe for
// concurrent use.
type UICR struct {
	array *nvmc.Array

	mu      sync.Mutex // makes a write-once check and its write one step
	claimed bool
}

// New returns the UICR whose cells are a: Size bytes.
func New(a *nvmc.Array) (*UICR, error) {
	if a.Size() != Size {
		return nil, fmt.Errorf("uicr: a page of %d bytes, not %d", a.Size(), Size)
	}
	return &UICR{array: a}, nil
}

// Word returns the word at off, a multiple of 4 below RegKeySlotConfig.
func (u *UICR) Word(off int) (uint32, error) {
	if off >= RegKeySlotConfig {
		return 0, ErrKeySlot
	}
	return u.array.Word(off)
}

// ProgramWord programs the word at off, a multiple of 4 below RegKeySlotConfig.
// In OTP each half of v that is not 0xFFFF needs its halfword to be 0xFFFF:
// ErrWriteOnce, and nothing is written, where that is not so. The other words
// only lose bits, as flash does.
func (u *UICR) ProgramWord(off int, v uint32) error {
	if off >= RegKeySlotConfig {
		return ErrKeySlot
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if off >= RegOTP {
		return u.writeOnce(off, v)
	}
	return u.program(off, v)
}

func (u *UICR) program(off int, v uint32) error {
	var p [4]byte
	binary.LittleEndian.PutUint32(p[:], v)
	return u.array.Program(off, p[:])
}

// writeOnce programs a word whose halfwords are write-once.
func (u *UICR) writeOnce(off int, v uint32) error {
	old, err := u.array.Word(off)
	if err != nil {
		return err
	}
	for _, shift := range []uint{0, 16} {
		if uint16(v>>shift) != erasedHalf && uint16(old>>shift) != erasedHalf {
			return ErrWriteOnce
		}
	}
	// 0xFFFF halves leave what is there: the AND keeps it.
	return u.program(off, v&old)
}

// ReadOTP fills p from offset off of the OTP on.
func (u *UICR) ReadOTP(off int, p []byte) error {
	if off < 0 || len(p) > OTPSize || off > OTPSize-len(p) {
		return fmt.Errorf("uicr: %d bytes at 0x%x are not in the OTP", len(p), off)
	}
	return u.array.Read(RegOTP+off, p)
}

// WriteOTP writes p from offset off of the OTP on; both are even. Every
// halfword of it must be unwritten: ErrWriteOnce otherwise, and then nothing
// has been written. A halfword of 0xFFFF cannot be told from an unwritten one.
func (u *UICR) WriteOTP(off int, p []byte) error {
	if off < 0 || off%2 != 0 || len(p)%2 != 0 || len(p) > OTPSize || off > OTPSize-len(p) {
		return fmt.Errorf("uicr: %d bytes at 0x%x are not whole halfwords of the OTP", len(p), off)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	old := make([]byte, len(p))
	if err := u.array.Read(RegOTP+off, old); err != nil {
		return err
	}
	for i := 0; i < len(old); i += 2 {
		if binary.LittleEndian.Uint16(old[i:]) != erasedHalf {
			return ErrWriteOnce
		}
	}
	for i := 0; i < len(p); i += 2 {
		shift := uint((off+i)%4) * 8
		v := uint32(binary.LittleEndian.Uint16(p[i:]))<<shift | uint32(erasedHalf)<<(16-shift)
		if err := u.writeOnce((RegOTP+off+i)&^3, v); err != nil {
			return err
		}
	}
	return nil
}

// APProtected reports whether APPROTECT keeps the debug port out.
func (u *UICR) APProtected() (bool, error) {
	v, err := u.array.Word(RegAPProtect)
	return v != Unprotected, err
}

// SecureAPProtected reports whether SECUREAPPROTECT keeps the debug port out of
// the secure world.
func (u *UICR) SecureAPProtected() (bool, error) {
	v, err := u.array.Word(RegSecureAPProtect)
	return v != Unprotected, err
}

// EraseProtected reports whether ERASEPROTECT forbids an ERASEALL: any value
// but the erased one.
func (u *UICR) EraseProtected() (bool, error) {
	v, err := u.array.Word(RegEraseProtect)
	return v != 0xFFFFFFFF, err
}
