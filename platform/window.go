package platform

import (
	"os"

	"github.com/postern-spe/postern/platform/bus"
)

// Window is a run of flash that the non-secure world may read without asking: on
// the chip it executes in place from there.
type Window struct {
	Addr, Size uint32
	// File has the cells at Off. It is open for reading only, and stays the
	// SoC's. What lies elsewhere in it holds nothing of the secure world.
	File *os.File
	Off  int64
}

// Windows returns the windows of the flash as it is attributed now, in ascending
// order: what is non-secure, and readable to the last byte.
func (s *SoC) Windows() []Window {
	var ws []Window
	for _, e := range flashExtents(s.Board, bus.NonSecure) {
		addr := s.Board.Flash.Base + uint32(e.off)
		for at, end := addr, addr+uint32(e.size); at < end; at += s.Board.Flash.Region {
			if s.guard.CheckRange(at, s.Board.Flash.Region, bus.Read, bus.NonSecureCPU) != nil {
				continue
			}
			if n := len(ws); n > 0 && ws[n-1].Addr+ws[n-1].Size == at {
				ws[n-1].Size += s.Board.Flash.Region
				continue
			}
			ws = append(ws, Window{at, s.Board.Flash.Region, s.images.nonSecure, int64(at - s.Board.Flash.Base)})
		}
	}
	return ws
}
