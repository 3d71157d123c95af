package aescmac

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"unsafe"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The message of both vector sets; each uses prefixes of it.
const message = "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51" +
	"30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710"

const (
	key128 = "2b7e151628aed2a6abf7158809cf4f3c"
	key192 = "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"
	key256 = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
)

func TestVectors(t *testing.T) {
	tests := []struct {
		name, key string
		n         int
		mac       string
	}{
		{"RFC 4493 example 1", key128, 0, "bb1d6929e95937287fa37d129b756746"},
		{"RFC 4493 example 2", key128, 16, "070a16b46b4d4144f79bdd9dd04a287c"},
		{"RFC 4493 example 3", key128, 40, "dfa66747de9ae63030ca32611497c827"},
		{"RFC 4493 example 4", key128, 64, "51f0bebf7e3b9d92fc49741779363cfe"},
		{"SP 800-38B D.2 example 5", key192, 0, "d17ddf46adaacde531cac483de7a9367"},
		{"SP 800-38B D.2 example 6", key192, 16, "9e99a7bf31e710900662f65e617c5184"},
		{"SP 800-38B D.2 example 7", key192, 40, "8a1de5be2eb31aad089a82e6ee908b0e"},
		{"SP 800-38B D.2 example 8", key192, 64, "a1d5df0eed790f794d77589659f39a11"},
		{"SP 800-38B D.3 example 9", key256, 0, "028962f61b7bf89efc6b551f4667d983"},
		{"SP 800-38B D.3 example 10", key256, 16, "28a7023f452e8f82bd4bf28d8c37c35c"},
		{"SP 800-38B D.3 example 11", key256, 40, "aaf3d8f1de5640c232f5b169b9c911e6"},
		{"SP 800-38B D.3 example 12", key256, 64, "e1992190549f6ed5696a2c056c315410"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := New(unhex(t, tt.key))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Wipe()
			msg := unhex(t, message)[:tt.n]
			// Twice, since one MAC must leave nothing behind for the next.
			for range 2 {
				mac := make([]byte, Size)
				m.Sum(mac, msg)
				if !bytes.Equal(mac, unhex(t, tt.mac)) {
					t.Errorf("%x, want %s", mac, tt.mac)
				}
			}
		})
	}
}

// TestDeriveForm recomputes derivations from the documented form, with the
// messages spelled out.
func TestDeriveForm(t *testing.T) {
	tests := []struct {
		name           string
		label, context string
		capacity, n    int
		bits           string // L
	}{
		{"default capacity", "KMU", "0123456789abcdef", DefaultCapacity, 32, "\xff\xff\xff\xf8"},
		{"own capacity", "label", "ctx", 42, 42, "\x00\x00\x01\x50"},
		{"nothing but the key", "", "", DefaultCapacity, 5, "\xff\xff\xff\xf8"},
		{"less than the capacity", "a", "", 64, 1, "\x00\x00\x02\x00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := New(unhex(t, key256))
			if err != nil {
				t.Fatal(err)
			}
			fixed := tt.label + "\x00" + tt.context + tt.bits
			k0 := make([]byte, Size)
			m.Sum(k0, []byte(fixed))
			var want []byte
			for i := 1; len(want) < tt.n; i++ {
				block := make([]byte, Size)
				m.Sum(block, []byte("\x00\x00\x00"+string(rune(i))+fixed+string(k0)))
				want = append(want, block...)
			}
			out := make([]byte, tt.n)
			if err := Derive(unhex(t, key256), []byte(tt.label), []byte(tt.context), tt.capacity, out); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out, want[:tt.n]) {
				t.Errorf("%x, want %x", out, want[:tt.n])
			}
		})
	}
}

func TestDeriveLimits(t *testing.T) {
	tests := []struct {
		name             string
		key, capacity, n int
	}{
		{"no output", 32, 16, 0},
		{"more than the capacity", 32, 16, 17},
		{"capacity too large", 32, DefaultCapacity + 1, 16},
		{"capacity 0", 32, 0, 16},
		{"a key of 20 bytes", 20, DefaultCapacity, 16},
		{"no key", 0, DefaultCapacity, 16},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := bytes.Repeat([]byte{0xAA}, tt.n)
			if err := Derive(make([]byte, tt.key), nil, nil, tt.capacity, out); err == nil {
				t.Error("passed")
			}
			if !bytes.Equal(out, make([]byte, tt.n)) {
				t.Error("output left behind on an error")
			}
		})
	}
}

// TestWipe looks at the memory of the standard library's types: if it fails after
// an update of Go, key schedules stay on the heap.
func TestWipe(t *testing.T) {
	key := unhex(t, key256)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	for name, state := range map[string]any{"block": block, "GCM": aead} {
		p := (*(*[2]unsafe.Pointer)(unsafe.Pointer(&state)))[1]
		mem := unsafe.Slice((*byte)(p), 256)
		// Where the schedule is words, it is the key in the host's byte order.
		if !holds(mem, key) {
			t.Fatalf("%s: the key is not where it was expected", name)
		}
		Wipe(state)
		if holds(mem, key) {
			t.Errorf("%s: the key is still there", name)
		}
	}
	m, err := New(key)
	if err != nil {
		t.Fatal(err)
	}
	m.Wipe()
	if m.k1 != [Size]byte{} || m.k2 != [Size]byte{} || m.block != nil {
		t.Error("subkeys are still there")
	}
	for _, state := range []any{nil, 7, (*MAC)(nil), m, "text", &struct{ p *int }{}} {
		Wipe(state) // nothing to wipe, and nothing to break
	}
}

func holds(mem, key []byte) bool {
	swapped := make([]byte, 0, len(key))
	for i := 0; i < len(key); i += 4 {
		swapped = append(swapped, key[i+3], key[i+2], key[i+1], key[i])
	}
	return bytes.Contains(mem, key) || bytes.Contains(mem, swapped)
}

func TestDoesNotPrint(t *testing.T) {
	m, err := New(unhex(t, key128))
	if err != nil {
		t.Fatal(err)
	}
	if out := fmt.Sprintf("%v %+v %#v %x", m, m, m, m); out != "[MAC key] [MAC key] [MAC key] [MAC key]" {
		t.Errorf("prints %.100s", out)
	}
}

func BenchmarkDerive(b *testing.B) {
	key, out := unhex(b, key256), make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		if err := Derive(key, []byte("KMU"), key[:16], DefaultCapacity, out); err != nil {
			b.Fatal(err)
		}
	}
}
