package keyfile

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/postern-spe/postern/platform/cracen"
	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/kmu54l"
)

// Attributes as generate_psa_key_attributes.py of the nRF Connect SDK packs them.
var (
	aes128 = cracen.Attributes{
		Type: cracen.TypeAES, Bits: 128, Lifetime: 0x804E4B01, Usage: cracen.UsageEncrypt | cracen.UsageDecrypt,
		Algorithm: 0x04C01000, ID: cracen.KeyID(cracen.Protected, 3),
	}
	ed25519 = cracen.Attributes{
		Type: cracen.TypePublicTwistedEdw, Bits: 255, Lifetime: 0x804E4B03, Usage: cracen.UsageVerify,
		Algorithm: 0x06000800, ID: cracen.KeyID(cracen.Raw, 226),
	}
	inv = cracen.Attributes{
		Type: cracen.TypeAES, Bits: 256, Lifetime: 0x804E4B01, Usage: cracen.UsageEncrypt,
		Algorithm: 0x04C01000, ID: cracen.KeyID(cracen.Protected, cracen.SlotInvalidation),
	}
	seed = cracen.Attributes{
		Type: cracen.TypeRawData, Bits: 384, Lifetime: 0x804E4B03, ID: cracen.KeyID(cracen.Seed, cracen.SlotSeed),
	}
)

const secret = "c0ffee00112233445566778899aabbcc"

func entry(a cracen.Attributes, value string) string {
	return fmt.Sprintf(`{"metadata": "0x%X", "value": "%s"}`, Pack(a), value)
}

func file(entries ...string) string {
	return `{"version": 0, "keyslots": [` + strings.Join(entries, ",\n") + `]}`
}

func with(a cracen.Attributes, change func(a *cracen.Attributes)) cracen.Attributes {
	change(&a)
	return a
}

