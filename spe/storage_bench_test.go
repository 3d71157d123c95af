package spe_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spetest"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/ps"
)

// BenchmarkStorage is the storage operations without the socket: what psa bench
// --storage measures less a bare call.
func BenchmarkStorage(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		gate := spetest.StartOn(b, "virt", spe.Options{}).Gate(b)
		i, p := its.New(gate), ps.New(gate)
		small, large := make([]byte, 32), make([]byte, 1024)
		for k := range n {
			if err := i.Set(its.UID(k+1), small, 0); err != nil {
				b.Fatal(err)
			}
			data := large
			if k >= 1000 {
				data = large[:1]
			}
			if err := p.Set(ps.UID(k+1), data, 0); err != nil {
				b.Fatal(err)
			}
		}
		for name, f := range map[string]func() error{
			"its_get": func() error { _, err := i.Get(its.UID(rand.IntN(n)+1), 0, small); return err },
			"its_set": func() error { return i.Set(its.UID(rand.IntN(n)+1), small, 0) },
			"ps_get":  func() error { _, err := p.Get(ps.UID(rand.IntN(min(n, 1000))+1), 0, large); return err },
			"ps_set":  func() error { return p.Set(ps.UID(rand.IntN(min(n, 1000))+1), large, 0) },
		} {
			b.Run(fmt.Sprintf("%s/%d assets", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
