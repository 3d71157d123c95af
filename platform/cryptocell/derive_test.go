package cryptocell

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/postern-spe/postern/platform/aescmac"
)

// TestDeriveLayout recomputes derivations from the documented layout, with the
// message spelled out.
func TestDeriveLayout(t *testing.T) {
	for _, b := range boards {
		c := provisioned(t, b)
		for seed, derive := range map[byte]func(label, context, out []byte) error{1: c.DeriveMKEK, 101: c.DeriveHUK} {
			out := make([]byte, 40)
			if err := derive([]byte("label"), []byte("ctx"), out); err != nil {
				t.Fatal(err)
			}
			m, err := aescmac.New(rootKey(seed, b.variant().HUKSize))
			if err != nil {
				t.Fatal(err)
			}
			var want []byte
			for i := byte(1); i <= 3; i++ {
				var block [aescmac.Size]byte
				m.Sum(block[:], []byte{i, 'l', 'a', 'b', 'e', 'l', 0, 'c', 't', 'x', 0x01, 0x40})
				want = append(want, block[:]...)
			}
			if !bytes.Equal(out, want[:40]) {
				t.Errorf("%s: %x, want %x", b.name, out, want[:40])
			}
		}
	}
}

func TestDeriveSeparates(t *testing.T) {
	c := provisioned(t, nrf5340)
	seen := map[string]string{}
	for _, in := range []struct{ label, context string }{{"", ""}, {"a", ""}, {"", "a"}, {"a", "b"}, {"ab", ""}, {"", "ab"}} {
		for _, n := range []int{16, 32} {
			for root, derive := range map[string]func(label, context, out []byte) error{"MKEK": c.DeriveMKEK, "MEXT": c.DeriveHUK} {
				out := make([]byte, n)
				if err := derive([]byte(in.label), []byte(in.context), out); err != nil {
					t.Fatal(err)
				}
				name := fmt.Sprintf("%s %q %q %d", root, in.label, in.context, n)
				if other, dup := seen[string(out[:16])]; dup {
					t.Errorf("%s and %s are the same key", name, other)
				}
				seen[string(out[:16])] = name
			}
		}
	}
}

func TestDeriveLimits(t *testing.T) {
	c := provisioned(t, nrf9160)
	tests := []struct {
		name                string
		label, context, out int
		ok                  bool
	}{
		{"largest", MaxLabel, MaxContext, MaxDerived, true},
		{"label", MaxLabel + 1, 0, 16, false},
		{"context", 0, MaxContext + 1, 16, false},
		{"output", 0, 0, MaxDerived + 1, false},
		{"no output", 0, 0, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := bytes.Repeat([]byte{0xAA}, tt.out)
			err := c.DeriveHUK(make([]byte, tt.label), make([]byte, tt.context), out)
			if (err == nil) != tt.ok {
				t.Fatal(err)
			}
			if !tt.ok && !bytes.Equal(out, make([]byte, tt.out)) {
				t.Error("output left behind on an error")
			}
		})
	}
}

func BenchmarkDeriveHUK(b *testing.B) {
	c := provisioned(b, nrf5340)
	out := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.DeriveHUK([]byte("TFM_HW_UNIQ_KEY\x00"), nil, out); err != nil {
			b.Fatal(err)
		}
	}
}
