package ps

import (
	"fmt"
	"testing"

	contract "github.com/postern-spe/postern/veneer/ps"
)

// full returns a device with 64 MiB of medium that holds some assets of 1 KiB, and
// small ones beyond a thousand.
func full(b *testing.B, assets int) *world {
	w := newWorldOf(b, 16384)
	data := make([]byte, 1024)
	for i := range assets {
		size := 32
		if i < 1000 {
			size = len(data)
		}
		if err := w.client(-1).Set(contract.UID(i+1), data[:size], 0); err != nil {
			b.Fatal(err)
		}
	}
	return w
}

// assets are the numbers of assets that a benchmark is run with.
var assets = []int{10, 1000, 100000}

// Of each number, ten assets take turns.
func uidOf(i, assets int) contract.UID { return contract.UID(i%10*(min(assets, 1000)/10) + 1) }

func BenchmarkSet(b *testing.B) {
	for _, n := range assets {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w, data, i := full(b, n), make([]byte, 1024), 0
			c := w.client(-1)
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Set(uidOf(i, n), data, 0); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	for _, n := range assets {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w, buf, i := full(b, n), make([]byte, 1024), 0
			c := w.client(-1)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Get(uidOf(i, n), 0, buf); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// BenchmarkLoad is what a start reads: the root, and the head and the tail of
// every object.
func BenchmarkLoad(b *testing.B) {
	for _, n := range assets {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := full(b, n)
			b.ReportAllocs()
			for b.Loop() {
				if err := w.part.store.ledger.load(); err != nil || len(w.noticed) > 0 {
					b.Fatal(err, w.noticed)
				}
			}
		})
	}
}
