package spe_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spetest/oracle"
)

// secureLog returns a secure log and what is in it from a level on that clients
// cannot raise by being refused.
func secureLog() (*zap.Logger, *observer.ObservedLogs) {
	core, seen := observer.New(zapcore.WarnLevel)
	return zap.New(core), seen
}

// TestImagesThatAreNoStore: a device whose storage area holds what no store has
// left there does not boot. It says which area and where, and leaves the flash as
// it was, for whoever is to find out what has happened.
func TestImagesThatAreNoStore(t *testing.T) {
	const page = 4096
	for _, name := range []string{"nrf5340", "nrf54l15"} {
		m := newMachine(t, devices[name])
		m.fill(t, 0)
		whole := m.flash(t)
		for _, a := range []struct{ name, says string }{{board.ITS, "internal storage area"}, {board.PS, "protected storage area"}} {
			from, to := bounds(t, name, a.name)
			for damage, do := range map[string]func([]byte){
				"random bytes":   func(b []byte) { random(b, 1) },
				"zeros":          func(b []byte) { clear(b) },
				"no page header": func(b []byte) { random(b[:64], 2) },
				"pages swapped": func(b []byte) {
					first := slices.Clone(b[:page])
					copy(b, b[page:2*page])
					copy(b[page:], first)
				},
			} {
				t.Run(name+"/"+a.name+"/"+damage, func(t *testing.T) {
					bad := flash{slices.Clone(whole.cells), whole.wear}
					do(bad.cells[from:to])
					m.put(t, bad)
					err := m.boot(spe.Options{})
					m.off()
					if err == nil || !strings.Contains(err.Error(), a.says) || !strings.Contains(err.Error(), "offset 0x") ||
						strings.Contains(err.Error(), "\n") {
						t.Errorf("boot: %v", err)
					}
					if after := m.flash(t); !bytes.Equal(after.cells, bad.cells) || !bytes.Equal(after.wear, bad.wear) {
						t.Error("refused, and the flash has changed")
					}
				})
			}
		}
	}
}

func random(b []byte, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, seed))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
}

// TestForeignFlash gives a device flash of another, which has other contents
// under the same names: all of it, or the area of Protected Storage. Of what is
// encrypted there nothing comes out, and each try is in the log. (Where the
// contents of Internal Trusted Storage are in the clear, the chip's own flash is
// what they are trusted to be in.)
func TestForeignFlash(t *testing.T) {
	for name, o := range devices {
		mine, others := newMachine(t, o), newMachine(t, o)
		h := mine.fill(t, 0)
		strange := others.fill(t, 100)
		own, foreign := mine.flash(t), others.flash(t)
		from, to := bounds(t, o.Board, board.PS)
		part := flash{slices.Clone(own.cells), own.wear}
		copy(part.cells[from:to], foreign.cells[from:to])
		for _, row := range []struct {
			name  string
			flash flash
			rest  map[oracle.Place]oracle.Held // what is in ITS, and was in PS
		}{{"all of it", foreign, strange}, {"Protected Storage", part, h}} {
			t.Run(name+"/"+row.name, func(t *testing.T) {
				log, seen := secureLog()
				mine.put(t, row.flash)
				err := mine.boot(spe.Options{Log: log})
				defer mine.off()
				if err != nil {
					// Refused at once, which must not change anything.
					if strings.Contains(err.Error(), "\n") {
						t.Errorf("boot: %v", err)
					}
					mine.off()
					if !bytes.Equal(mine.flash(t).cells, row.flash.cells) {
						t.Error("refused, and the flash has changed")
					}
					return
				}
				before := mine.file(t, "flash.bin")
				for p, want := range row.rest {
					c := mine.clients[p.Client]
					seen.TakeAll()
					switch got, err := p.Read(c); {
					case p.Service != oracle.Protected && (row.name != "all of it" || !o.ITS.Encrypted):
						if err != nil || got != want.Seen() {
							t.Errorf("%v is %v, %v; want %v", p, got, err, want)
						}
					case err == nil && !got.There:
					case err == nil:
						t.Errorf("%v of another device is %v", p, got)
					case !slices.Contains(damaged[oracle.Protected], oracle.StatusOf(err)): // of ITS as well
						t.Errorf("%v of another device: %v", p, err)
					}
					if n := linesOf(seen, "TFM_PROTECTED_STORAGE_SERVICE"); p.Service == oracle.Protected && n != 1 {
						t.Errorf("%v: %d lines in the log", p, n)
					}
				}
				if !bytes.Equal(mine.file(t, "flash.bin"), before) {
					t.Error("reading has changed the flash")
				}
			})
		}
	}
}

// linesOf returns how many lines of the log are about calls of a service.
func linesOf(log *observer.ObservedLogs, service string) int {
	return log.FilterField(zap.String("service", service)).Len()
}

// TestTruncatedFlash: a file that is not the flash of the board is refused before
// anything of it is used.
func TestTruncatedFlash(t *testing.T) {
	m := newMachine(t, devices["nrf5340"])
	m.fill(t, 0)
	whole := m.file(t, "flash.bin")
	for _, size := range []int{0, 1, len(whole) - 1, len(whole) + 1} {
		if err := os.Truncate(filepath.Join(m.dir, "flash.bin"), int64(size)); err != nil {
			t.Fatal(err)
		}
		before := m.file(t, "flash.bin")
		err := m.boot(spe.Options{})
		m.off()
		var bad *platform.DeviceError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), "flash.bin") {
			t.Errorf("%d bytes: %v", size, err)
		}
		if !bytes.Equal(m.file(t, "flash.bin"), before) {
			t.Errorf("%d bytes: refused, and the file has changed", size)
		}
	}
}
