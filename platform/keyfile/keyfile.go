// Package keyfile reads the key provisioning file of nRF Util (nrfutil device
// x-provision-keys): the keys that go into the nRF54L's KMU, as JSON:
//
//	{"version": 0, "keyslots": [
//	    {"metadata": "0x<hex>", "value": "0x<hex>"},
//	    {"metadata": "0x<hex>", "value": "TRNG:<bytes>"}]}
//
// metadata is a packed psa_key_attributes (see attributes.go). value is the key,
// most significant digit first as PSA Crypto would import it, or how many bytes the
// device is to make itself.
//
// It reads strictly: each member once, no other members, nothing after the end,
// and only keys that the device would take, so that a file is wrong before any
// slot is written. Every error names its place in the file and never the value
// that stands there.
//
// Called by provisioning, with a file that its owner trusts to hold keys, and that
// is untrusted as text. Values are in a type that does not print; the text of the
// file is the caller's, and what encoding/json has copied of it stays in memory
// until it is used again.
package keyfile

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-spe/postern/platform/cracen"
)

// MaxSize is the size of the largest file that is read, in bytes.
const MaxSize = 1 << 20

// Error is what is wrong with a file, and where: Path is as of JavaScript, as
// "keyslots[3].value", and empty for the file as a whole.
type Error struct {
	Path string
	Err  error
}

func (e *Error) Error() string {
	if e.Path == "" {
		return "key file: " + e.Err.Error()
	}
	return "key file: " + e.Path + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Value is a key's value. It prints as a fixed word, and does not compare with ==.
type Value struct {
	_ [0]func()
	b []byte
}

// Len returns the size of the value in bytes.
func (v *Value) Len() int { return len(v.b) }

// Destroy wipes the value.
func (v *Value) Destroy() { clear(v.b) }

// Format prints a fixed word.
func (v Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[key]") }

// LogValue prints a fixed word.
func (v Value) LogValue() slog.Value { return slog.StringValue("[key]") }

// Key is one entry of a file.
type Key struct {
	Path       string // "keyslots[3]"
	Attributes cracen.Attributes
	Placement  cracen.Placement
	// Value is nil for a key that the device makes itself.
	Value *Value
}

// Provisioner takes keys: *cracen.CRACEN.
type Provisioner interface {
	Provision(a cracen.Attributes, value []byte) error
	ProvisionRandom(a cracen.Attributes) error
}

// Provision puts the key into its slots. An error names its place in the file.
func (k *Key) Provision(to Provisioner) error {
	var err error
	if k.Value == nil {
		err = to.ProvisionRandom(k.Attributes)
	} else {
		err = to.Provision(k.Attributes, k.Value.b)
	}
	if err != nil {
		return &Error{k.Path, err}
	}
	return nil
}

// Destroy wipes the value, where there is one.
func (k *Key) Destroy() {
	if k.Value != nil {
		k.Value.Destroy()
	}
}

// Parse reads a file, and returns its keys in the order in which the device takes
// them: the seed first, which ENCRYPTED keys need, then the random bytes that the
// first PROTECTED key would bring otherwise, then the others as in the file. The
// caller destroys the keys. An error is an *Error; where the device would not take
// a key it wraps that reason of package cracen.
func Parse(data []byte) ([]Key, error) {
	if len(data) > MaxSize {
		return nil, &Error{"", fmt.Errorf("%d bytes are more than %d", len(data), MaxSize)}
	}
	slots, err := decode(data)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, 0, len(slots))
	fail := func(err error) ([]Key, error) {
		for i := range keys {
			keys[i].Destroy()
		}
		return nil, err
	}
	for i, s := range slots {
		path := fmt.Sprintf("keyslots[%d]", i)
		k, err := parseKey(path, s)
		if err != nil {
			return fail(err)
		}
		for _, other := range keys {
			if k.Placement.Overlaps(other.Placement) {
				k.Destroy()
				return fail(&Error{path, fmt.Errorf("%v: taken by %s, %v", k.Placement, other.Path, other.Placement)})
			}
		}
		keys = append(keys, k)
	}
	slices.SortStableFunc(keys, func(a, b Key) int { return a.rank() - b.rank() })
	return keys, nil
}

// rank is the key's place in the order of provisioning.
func (k *Key) rank() int {
	switch k.Placement.First {
	case cracen.SlotSeed:
		return 0
	case cracen.SlotInvalidation:
		return 1
	}
	return 2
}

func parseKey(path string, s keySlot) (Key, error) {
	k := Key{Path: path}
	packed, err := parseHex(s.metadata)
	if err == nil {
		k.Attributes, err = unpack(packed)
	}
	if err == nil {
		k.Placement, err = k.Attributes.Place()
	}
	if err != nil {
		return Key{}, &Error{path + ".metadata", err}
	}
	if k.Value, err = parseValue(s.value, k.Attributes); err != nil {
		return Key{}, &Error{path + ".value", err}
	}
	return k, nil
}

// parseValue returns the value, or nil for one that the device makes.
func parseValue(text string, a cracen.Attributes) (*Value, error) {
	if n, ok := strings.CutPrefix(text, "TRNG:"); ok {
		size, err := strconv.ParseUint(n, 10, 16)
		switch {
		case err != nil || strconv.FormatUint(size, 10) != n:
			return nil, errors.New("TRNG: is not followed by a number of bytes")
		case a.IsPublic():
			return nil, errors.New("TRNG: a public key is not made of random bytes")
		case int(size) != a.ValueSize():
			return nil, fmt.Errorf("TRNG: %d bytes; a key of type 0x%04x and %d bits has %d", size, a.Type, a.Bits, a.ValueSize())
		}
		return nil, nil
	}
	b, err := parseHex(text)
	if err != nil {
		return nil, err
	}
	if err := a.CheckValue(b); err != nil {
		clear(b)
		return nil, err
	}
	return &Value{b: b}, nil
}

// parseHex never says what it was given.
func parseHex(text string) ([]byte, error) {
	digits, ok := strings.CutPrefix(text, "0x")
	if !ok {
		return nil, errors.New("not 0x and hexadecimal digits")
	}
	if len(digits)%2 != 0 {
		return nil, errors.New("an odd number of hexadecimal digits")
	}
	b := make([]byte, hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(b, []byte(digits)); err != nil {
		clear(b)
		return nil, errors.New("not 0x and hexadecimal digits")
	}
	return b, nil
}
