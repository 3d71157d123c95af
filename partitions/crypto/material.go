package crypto

import (
	"fmt"
	"log/slog"
)

// material is the bytes of a key. It does not print and is not comparable; what
// takes the bytes out says so by calling bytes.
type material struct {
	_ [0]func()
	b []byte
}

// newMaterial returns a copy of b, for which the caller remains responsible.
func newMaterial(b []byte) material { return material{b: append([]byte(nil), b...)} }

// bytes returns the bytes themselves, not a copy: they live as long as the key.
func (m *material) bytes() []byte { return m.b }

func (m *material) size() int { return len(m.b) }

// wipe ends the material.
func (m *material) wipe() {
	clear(m.b)
	m.b = nil
}

const redacted = "[key material]"

// Format prints the same word for every verb.
func (m material) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue keeps the bytes out of structured logs.
func (m material) LogValue() slog.Value { return slog.StringValue(redacted) }
