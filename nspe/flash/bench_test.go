package flash

import (
	"encoding/binary"
	"testing"
)

var sink uint32

func BenchmarkLoadDoor(b *testing.B) {
	f := openChip(b)
	b.ReportAllocs()
	for b.Loop() {
		v, err := f.Load(0x1000, Word)
		if err != nil {
			b.Fatal(err)
		}
		sink += v
	}
}

func BenchmarkLoadWindow(b *testing.B) {
	w := mapped(b, openChip(b))
	p := slice(b, w, 0, hole)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		sink += binary.LittleEndian.Uint32(p[i%hole:])
		i += WordSize
	}
}

func BenchmarkReadWindow(b *testing.B) {
	w := mapped(b, openChip(b))
	var p [WordSize]byte
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.ReadAt(p[:], 0x1000); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCopyWindow beside BenchmarkCopyMemory: 16 KiB at memory speed.
func BenchmarkCopyWindow(b *testing.B) {
	benchmarkCopy(b, slice(b, mapped(b, openChip(b)), 0, hole))
}

func BenchmarkCopyMemory(b *testing.B) { benchmarkCopy(b, make([]byte, hole)) }

func benchmarkCopy(b *testing.B, from []byte) {
	to := make([]byte, len(from))
	b.SetBytes(int64(len(from)))
	for b.Loop() {
		copy(to, from)
	}
}

func BenchmarkReadDoor(b *testing.B) {
	f := openChip(b)
	p := make([]byte, hole)
	b.SetBytes(hole)
	for b.Loop() {
		if _, err := f.ReadAt(p, 0); err != nil {
			b.Fatal(err)
		}
	}
}