func TestPacking(t *testing.T) {
	// type, bits, lifetime, usage, algorithm, algorithm2, id, owner
	want := "0024" + "8000" + "014b4e80" + "00030000" + "0010c004" + "00000000" + "0300ff7f" + "00000000"
	p := Pack(aes128)
	if got := hex.EncodeToString(p); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if a, err := unpack(p); a != aes128 || err != nil {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestParse(t *testing.T) {
	keys, err := Parse([]byte(file(
		entry(aes128, "0x"+secret),
		strings.ToLower(entry(ed25519, "0x"+strings.ToUpper(secret+secret))),
		entry(inv, "TRNG:32"),
		entry(seed, "TRNG:48"),
	)))
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		a           cracen.Attributes
		value       string
		first, last int
		entry       int
	}{{seed, "", 183, 185, 3}, {inv, "", 248, 249, 2}, {aes128, secret, 3, 3, 0}, {ed25519, secret + secret, 226, 227, 1}}
	if len(keys) != len(want) {
		t.Fatalf("%d keys", len(keys))
	}
	for i, w := range want {
		k := keys[i]
		if k.Attributes != w.a || k.Placement.First != w.first || k.Placement.Last != w.last || k.Path != fmt.Sprintf("keyslots[%d]", w.entry) {
			t.Errorf("%+v", k)
		}
		if (k.Value == nil) != (w.value == "") || k.Value != nil && hex.EncodeToString(k.Value.b) != w.value {
			t.Errorf("key %d has another value", i)
		}
	}
	keys[2].Destroy()
	if !bytes.Equal(keys[2].Value.b, make([]byte, 16)) {
		t.Error("not wiped")
	}
	if keys, err := Parse([]byte(file())); len(keys) != 0 || err != nil {
		t.Errorf("no entries: %v, %v", keys, err)
	}
	if _, err := Parse([]byte("\n" + `{"keyslots": [], "version": 0}` + "\n\t")); err != nil {
		t.Errorf("the other order, and space around: %v", err)
	}
}

func TestErrors(t *testing.T) {
	good := entry(aes128, "0x"+secret)
	metadata := func(p []byte) string { return fmt.Sprintf(`{"metadata": "0x%X", "value": "0x%s"}`, p, secret) }
	packed := func(off int, v byte) []byte { p := Pack(aes128); p[off] = v; return p }
	tests := []struct {
		name, text, path string
		is               error // of package cracen, or nil
	}{
		{"nothing", "", "", nil},
		{"not JSON", "key=" + secret, "", nil},
		{"an array", "[" + good + "]", "", nil},
		{"ends in the middle", file(good)[:60], "keyslots[0].metadata", nil},
		{"ends after a member", `{"version": 0`, "", nil},
		{"more after the end", file(good) + "{}", "", nil},
		{"rubbish after the end", file(good) + secret, "", nil},
		{"no version", `{"keyslots": []}`, "", nil},
		{"no keyslots", `{"version": 0}`, "", nil},
		{"version 1", `{"version": 1, "keyslots": []}`, "version", nil},
		{"version 0.0", `{"version": 0.0, "keyslots": []}`, "version", nil},
		{"version in a string", `{"version": "0", "keyslots": []}`, "version", nil},
		{"version twice", `{"version": 0, "version": 0, "keyslots": []}`, "version", nil},
		{"version in capitals", `{"Version": 0, "keyslots": []}`, "", nil},
		{"a member too many", `{"version": 0, "keyslots": [], "` + secret + `": 1}`, "", nil},
		{"keyslots null", `{"version": 0, "keyslots": null}`, "keyslots", nil},
		{"keyslots an object", `{"version": 0, "keyslots": {}}`, "keyslots", nil},
		{"an entry is a string", file(good, `"`+secret+`"`), "keyslots[1]", nil},
		{"an entry is null", file("null"), "keyslots[0]", nil},
		{"no value", file(`{"metadata": "0x00"}`), "keyslots[0]", nil},
		{"no metadata", file(`{"value": "0x` + secret + `"}`), "keyslots[0]", nil},
		{"value twice", file(good[:len(good)-1] + `, "value": "0x` + secret + `"}`), "keyslots[0].value", nil},
		{"a member too many in an entry", file(good[:len(good)-1] + `, "` + secret + `": 1}`), "keyslots[0]", nil},
		{"value a number", file(`{"metadata": "0x00", "value": 12345678}`), "keyslots[0].value", nil},
		{"value null", file(`{"metadata": "0x00", "value": null}`), "keyslots[0].value", nil},
		{"value nested", file(`{"metadata": "0x00", "value": ["` + secret + `"]}`), "keyslots[0].value", nil},

		{"metadata without 0x", file(strings.Replace(good, "0x", "", 1)), "keyslots[0].metadata", nil},
		{"metadata 0X", file(strings.Replace(good, "0x", "0X", 1)), "keyslots[0].metadata", nil},
		{"metadata empty", file(good, `{"metadata": "", "value": "0x`+secret+`"}`), "keyslots[1].metadata", nil},
		{"metadata of 27 bytes", file(metadata(Pack(aes128)[:27])), "keyslots[0].metadata", nil},
		{"metadata of 29 bytes", file(metadata(append(Pack(aes128), 0))), "keyslots[0].metadata", nil},
		{"second algorithm", file(metadata(packed(16, 1))), "keyslots[0].metadata", nil},
		{"owner", file(metadata(packed(27, 1))), "keyslots[0].metadata", nil},
		{"type", file(metadata(packed(1, 0x23))), "keyslots[0].metadata", cracen.ErrNotSupported},
		{"bits", file(metadata(packed(2, 0x81))), "keyslots[0].metadata", cracen.ErrNotSupported},
		{"location", file(metadata(packed(6, 0))), "keyslots[0].metadata", cracen.ErrInvalidArgument},
		{"persistence", file(metadata(packed(4, 0))), "keyslots[0].metadata", cracen.ErrInvalidArgument},
		{"usage", file(metadata(packed(10, 0xFF))), "keyslots[0].metadata", cracen.ErrNotSupported},
		{"usage of a protected key", file(metadata(packed(8, 1))), "keyslots[0].metadata", cracen.ErrInvalidArgument},
		{"algorithm", file(metadata(packed(15, 9))), "keyslots[0].metadata", cracen.ErrNotSupported},
		{"id", file(metadata(packed(23, 0))), "keyslots[0].metadata", cracen.ErrInvalidArgument},
		{"id of the IKG", file(metadata(packed(21, 0xC0))), "keyslots[0].metadata", cracen.ErrInvalidArgument},
		{"reserved slot", file(metadata(packed(20, 200))), "keyslots[0].metadata", cracen.ErrInvalidArgument},
		{"the journal's slot", file(metadata(packed(20, 186))), "keyslots[0].metadata", cracen.ErrInvalidArgument},
		{"the seed's slots", file(metadata(packed(20, 183))), "keyslots[0].metadata", cracen.ErrInvalidArgument},
		{"slot 255", file(metadata(packed(20, 255))), "keyslots[0].metadata", cracen.ErrInvalidArgument},

		{"value without 0x", file(entry(aes128, secret)), "keyslots[0].value", nil},
		{"value of an odd length", file(entry(aes128, "0x"+secret+"1")), "keyslots[0].value", nil},
		{"value not hexadecimal", file(entry(aes128, "0x"+secret[:30]+"xy")), "keyslots[0].value", nil},
		{"value too long", file(entry(aes128, "0x"+secret+"00")), "keyslots[0].value", cracen.ErrInvalidArgument},
		{"value too short", file(entry(aes128, "0x"+secret[2:])), "keyslots[0].value", cracen.ErrInvalidArgument},
		{"value empty", file(entry(aes128, "")), "keyslots[0].value", nil},
		{"value 0x", file(entry(aes128, "0x")), "keyslots[0].value", cracen.ErrInvalidArgument},
		{"TRNG of another size", file(entry(aes128, "TRNG:32")), "keyslots[0].value", nil},
		{"TRNG without a size", file(entry(aes128, "TRNG:")), "keyslots[0].value", nil},
		{"TRNG of a size with a sign", file(entry(aes128, "TRNG:+16")), "keyslots[0].value", nil},
		{"TRNG of a size with a zero", file(entry(aes128, "TRNG:016")), "keyslots[0].value", nil},
		{"TRNG of a huge size", file(entry(aes128, "TRNG:99999999999999999999")), "keyslots[0].value", nil},
		{"trng", file(entry(aes128, "trng:16")), "keyslots[0].value", nil},
		{"TRNG for a public key", file(entry(ed25519, "TRNG:32")), "keyslots[0].value", nil},

		{"the same slot twice", file(good, entry(seed, "TRNG:48"), good), "keyslots[2]", nil},
		{"overlapping slots", file(good,
			entry(with(aes128, func(a *cracen.Attributes) { a.Bits = 256; a.ID-- }), "0x"+secret+secret)), "keyslots[1]", nil},
		{"the fourth one", file(good,
			entry(with(aes128, func(a *cracen.Attributes) { a.ID++ }), "0x"+secret), entry(seed, "TRNG:48"),
			entry(with(aes128, func(a *cracen.Attributes) { a.ID += 2 }), "0x"+secret+"ff")), "keyslots[3].value", cracen.ErrInvalidArgument},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keys, err := Parse([]byte(tt.text))
			var e *Error
			if !errors.As(err, &e) || keys != nil {
				t.Fatalf("%v, %v", keys, err)
			}
			if e.Path != tt.path || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("at %q: %v, want it at %q, %v", e.Path, err, tt.path, tt.is)
			}
			if !strings.HasPrefix(err.Error(), "key file: ") || tt.path != "" && !strings.Contains(err.Error(), " "+tt.path+": ") {
				t.Errorf("%v", err)
			}
			if echoes(err.Error()) {
				t.Errorf("says what the value is: %v", err)
			}
			t.Log(err)
		})
	}
	if _, err := Parse(make([]byte, MaxSize+1)); err == nil {
		t.Error("a huge file passed")
	}
}

