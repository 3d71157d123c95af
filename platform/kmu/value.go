package kmu

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/postern-spe/postern/platform/uicr"
)

// Value is the content of one slot: 128 bits of a key. It prints as a fixed
// word, whatever the verb, and does not compare with ==. Copies that the Go
// runtime makes (a moved stack, a freed page) are beyond Destroy; that no other
// process sees them is the work of the process's own walls.
type Value struct {
	_ [0]func()
	b [uicr.SlotSize]byte
}

// NewValue returns a copy of p, which is 16 bytes long; it panics otherwise.
func NewValue(p []byte) *Value {
	if len(p) != uicr.SlotSize {
		panic("kmu: a slot holds 16 bytes")
	}
	v := new(Value)
	copy(v.b[:], p)
	return v
}

// CopyTo copies the value to p, and returns how many bytes: 16 unless p is
// shorter. The copy is the caller's to wipe.
func (v *Value) CopyTo(p []byte) int { return copy(p, v.b[:]) }

// Destroy wipes the value.
func (v *Value) Destroy() { clear(v.b[:]) }

// Format prints a fixed word.
func (v Value) Format(f fmt.State, _ rune) { io.WriteString(f, "[key]") }

// LogValue prints a fixed word.
func (v Value) LogValue() slog.Value { return slog.StringValue("[key]") }
