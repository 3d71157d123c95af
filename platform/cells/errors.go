package cells

import (
	"errors"
	"fmt"
)

// ErrClosed is every operation's answer after Close.
var ErrClosed = errors.New("cells: the memory is closed")

// RangeError is an operation past the end of a memory or of an area of one.
type RangeError struct {
	Op             string
	Off, Len, Size int
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("cells: %s of %d bytes at 0x%x passes the end at 0x%x", e.Op, e.Len, e.Off, e.Size)
}

// AlignError is an operation off the border of its unit: a word, line or page.
type AlignError struct {
	Op             string
	Off, Len, Unit int
}

func (e *AlignError) Error() string {
	return fmt.Sprintf("cells: %s of %d bytes at 0x%x is not aligned to %d", e.Op, e.Len, e.Off, e.Unit)
}

// ProgramError says that a word held a 0 where a 1 was to be programmed: it now
// holds the AND of both, which is what the chip leaves without a word. Drivers
// should never see it.
type ProgramError struct {
	Off int
}

func (e *ProgramError) Error() string {
	return fmt.Sprintf("cells: the word at 0x%x was not erased: programming cannot turn 0 into 1", e.Off)
}

// WearError refuses to write a word that has had all the writes it may have
// between two erases. Nothing of the operation has been done.
type WearError struct {
	Off, Writes int
}

func (e *WearError) Error() string {
	return fmt.Sprintf("cells: the word at 0x%x has been written %d times since its page was erased", e.Off, e.Writes)
}
