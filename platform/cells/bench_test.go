package cells

import (
	"testing"

	"github.com/postern-spe/postern/platform/power"
)

func benchFlash(b *testing.B) *Flash {
	var s power.Supply
	w := newWear(b, mapped(b, file(b, "wear.bin", WearSize(testSize, testPage), 0)))
	f := NewFlash(mapped(b, file(b, "flash.bin", testSize, Erased)), Options{Page: testPage, Supply: &s, Wear: w, MaxWrites: 2})
	b.Cleanup(func() { f.Close() })
	b.ReportAllocs()
	return f
}

// BenchmarkProgramWord programs each word of the flash, and puts the counts of
// all back at the end of it, which adds less than 1 ns to a word.
func BenchmarkProgramWord(b *testing.B) {
	f, p, off := benchFlash(b), make([]byte, WordSize), 0
	for b.Loop() {
		if err := f.Program(off, p); err != nil {
			b.Fatal(err)
		}
		if off += WordSize; off == testSize {
			off = 0
			clear(f.wear.img.mem)
			for i := 0; i < testSize; i += testPage {
				fill(f.img.mem[i:i+testPage], Erased)
			}
		}
	}
}

func BenchmarkErasePage(b *testing.B) {
	f, off := benchFlash(b), 0
	b.SetBytes(testPage)
	for b.Loop() {
		if err := f.Erase(off); err != nil {
			b.Fatal(err)
		}
		off = (off + testPage) % testSize
	}
}

func BenchmarkReadWord(b *testing.B) {
	f := benchFlash(b)
	for b.Loop() {
		if _, err := f.Word(64); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteLine(b *testing.B) {
	r, p := newRRAM(b, new(power.Supply)), make([]byte, LineSize)
	b.ReportAllocs()
	for b.Loop() {
		p[0]++
		if err := r.Write(64, p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkErasePageRRAM(b *testing.B) {
	r := newRRAM(b, new(power.Supply))
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Erase(0); err != nil {
			b.Fatal(err)
		}
	}
}
