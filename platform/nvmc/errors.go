package nvmc

import (
	"errors"
	"fmt"
)

// ErrPowerLost is every operation's answer after the power has failed.
var ErrPowerLost = errors.New("nvmc: the power is off")

// ErrClosed is every operation's answer after Close.
var ErrClosed = errors.New("nvmc: the flash is closed")

// RangeError is an operation past the end of an array or area.
type RangeError struct {
	Op             string
	Off, Len, Size int
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("nvmc: %s of %d bytes at 0x%x passes the end at 0x%x", e.Op, e.Len, e.Off, e.Size)
}

// AlignError is an operation off the border of its unit: a word or a page.
type AlignError struct {
	Op             string
	Off, Len, Unit int
}

func (e *AlignError) Error() string {
	return fmt.Sprintf("nvmc: %s of %d bytes at 0x%x is not aligned to %d", e.Op, e.Len, e.Off, e.Unit)
}

// ProgramError says that a word held a 0 where a 1 was to be programmed: it now
// holds the AND of both, which is what the chip leaves without a word. Drivers
// should never see it.
type ProgramError struct {
	Off int
}

func (e *ProgramError) Error() string {
	return fmt.Sprintf("nvmc: the word at 0x%x was not erased: programming cannot turn 0 into 1", e.Off)
}

// ModeError is a store while CONFIG.WEN, or CONFIGNS.WEN for a non-secure
// region, does not enable it: nothing was done.
type ModeError struct {
	Addr uint32
}

func (e *ModeError) Error() string {
	return fmt.Sprintf("nvmc: store at 0x%08x without write enable", e.Addr)
}
