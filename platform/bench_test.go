package platform

import (
	"testing"

	"github.com/postern-spe/postern/platform/board"
)

// BenchmarkErasePage is the secure driver's erase of a page on a whole chip, its
// own guard included: an RRAM writes 256 lines for it.
func BenchmarkErasePage(b *testing.B) {
	for _, name := range []string{"nrf5340", "nrf54l15"} {
		b.Run(name, func(b *testing.B) {
			dir := provision(b, ProvisionOptions{Board: name}).Dir
			area, err := open(b, dir).Area(board.ITS)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := area.Erase(0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
