package cryptocell

import (
	"fmt"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/regtest"
	"github.com/postern-spe/postern/platform/keycells"
)

func TestRegisters(t *testing.T) {
	for _, b := range boards {
		t.Run(b.name, func(t *testing.T) {
			regtest.Run(t, func() bus.Peripheral { return newEngine(t, b) }, []regtest.Row{
				regtest.RW(regtest.Row{Name: "ENABLE", Off: 0x500}, 1),
				{Name: "HOST_CRYPTOKEY_SEL, not enabled", Off: 0x1A38},
				{Name: "HOST_IOT_LCS, not enabled", Off: 0x1A60},
			})
			regtest.Run(t, func() bus.Peripheral {
				e := newEngine(t, b)
				write(t, e, RegEnable, 1)
				return e
			}, []regtest.Row{
				regtest.RW(regtest.Row{Name: "HOST_CRYPTOKEY_SEL", Off: 0x1A38}, 3),
				{Name: "HOST_IOT_KPRTL_LOCK", Off: 0x1A4C, Ones: 1, Lock: 1},
				{Name: "HOST_IOT_KDR0", Off: 0x1A50},
				{Name: "HOST_IOT_KDR1", Off: 0x1A54},
				{Name: "HOST_IOT_KDR2", Off: 0x1A58},
				{Name: "HOST_IOT_KDR3", Off: 0x1A5C},
				{Name: "HOST_IOT_LCS", Off: 0x1A60, Reset: 2, Skip: "only two values are accepted: TestLCS"},
				{Name: "AES key registers", Off: 0x1400},
			})
		})
	}
}

func TestLCS(t *testing.T) {
	for _, tt := range []struct {
		name   string
		writes []uint32
		want   uint32
	}{
		{"reset", nil, 0x002},
		{"secure", []uint32{2}, 0x102},
		{"debug", []uint32{0}, 0x100},
		{"once", []uint32{2, 0}, 0x102},
		{"debug for this boot", []uint32{0, 2}, 0x100},
		{"no state", []uint32{1, 3, 4, 5, 6, 7}, 0x002},
		{"no state does not count", []uint32{7, 0}, 0x100},
		{"other bits are ignored", []uint32{0xFFFFFFFA}, 0x102},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEngine(t, nrf9160)
			write(t, e, RegEnable, 1)
			for _, v := range tt.writes {
				write(t, e, RegHostLCS, v)
			}
			if got := read(t, e, RegHostLCS); got != tt.want {
				t.Errorf("0x%03x, want 0x%03x", got, tt.want)
			}
			write(t, e, RegEnable, 0) // the always-on domain keeps it
			write(t, e, RegEnable, 1)
			if got := read(t, e, RegHostLCS); got != tt.want {
				t.Errorf("0x%03x after a power cycle of the engine", got)
			}
			e.Reset()
			write(t, e, RegEnable, 1)
			if got := read(t, e, RegHostLCS); got != 2 {
				t.Errorf("0x%03x after reset", got)
			}
		})
	}
}

// TestKDRWords: each word can be written once; KDR0 says when all are there.
func TestKDRWords(t *testing.T) {
	e := newEngine(t, nrf9160)
	write(t, e, RegEnable, 1)
	for i := range uint32(4) {
		if read(t, e, RegHostKDR0) != 0 {
			t.Errorf("retained after %d words", i)
		}
		write(t, e, RegHostKDR0+4*i, 0x11111111*(i+1))
		write(t, e, RegHostKDR0+4*i, 0xDDDDDDDD)
	}
	if read(t, e, RegHostKDR0) != 1 {
		t.Error("not retained")
	}
	want := []byte{0x11, 0x11, 0x11, 0x11, 0x22, 0x22, 0x22, 0x22, 0x33, 0x33, 0x33, 0x33, 0x44, 0x44, 0x44, 0x44}
	if string(e.kdr) != string(want) {
		t.Errorf("%x, want %x", e.kdr, want)
	}
	for i := uint32(1); i < 4; i++ {
		if v := read(t, e, RegHostKDR0+4*i); v != 0 {
			t.Errorf("KDR%d reads 0x%08x", i, v)
		}
	}
	write(t, e, RegEnable, 0)
	write(t, e, RegEnable, 1)
	if read(t, e, RegHostKDR0) != 1 {
		t.Error("not retained over a power cycle of the engine")
	}
	if err := e.Push(0x50841A50, keycells.NewValue(make([]byte, 16))); err == nil {
		t.Error("pushed over KDR")
	}
}

// TestPush is which addresses take a key, on which engine.
func TestPush(t *testing.T) {
	for _, tt := range []struct {
		board board
		addr  uint32
		ok    bool
	}{
		{nrf9160, 0x50841400, true},
		{nrf9160, 0x50841410, false},
		{nrf9160, 0x50841388, true},
		{nrf9160, 0x50841398, true},
		{nrf9160, 0x50841A50, true},
		{nrf9160, 0x50841A60, false},
		{nrf9160, 0x50845400, false},
		{nrf5340, 0x50845400, true},
		{nrf5340, 0x50845410, true},
		{nrf5340, 0x50845404, false},
		{nrf5340, 0x50845420, false},
		{nrf5340, 0x50845388, true},
		{nrf5340, 0x50845398, true},
		{nrf5340, 0x50845A50, false},
		{nrf5340, 0x50841400, false},
		{nrf5340, 0x20000000, false},
		{nrf5340, 0, false},
	} {
		t.Run(fmt.Sprintf("%s 0x%08x", tt.board.name, tt.addr), func(t *testing.T) {
			e := newEngine(t, tt.board)
			v := keycells.NewValue([]byte("0123456789abcdef"))
			if err := e.Push(tt.addr, v); err == nil {
				t.Error("pushed to an engine that is not enabled")
			}
			write(t, e, RegEnable, 1)
			if err := e.Push(tt.addr, v); (err == nil) != tt.ok {
				t.Errorf("%v", err)
			}
			found := func() bool {
				b := string(e.secret.Bytes())
				for i := 0; i+16 <= len(b); i += 16 {
					if b[i:i+16] == "0123456789abcdef" {
						return true
					}
				}
				return false
			}
			if found() != tt.ok {
				t.Errorf("in the key registers: %v", found())
			}
			write(t, e, RegEnable, 0)
			if kdr := tt.addr == e.variant.KDR && tt.addr != 0; found() != kdr {
				t.Errorf("after ENABLE = 0: %v", found())
			}
			e.Reset()
			if found() {
				t.Error("after reset")
			}
		})
	}
}

// TestTakeNeedsAll: half a key is no key, and an operation leaves none.
func TestTakeNeedsAll(t *testing.T) {
	e := newEngine(t, nrf5340)
	write(t, e, RegEnable, 1)
	used := 0
	use := func([]byte) error { used++; return nil }
	for i, push := range [][]uint32{{}, {0x50845400}, {0x50845410}, {0x50845388, 0x50845398}, {0x50845400, 0x50845410}} {
		for _, a := range push {
			if err := e.Push(a, keycells.NewValue([]byte("0123456789abcdef"))); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.withAES(use); (err == nil) != (i == 4) {
			t.Errorf("%x: %v", push, err)
		}
		for _, b := range e.aes {
			if b != 0 {
				t.Fatal("the AES registers are not empty after use")
			}
		}
	}
	if used != 1 {
		t.Errorf("used %d keys", used)
	}
}
