package cracen

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/regtest"
	"github.com/postern-spe/postern/platform/keycells"
)

func newEngine(t testing.TB) *Engine {
	t.Helper()
	e, err := NewEngine(testArea)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func TestRegisters(t *testing.T) {
	lock := func(name string, off uint32) regtest.Row {
		return regtest.Row{Name: name, Off: off, Ones: 1, Lock: 1}
	}
	rows := []regtest.Row{
		regtest.RW(regtest.Row{Name: "ENABLE", Off: RegEnable}, EnableCryptoMaster|EnableRNG|EnablePKEIKG),
		regtest.RW(regtest.Row{Name: "SEEDVALID", Off: RegSeedValid}, 1),
		lock("SEEDLOCK", RegSeedLock),
		lock("PROTECTEDRAMLOCK", RegProtectedRAMLock),
		{Name: "nothing", Off: 0x448},
	}
	for i := range uint32(12) {
		// Write-only, and not for the processor.
		rows = append(rows, regtest.Row{Name: fmt.Sprintf("SEED[%d]", i), Off: RegSeed + 4*i, Lock: 1, LockOff: RegSeedLock})
	}
	regtest.Run(t, func() bus.Peripheral { return newEngine(t) }, rows)
}

func TestStoresDoNotReachTheSeed(t *testing.T) {
	e := newEngine(t)
	for off := RegSeed; off < RegSeed+SeedSize; off += 4 {
		e.WriteRegister(off, 0x5EED5EED, bus.Secure)
	}
	if !bytes.Equal(e.mem, make([]byte, memSize)) || e.seed != 0 {
		t.Error("a store has reached the engine's memory")
	}
}

func TestPushes(t *testing.T) {
	v := keycells.NewValue(value(16))
	tests := []struct {
		name string
		addr uint32
		lock uint32 // the register that refuses it
		off  int    // where it goes; -1: refused
	}{
		{"SEED[0]", SeedRegisters, RegSeedLock, 0},
		{"SEED[8]", SeedRegisters + 32, RegSeedLock, 32},
		{"after SEED", SeedRegisters + 48, 0, -1},
		{"before SEED", SeedRegisters - 16, 0, -1},
		{"SEED[1]", SeedRegisters + 4, 0, -1},
		{"protected SEED", ProtectedSeed + 16, RegSeedLock, 16},
		{"AES_KEY0", ProtectedAESKey0, RegProtectedRAMLock, 0x40},
		{"AES_KEY0, second half", ProtectedAESKey0 + 16, RegProtectedRAMLock, 0x50},
		{"AES_KEY1", ProtectedAESKey1, RegProtectedRAMLock, 0x60},
		{"SM4 keys", ProtectedSM4Keys, RegProtectedRAMLock, 0x80},
		{"after the protected RAM", ProtectedSeed + protectedSize, 0, -1},
		{"push area", testArea, 0, memArea},
		{"push area, end", testArea + PushAreaSize - 16, 0, memArea + PushAreaSize - 16},
		{"after the push area", testArea + PushAreaSize, 0, -1},
		{"before the push area", testArea - 16, 0, -1},
		{"ENABLE", Base + RegEnable, 0, -1},
		{"0", 0, 0, -1},
		{"the last", 0xFFFFFFF0, 0, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEngine(t)
			err := e.Push(tt.addr, v)
			if (err == nil) != (tt.off >= 0) {
				t.Fatal(err)
			}
			if err == nil && !bytes.Equal(e.mem[tt.off:tt.off+16], value(16)) {
				t.Error("it is somewhere else")
			}
			for _, lock := range []uint32{RegSeedLock, RegProtectedRAMLock} {
				e := newEngine(t)
				e.WriteRegister(lock, 1, bus.Secure)
				want := tt.off >= 0 && lock != tt.lock
				if err := e.Push(tt.addr, v); (err == nil) != want {
					t.Errorf("with 0x%03x locked: %v", lock, err)
				}
				if !want && !bytes.Equal(e.mem, make([]byte, memSize)) {
					t.Errorf("with 0x%03x locked it has come through", lock)
				}
				e.Reset()
				if err := e.Push(tt.addr, v); (err == nil) != (tt.off >= 0) {
					t.Errorf("after reset: %v", err)
				}
			}
		})
	}
}

func TestResetClears(t *testing.T) {
	d := seeded(t)
	if _, err := d.IdentityPublicKey(); err != nil {
		t.Fatal(err)
	}
	d.engine.Reset()
	if !bytes.Equal(d.engine.mem, make([]byte, memSize)) {
		t.Error("something is left")
	}
}

func TestPushAreaAlignment(t *testing.T) {
	if _, err := NewEngine(testArea + 8); err == nil {
		t.Error("passed")
	}
}
