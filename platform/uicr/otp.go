package uicr

import (
	"encoding/binary"
	"fmt"
)

// ReadOTP fills p from offset off of the OTP on, in bytes.
func (u *UICR) ReadOTP(off int, p []byte) error {
	if size := u.layout.OTPSize(); off < 0 || len(p) > size || off > size-len(p) {
		return fmt.Errorf("uicr: %d bytes at 0x%x are not in the OTP", len(p), off)
	}
	return u.cells.Read(u.layout.OTP+off, p)
}

// WriteOTP writes p from offset off of the OTP on; both are multiples of the
// write-once unit: 2 bytes, on nRF54L 4. None of it may have been written:
// ErrWriteOnce otherwise, and then nothing has been. Each unit is a power point,
// but one that is all ones, which cannot be told from an unwritten one.
func (u *UICR) WriteOTP(off int, p []byte) error {
	unit, size := u.layout.Unit, u.layout.OTPSize()
	if off < 0 || off%unit != 0 || len(p)%unit != 0 || len(p) > size || off > size-len(p) {
		return fmt.Errorf("uicr: %d bytes at 0x%x are not whole units of the OTP", len(p), off)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	old := make([]byte, len(p))
	if err := u.cells.Read(u.layout.OTP+off, old); err != nil {
		return err
	}
	for _, b := range old {
		if b != 0xFF {
			return ErrWriteOnce
		}
	}
	for i := 0; i < len(p); i += unit {
		word := [4]byte{0xFF, 0xFF, 0xFF, 0xFF}
		at := u.layout.OTP + off + i
		copy(word[at%4:], p[i:i+unit])
		if err := u.and(at&^3, binary.LittleEndian.Uint32(word[:])); err != nil {
			return err
		}
	}
	return nil
}
