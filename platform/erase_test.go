package platform

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/power"
)

// An ERASEALL that loses its power, wherever, is completed by the next boot, also
// when that loses its power as well: never is there an open port with a key, and
// in the end there is nothing.
func TestEraseAllSurvivesPowerCuts(t *testing.T) {
	for _, name := range []string{"nrf5340", "nrf9160", "nrf54l15"} {
		t.Run(name, func(t *testing.T) {
			sound := provision(t, ProvisionOptions{Board: name}).Dir
			keys, err := os.ReadFile(filepath.Join(sound, keysFile))
			if err != nil {
				t.Fatal(err)
			}
			whole := pointsOfErase(t, sound)
			cuts := []uint64{1, 2, 3, whole / 2, whole - 2, whole - 1, whole}
			for _, n := range cuts {
				dir := clone(t, sound)
				s := open(t, dir)
				s.Power.CutAt(n, n)
				if err := s.EraseAll(); !errors.Is(err, power.ErrLost) {
					t.Fatalf("cut at %d of %d: %v", n, whole, err)
				}
				if err := s.Close(); err != nil && !errors.Is(err, power.ErrLost) {
					t.Fatal(err)
				}
				// Once more, in the middle of the completion.
				if _, err := Open(dir, OpenOptions{PowerFailAt: whole/3 + n%7, PowerFailSeed: n}); !errors.Is(err, power.ErrLost) {
					t.Fatalf("cut at %d, and again: %v", n, err)
				}
				s = open(t, dir)
				if !s.Blank {
					t.Fatalf("cut at %d: not blank", n)
				}
				if _, open := s.CtrlAP.MemoryAccess(); !open {
					t.Errorf("cut at %d: the port is closed", n)
				}
				if err := erasedThroughout(dir, s.Board); err != nil {
					t.Errorf("cut at %d: %v", n, err)
				}
				if _, err := os.Stat(filepath.Join(dir, eraseFile)); err == nil {
					t.Errorf("cut at %d: still erasing", n)
				}
				s.Close()
			}
			if len(keys) == 0 {
				t.Error("no keys to erase")
			}
		})
	}
}

// pointsOfErase returns how many points an ERASEALL of a copy of the device has.
func pointsOfErase(t *testing.T, sound string) uint64 {
	t.Helper()
	s := open(t, clone(t, sound))
	before := s.Power.Points()
	if err := s.EraseAll(); err != nil {
		t.Fatal(err)
	}
	return s.Power.Points() - before
}

func erasedThroughout(dir string, b *board.Board) error {
	for _, c := range cellFiles(b) {
		switch c.name {
		case flashFile, flashNSFile, uicrFile, keysFile:
		default:
			continue
		}
		p, err := os.ReadFile(filepath.Join(dir, c.name))
		if err != nil {
			return err
		}
		for _, e := range c.extents {
			if !allErased(p[e.off : e.off+e.size]) {
				return fmt.Errorf("%s is not erased", c.name)
			}
		}
	}
	return nil
}

// What still runs when an ERASEALL begins writes nothing behind it.
func TestEraseAllStopsWriters(t *testing.T) {
	for _, name := range []string{"nrf5340", "nrf54l15"} {
		t.Run(name, func(t *testing.T) {
			dir := provision(t, ProvisionOptions{Board: name}).Dir
			s := open(t, dir)
			area, err := s.Area(board.ITS)
			if err != nil {
				t.Fatal(err)
			}
			started, stopped := make(chan struct{}), make(chan error)
			go func() {
				for i := 0; ; i++ {
					off := i * 16 % area.Size()
					if off == 0 {
						err = area.Erase(i / area.Size() * area.PageSize() % area.Size())
					}
					if err == nil {
						err = area.Program(off, []byte("sixteen secrets!"))
					}
					var full *cells.WearError
					if errors.As(err, &full) {
						err = nil
					}
					if err != nil {
						stopped <- err
						return
					}
					if i == 10 {
						close(started)
					}
				}
			}()
			<-started
			if err := s.EraseAll(); err != nil {
				t.Fatal(err)
			}
			if err := <-stopped; !errors.Is(err, power.ErrHalted) {
				t.Errorf("the writer ended with %v", err)
			}
			if err := erasedThroughout(dir, s.Board); err != nil {
				t.Error(err)
			}
		})
	}
}
