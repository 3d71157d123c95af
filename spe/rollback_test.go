package spe_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spetest"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/ps"
	"github.com/postern-spe/postern/veneer/psa"
)

// An earlier image of Protected Storage's flash, under a device whose counters
// have gone on, is found out, on every board.
func TestRollback(t *testing.T) {
	for _, name := range board.Names() {
		t.Run(name, func(t *testing.T) {
			b, ok := board.Lookup(name)
			area, there := b.Area(board.PS)
			if !ok || !there {
				t.Fatal("no such area")
			}
			core, logged := observer.New(zapcore.WarnLevel)
			world := spetest.StartOn(t, name, spe.Options{Log: zap.New(core)})
			flash, err := os.OpenFile(filepath.Join(world.Dir, "flash.bin"), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer flash.Close()
			store := func() *ps.Client { return ps.New(world.Gate(t)) }

			err = errors.Join(store().Set(1, []byte("old"), 0), store().Set(2, []byte("lax"), psa.StorageNoReplayProtection))
			if err != nil {
				t.Fatal(err)
			}
			old, at := make([]byte, area.Size), int64(area.Base-b.Flash.Base)
			if _, err := flash.ReadAt(old, at); err != nil {
				t.Fatal(err)
			}
			world.Restart()
			if err := store().Set(1, []byte("new"), 0); err != nil {
				t.Fatal(err)
			}
			world.Restart()
			if data, err := store().ReadAll(1); err != nil || string(data) != "new" {
				t.Errorf("%q, %v", data, err)
			}
			if n := logged.FilterMessage("protected storage").Len(); n > 0 {
				t.Errorf("%d lines before anything is put back", n)
			}
			// The device makes no use of that flash until it starts again.
			if _, err := flash.WriteAt(old, at); err != nil {
				t.Fatal(err)
			}
			world.Restart()
			if data, err := store().ReadAll(1); !errors.Is(err, veneer.ErrInvalidSignature) {
				t.Errorf("put back: %q, %v", data, err)
			}
			if data, err := store().ReadAll(2); err != nil || string(data) != "lax" {
				t.Errorf("not protected: %q, %v", data, err)
			}
			if n := logged.FilterMessage("protected storage").Len(); n != 1 {
				t.Errorf("%d lines", n)
			}
		})
	}
}
