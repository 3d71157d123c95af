// Package regtest checks a block's registers against a table: what each reads
// after reset, which of its bits a write changes, and that a lock stops that.
package regtest

import (
	"testing"

	"github.com/postern-spe/postern/platform/bus"
)

// Row is one register.
type Row struct {
	Name string
	Off  uint32
	// Reset is what the secure view reads after reset.
	Reset uint32
	// Ones and Zeros are the bits that a write of all ones sets, and that a
	// write of all zeros clears after it. A plain read-write field is in both,
	// one that is set by writing 1 and lasts until reset in Ones only, a
	// read-only register in neither. For a register where some values are not
	// accepted, or a write starts something, see Skip.
	Ones, Zeros uint32
	// Avoid are bits that the write of ones leaves 0, as LOCK, which would keep
	// the write of zeros from showing anything.
	Avoid uint32
	// NonSecure: the non-secure view reads and writes it as well. Where it does
	// not, it reads 0 and ignores writes there.
	NonSecure bool
	// Lock, when not zero, is written to LockOff (Off when zero), and after it
	// the register keeps its value whatever is written.
	Lock, LockOff uint32
	// Skip says why writes are not tried here: the block's own test does.
	Skip string
}

// RW is Ones and Zeros of a plain read-write field.
func RW(r Row, mask uint32) Row { r.Ones, r.Zeros = mask, mask; return r }

// Run checks rows, each on a block of its own as it is after reset.
func Run(t *testing.T, fresh func() bus.Peripheral, rows []Row) {
	for _, r := range rows {
		t.Run(r.Name, func(t *testing.T) {
			read := func(p bus.Peripheral, view bus.Attribute) uint32 {
				v, f := p.ReadRegister(r.Off, view)
				if f != bus.NoFault {
					t.Fatalf("%v read: %v", view, f)
				}
				return v
			}
			p := fresh()
			if got := read(p, bus.Secure); got != r.Reset {
				t.Errorf("reads 0x%08x after reset, want 0x%08x", got, r.Reset)
			}
			want := uint32(0)
			if r.NonSecure {
				want = r.Reset
			}
			if got := read(p, bus.NonSecure); got != want {
				t.Errorf("non-secure view reads 0x%08x after reset, want 0x%08x", got, want)
			}
			if r.Skip != "" {
				t.Logf("writes: %s", r.Skip)
				return
			}
			write(t, p, r.Off, ^r.Avoid, bus.Secure)
			set := r.Reset | r.Ones
			if got := read(p, bus.Secure); got != set {
				t.Errorf("reads 0x%08x after ones, want 0x%08x", got, set)
			}
			write(t, p, r.Off, 0, bus.Secure)
			if got := read(p, bus.Secure); got != set&^r.Zeros {
				t.Errorf("reads 0x%08x after zeros, want 0x%08x", got, set&^r.Zeros)
			}
			p = fresh()
			write(t, p, r.Off, ^r.Avoid, bus.NonSecure)
			if got := read(p, bus.Secure); !r.NonSecure && got != r.Reset {
				t.Errorf("a non-secure write made it 0x%08x", got)
			} else if r.NonSecure && got != set {
				t.Errorf("a non-secure write of ones made it 0x%08x, want 0x%08x", got, set)
			}
			if r.Lock == 0 {
				return
			}
			p = fresh()
			at := r.LockOff
			if at == 0 {
				at = r.Off
			}
			write(t, p, at, r.Lock, bus.Secure)
			locked := read(p, bus.Secure)
			for _, v := range []uint32{0, 0xFFFFFFFF, ^locked} {
				write(t, p, r.Off, v, bus.Secure)
				if got := read(p, bus.Secure); got != locked {
					t.Fatalf("locked at 0x%08x, a write of 0x%08x made it 0x%08x", locked, v, got)
				}
			}
		})
	}
}

func write(t *testing.T, p bus.Peripheral, off, v uint32, view bus.Attribute) {
	t.Helper()
	if f := p.WriteRegister(off, v, view); f != bus.NoFault {
		t.Fatalf("%v write: %v", view, f)
	}
}
