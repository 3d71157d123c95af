package keycells

import (
	"fmt"
	"io"
	"log/slog"
)

// ValueSize is the size of a Value in bytes.
const ValueSize = 16

// Value is what one key slot holds: 128 bits of a key. It prints as a fixed
// word, whatever the verb, and does not compare with ==. A Value that Lend hands
// out is in secret memory; one of NewValue is on the heap, which the collector
// neither moves nor copies, until Destroy wipes it.
type Value struct {
	_ [0]func()
	b [ValueSize]byte
}

// NewValue returns a copy of p, which is ValueSize bytes long; it panics
// otherwise. The caller destroys it.
//
// It is not inlined, so that the Value is on the heap: a stack that grows leaves
// a copy of itself behind.
//
//go:noinline
func NewValue(p []byte) *Value {
	if len(p) != ValueSize {
		panic("keycells: a value has 16 bytes")
	}
	v := new(Value)
	copy(v.b[:], p)
	return v
}

// Clone returns a copy of the value on the heap, which the caller destroys.
func (v *Value) Clone() *Value { return NewValue(v.b[:]) }

// CopyTo copies the value to p, and returns how many bytes: ValueSize unless p
// is shorter. The copy is the caller's to wipe.
func (v *Value) CopyTo(p []byte) int { return copy(p, v.b[:]) }

// Destroy wipes the value.
func (v *Value) Destroy() { clear(v.b[:]) }

// Format prints a fixed word.
func (v Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[key]") }

// LogValue prints a fixed word.
func (v Value) LogValue() slog.Value { return slog.StringValue("[key]") }
