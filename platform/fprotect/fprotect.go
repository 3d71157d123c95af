// Package fprotect write-protects areas of the flash until the next reset, as the
// library fprotect of the nRF Connect SDK does for a bootloader: fprotect_area and
// fprotect_is_protected.
//
// It is software, run by the secure world at boot, on registers of the hardware:
// Blocks on the SPU's FLASHREGION of nRF53 and nRF91, whose unit is that of a
// region, and Regions on the RRAMC's REGION of nRF54L, whose unit is 1 KiB. Not
// here: ACL and BPROT, which the chips of this project do not have, and
// fprotect_area_no_access, which needs ACL. Nothing in it is attacker-controlled.
package fprotect

import (
	"errors"
	"fmt"
)

var (
	// ErrInvalid (-EINVAL): the area is empty, too long, outside the flash or
	// not of whole units.
	ErrInvalid = errors.New("not an area that can be protected")
	// ErrNotApplied (-EFAULT): the registers did not take it, since they are
	// locked at something else.
	ErrNotApplied = errors.New("the protection was not applied")
	// ErrNoSpace (-ENOSPC): no region register is free.
	ErrNoSpace = errors.New("no region is left")
)

// Error is a protection that failed.
type Error struct {
	Start uint32
	Len   int
	Err   error // ErrInvalid, ErrNotApplied or ErrNoSpace
}

func (e *Error) Error() string {
	return fmt.Sprintf("fprotect: 0x%x bytes at 0x%08x: %v", e.Len, e.Start, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// inside reports whether n bytes from start on are whole units in size bytes at
// base, and at least one.
func inside(start uint32, n int, base, size, unit uint32) bool {
	off := start - base
	return n > 0 && uint64(n) <= uint64(size) && off <= size-uint32(n) && off%unit == 0 && uint32(n)%unit == 0
}
