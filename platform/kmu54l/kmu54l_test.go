package kmu54l

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/power"
)

const (
	testDest = 0x51810040
	testRAM  = 0x20000000
	testSlot = 9
	testMeta = 0x11BA0030
)

var testKey = []byte("0123456789abcdef")

// world is what a KMU is connected to: a RAM, an RRAMC of which only the write
// enable is there, and the far end of the pushes.
type world struct {
	ram      [64]byte
	writable bool
	enables  int
	got      map[uint32][]byte
	refuse   error
}

func (w *world) Push(addr uint32, v *keycells.Value) error {
	if w.refuse != nil {
		return w.refuse
	}
	p := make([]byte, keycells.ValueSize)
	v.CopyTo(p)
	w.got[addr] = p
	return nil
}

func (w *world) load(addr uint32, p []byte) error {
	if addr < testRAM || addr+uint32(len(p)) > testRAM+uint32(len(w.ram)) {
		return errors.New("bus error")
	}
	copy(p, w.ram[addr-testRAM:])
	return nil
}

// source puts a source struct into the RAM.
func (w *world) source(policy, dest uint32) {
	copy(w.ram[:], testKey)
	binary.LittleEndian.PutUint32(w.ram[16:], policy)
	binary.LittleEndian.PutUint32(w.ram[20:], dest)
	binary.LittleEndian.PutUint32(w.ram[24:], testMeta)
}