// echoes reports whether text has a piece of secret in it.
func echoes(text string) bool {
	text = strings.ToLower(text)
	for i := 0; i+6 <= len(secret); i++ {
		if strings.Contains(text, secret[i:i+6]) {
			return true
		}
	}
	return false
}

// TestProvision takes a file to a device.
func TestProvision(t *testing.T) {
	cells, err := keycells.Memory(kmu54l.CellsSize)
	if err != nil {
		t.Fatal(err)
	}
	defer cells.Close()
	e, err := cracen.NewEngine(0x20000000)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	k, err := kmu54l.New(cells, kmu54l.Config{
		Writable:     func() bool { return true },
		EnableWrites: func() func() { return func() {} },
		Source:       func(uint32, []byte) error { return errors.New("no RAM") },
		Destination:  e,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	c, err := cracen.New(e, k, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	encrypted := with(aes128, func(a *cracen.Attributes) { a.ID = cracen.KeyID(cracen.Encrypted, 50) })
	keys, err := Parse([]byte(file(entry(aes128, "0x"+secret), entry(ed25519, "0x"+secret+secret),
		entry(encrypted, "0x"+secret), entry(inv, "TRNG:32"), entry(seed, "TRNG:48"))))
	if err != nil {
		t.Fatal(err)
	}
	for i := range keys {
		if err := keys[i].Provision(c); err != nil {
			t.Fatal(err)
		}
	}
	if !c.HasRootKeys() {
		t.Error("no seed")
	}
	for id, want := range map[uint32]string{aes128.ID: secret, encrypted.ID: secret, ed25519.ID: secret + secret} {
		err := c.Use(id, func(key []byte) error {
			if hex.EncodeToString(key) != want {
				t.Errorf("key 0x%08x has another value", id)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	err = keys[0].Provision(c)
	var at *Error
	if !errors.Is(err, cracen.ErrAlreadyExists) || !errors.As(err, &at) || at.Path != "keyslots[4]" {
		t.Errorf("a second time: %v", err)
	}
}

func TestDoesNotPrint(t *testing.T) {
	keys, err := Parse([]byte(file(entry(aes128, "0x"+secret))))
	if err != nil {
		t.Fatal(err)
	}
	v := keys[0].Value
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("key", "value", v, "copy", *v, "key", keys[0])
	out := fmt.Sprintf("%v %+v %#v %x %s %q %v", v, v, *v, v, *v, v, keys) + log.String()
	if echoes(out) || strings.Contains(out, "192 255 238") || strings.Contains(out, "0xc0, 0xff") {
		t.Errorf("prints the key: %s", out)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(file(entry(aes128, "0x"+secret), entry(ed25519, "0x"+secret+secret), entry(seed, "TRNG:48"))))
	f.Add([]byte(file(entry(aes128, "TRNG:16"))))
	f.Add([]byte(`{"version": 0, "keyslots": [null]}`))
	f.Add([]byte(`{"version": 0, "keyslots": []}`))
	f.Add([]byte(`[1`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := Parse(data)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || keys != nil {
				t.Errorf("%v, %#v", keys, err)
			}
			if bytes.Contains(bytes.ToLower(data), []byte(secret)) && echoes(err.Error()) {
				t.Errorf("says what the value is: %v", err)
			}
			return
		}
		// What is accepted is a file that, written anew, is the same keys.
		var entries []string
		for i := range keys {
			value := fmt.Sprintf("TRNG:%d", keys[i].Attributes.ValueSize())
			if v := keys[i].Value; v != nil {
				value = fmt.Sprintf("0x%x", v.b)
			}
			entries = append(entries, entry(keys[i].Attributes, value))
		}
		again, err := Parse([]byte(file(entries...)))
		if err != nil || len(again) != len(keys) {
			t.Fatalf("%d keys, then %d: %v", len(keys), len(again), err)
		}
		for i := range keys {
			if keys[i].Attributes != again[i].Attributes || keys[i].Placement != again[i].Placement {
				t.Errorf("%+v, then %+v", keys[i], again[i])
			}
		}
	})
}