func attach(t testing.TB, cells *keycells.Cells) (*KMU, *world) {
	t.Helper()
	w := &world{got: map[uint32][]byte{}, writable: true}
	k, err := New(cells, Config{
		Writable: func() bool { return w.writable },
		EnableWrites: func() func() {
			was := w.writable
			w.writable = true
			w.enables++
			return func() { w.writable = was }
		},
		Source:      w.load,
		Destination: w,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k, w
}

func newKMU(t testing.TB) (*KMU, *world) {
	t.Helper()
	cells, err := keycells.Memory(CellsSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cells.Close() })
	return attach(t, cells)
}

// fileCells are erased cells in a file, with a supply to cut.
func fileCells(t testing.TB, name string, s *power.Supply) *keycells.Cells {
	t.Helper()
	if _, err := os.Stat(name); err != nil {
		if err := os.WriteFile(name, bytes.Repeat([]byte{0xFF}, CellsSize), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	cells, err := keycells.Open(f, CellsSize, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cells.Close() })
	return cells
}

func testSlotOf(p Policy) Slot {
	return Slot{Value: keycells.NewValue(testKey), Policy: p, Dest: testDest, Metadata: testMeta}
}

// prepare takes a slot into a state.
func prepare(t *testing.T, k *KMU, s State, p Policy) {
	t.Helper()
	if s != Erased {
		if err := k.Provision(testSlot, testSlotOf(p)); err != nil {
			t.Fatal(err)
		}
	}
	if s == Revoked {
		if err := k.Revoke(testSlot); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := k.State(testSlot); got != s || err != nil {
		t.Fatalf("%v, %v, want %v", got, err, s)
	}
}

func TestBadSources(t *testing.T) {
	tests := []struct {
		name         string
		src          uint32
		policy, dest uint32
		slot         uint32
	}{
		{"policy 0", testRAM, 0, testDest, testSlot},
		{"policy 4", testRAM, 4, testDest, testSlot},
		{"policy all ones", testRAM, 0xFFFFFFFF, testDest, testSlot},
		{"destination not aligned", testRAM, 1, testDest + 8, testSlot},
		{"destination at the SICR's beginning", testRAM, 1, SICRBase, testSlot},
		{"destination at the SICR's end", testRAM, 1, SICRBase + SICRSize - 16, testSlot},
		{"source not aligned", testRAM + 2, 1, testDest, testSlot},
		{"source not in RAM", testRAM + 60, 1, testDest, testSlot},
		{"slot 250", testRAM, 1, testDest, 250},
		{"slot 255", testRAM, 1, testDest, 255},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, w := newKMU(t)
			w.source(tt.policy, tt.dest)
			k.WriteRegister(RegKeySlot, tt.slot, bus.Secure)
			k.WriteRegister(RegSrc, tt.src, bus.Secure)
			k.WriteRegister(RegTasksProvision, 1, bus.Secure)
			checkEvents(t, k, RegEventsError)
			if s, err := k.State(testSlot); s != Erased || err != nil {
				t.Errorf("slot %d is %v, %v", testSlot, s, err)
			}
		})
	}
	k, w := newKMU(t)
	w.source(1, SICRBase+SICRSize) // the first address after it
	k.WriteRegister(RegSrc, testRAM, bus.Secure)
	k.WriteRegister(RegTasksProvision, 1, bus.Secure)
	checkEvents(t, k, RegEventsProvisioned)
}

func TestSlotNumbers(t *testing.T) {
	k, _ := newKMU(t)
	for _, slot := range []int{-1, Slots, 255, 1 << 20} {
		_, metadata := k.Metadata(slot)
		_, state := k.State(slot)
		for _, err := range []error{
			k.Provision(slot, testSlotOf(Rotating)), k.Push(slot), k.Revoke(slot), k.BlockPush(slot), metadata, state,
		} {
			if !errors.Is(err, ErrSlot) {
				t.Errorf("slot %d: %v", slot, err)
			}
		}
	}
	for _, slot := range []int{0, Slots - 1} {
		if err := k.Provision(slot, testSlotOf(Rotating)); err != nil {
			t.Error(err)
		}
	}
}

func TestRefusedPush(t *testing.T) {
	k, w := newKMU(t)
	if err := k.Provision(testSlot, testSlotOf(Rotating)); err != nil {
		t.Fatal(err)
	}
	w.refuse = errors.New("nothing there")
	if err := k.Push(testSlot); !errors.Is(err, w.refuse) {
		t.Errorf("%v", err)
	}
	k.WriteRegister(RegKeySlot, testSlot, bus.Secure)
	k.WriteRegister(RegTasksPush, 1, bus.Secure)
	checkEvents(t, k, RegEventsError)
}

func TestBlockEndsWithReset(t *testing.T) {
	k, w := newKMU(t)
	if err := k.Provision(testSlot, testSlotOf(Locked)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := k.BlockPush(testSlot); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Push(testSlot); !errors.Is(err, ErrBlocked) {
		t.Errorf("blocked: %v", err)
	}
	if err := k.Push(testSlot + 1); !errors.Is(err, ErrEmpty) {
		t.Errorf("the next slot: %v", err)
	}
	k.Reset()
	if err := k.Push(testSlot); err != nil || !bytes.Equal(w.got[testDest], testKey) {
		t.Errorf("after reset: %v", err)
	}
}

func TestRotatingSlotIsUsedAgain(t *testing.T) {
	k, w := newKMU(t)
	for i := range byte(3) {
		s := testSlotOf(Rotating)
		s.Value = keycells.NewValue(bytes.Repeat([]byte{i}, 16))
		if err := k.Provision(testSlot, s); err != nil {
			t.Fatal(err)
		}
		if err := k.Push(testSlot); err != nil || w.got[testDest][0] != i {
			t.Fatalf("round %d: %v, %v", i, w.got[testDest], err)
		}
		if err := k.Revoke(testSlot); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRevocationAndEraseWipe(t *testing.T) {
	for _, policy := range []Policy{Rotating, Revocable, Locked} {
		t.Run(policy.String(), func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "sicr")
			k, _ := attach(t, fileCells(t, name, nil))
			if err := k.Provision(testSlot, testSlotOf(policy)); err != nil {
				t.Fatal(err)
			}
			if p, _ := os.ReadFile(name); !bytes.Contains(p, testKey) {
				t.Fatal("the key is not where this test looks for it")
			}
			var err error
			if policy == Locked {
				err = k.EraseAll()
			} else {
				err = k.Revoke(testSlot)
			}
			if err != nil {
				t.Fatal(err)
			}
			if p, err := os.ReadFile(name); err != nil || bytes.Contains(p, testKey) {
				t.Errorf("the key is still there, %v", err)
			}
			if err := k.EraseAll(); err != nil {
				t.Fatal(err)
			}
			if s, err := k.State(testSlot); s != Erased || err != nil {
				t.Errorf("%v, %v after EraseAll", s, err)
			}
		})
	}
}

func TestDamagedSlots(t *testing.T) {
	for off := range recordSize {
		cells, err := keycells.Memory(CellsSize)
		if err != nil {
			t.Fatal(err)
		}
		k, _ := attach(t, cells)
		if err := k.Provision(testSlot, testSlotOf(Rotating)); err != nil {
			t.Fatal(err)
		}
		var b [1]byte
		if err := cells.Read(testSlot*recordSize+off, b[:]); err != nil {
			t.Fatal(err)
		}
		b[0] ^= 0x10
		if err := cells.Write(testSlot*recordSize+off, b[:]); err != nil {
			t.Fatal(err)
		}
		if _, err := k.State(testSlot); !errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d changed: state: %v", off, err)
		}
		for _, err := range []error{k.Push(testSlot), k.Revoke(testSlot), k.Provision(testSlot, testSlotOf(Rotating))} {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("byte %d changed: %v", off, err)
			}
		}
	}
}

func TestClosed(t *testing.T) {
	k, _ := newKMU(t)
	k.Close()
	k.Close()
	if err := k.Push(testSlot); !errors.Is(err, keycells.ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestDoesNotPrint(t *testing.T) {
	k, _ := newKMU(t)
	if err := k.Provision(testSlot, testSlotOf(Rotating)); err != nil {
		t.Fatal(err)
	}
	err := k.Provision(testSlot, testSlotOf(Rotating))
	out := fmt.Sprintf("%v %+v %#v %x %v %+v", k, k, k, k, testSlotOf(Rotating), err)
	for _, bad := range []string{"0123", "48 49", "3031", "0x30"} {
		if strings.Contains(out, bad) {
			t.Errorf("prints %.300s", out)
		}
	}
}

func BenchmarkPush(b *testing.B) {
	k, _ := newKMU(b)
	k.to.Destination = nowhere{}
	if err := k.Provision(testSlot, testSlotOf(Rotating)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := k.Push(testSlot); err != nil {
			b.Fatal(err)
		}
	}
}

type nowhere struct{}

func (nowhere) Push(uint32, *keycells.Value) error { return nil }
