package token

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"

	"github.com/fxamacker/cbor/v2"

	"github.com/postern-spe/postern/veneer/psa"
)

// The names of the claims in errors and in Describe.
const (
	nameProfile        = "profile"
	nameNonce          = "challenge"
	nameInstanceID     = "instance ID"
	nameImplementation = "implementation ID"
	nameBootSeed       = "boot seed"
	nameClientID       = "client ID"
	nameLifecycle      = "lifecycle"
	nameReference      = "certification reference"
	nameComponents     = "software components"
	nameNoMeasurements = "no software measurements"
	nameVerification   = "verification service"
)

// legacy are the claim keys of PSA_IOT_PROFILE_1, as the CBOR library decodes
// them: negative numbers are int64, others uint64.
var legacy = map[any]string{
	int64(-75000): nameProfile,
	int64(-75001): nameClientID,
	int64(-75002): nameLifecycle,
	int64(-75003): nameImplementation,
	int64(-75004): nameBootSeed,
	int64(-75005): nameReference,
	int64(-75006): nameComponents,
	int64(-75007): nameNoMeasurements,
	int64(-75008): nameNonce,
	int64(-75009): nameInstanceID,
	int64(-75010): nameVerification,
}

// current are the claim keys of RFC 9783 and of its drafts.
var current = map[any]string{
	uint64(10):   nameNonce,
	uint64(256):  nameInstanceID,
	uint64(265):  nameProfile,
	uint64(268):  nameBootSeed,
	uint64(2394): nameClientID,
	uint64(2395): nameLifecycle,
	uint64(2396): nameImplementation,
	uint64(2398): nameReference,
	uint64(2399): nameComponents,
	uint64(2400): nameVerification,
}

// The CBOR major types (RFC 8949, section 3.1).
const (
	majorUnsigned = iota
	majorNegative
	majorBytes
	majorText
	majorArray
	majorMap
)

// decoder reads CBOR strictly.
type decoder struct{ mode cbor.DecMode }

func newDecoder() (*decoder, error) {
	mode, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		MaxNestedLevels:  8,
		MaxArrayElements: 64,
		MaxMapPairs:      64,
		// Byte strings as map keys, which a foreign claim may have, need a type
		// that Go can use as one.
		DefaultByteStringType: reflect.TypeFor[cbor.ByteString](),
	}.DecMode()
	if err != nil {
		return nil, err
	}
	return &decoder{mode}, nil
}

// claims reads the payload of a token.
func (d *decoder) claims(payload []byte) (*Claims, error) {
	if majorOf(payload) != majorMap {
		return nil, malformed("the payload is not a map of claims")
	}
	var raw map[any]cbor.RawMessage
	if err := d.mode.Unmarshal(payload, &raw); err != nil {
		return nil, malformed("payload: %v", err)
	}
	c, profile := new(Claims), ""
	for key, value := range raw {
		name, of := nameOf(key)
		if name == "" {
			// The claim is not understood, and need not be; but what a token
			// holds is valid CBOR all through.
			var ignored any
			if err := d.mode.Unmarshal(value, &ignored); err != nil {
				return nil, malformed("claim %s: %v", keyText(key), err)
			}
			c.Other = append(c.Other, keyText(key))
			continue
		}
		if profile != "" && profile != of {
			return nil, malformed("claims of two profiles")
		}
		profile = of
		if err := d.claim(c, name, value); err != nil {
			return nil, err
		}
	}
	slices.Sort(c.Other)
	// The legacy profile's own claim is optional: its keys name it too.
	if c.Profile == "" && profile == ProfileLegacy {
		c.Profile = ProfileLegacy
	}
	if (c.Profile == ProfileLegacy) != (profile == ProfileLegacy) {
		return nil, malformed("the profile is %q, but the claims are of another", c.Profile)
	}
	return c, nil
}

// nameOf returns the name of a claim that a profile knows, and whose key it is:
// ProfileLegacy, or ProfileTFM for RFC 9783 and its drafts alike.
func nameOf(key any) (name, profile string) {
	if name, ok := legacy[key]; ok {
		return name, ProfileLegacy
	}
	return current[key], ProfileTFM
}

// keyText returns a claim's key as text, in the way of CBOR's diagnostic
// notation.
func keyText(key any) string {
	switch k := key.(type) {
	case string:
		return strconv.Quote(k)
	case cbor.ByteString:
		return fmt.Sprintf("h'%x'", string(k))
	}
	return fmt.Sprint(key)
}

// claim reads one claim.
func (d *decoder) claim(c *Claims, name string, raw cbor.RawMessage) error {
	switch name {
	case nameProfile:
		return d.text(name, raw, &c.Profile)
	case nameNonce:
		return d.bytes(name, raw, &c.Nonce)
	case nameInstanceID:
		return d.bytes(name, raw, &c.InstanceID)
	case nameImplementation:
		return d.bytes(name, raw, &c.ImplementationID)
	case nameBootSeed:
		return d.bytes(name, raw, &c.BootSeed)
	case nameReference:
		return d.text(name, raw, &c.CertificationReference)
	case nameVerification:
		return d.text(name, raw, &c.VerificationService)
	case nameComponents:
		return d.components(name, raw, &c.SoftwareComponents)
	case nameClientID:
		n, err := d.integer(name, raw, math.MinInt32, math.MaxInt32)
		id := int32(n)
		c.ClientID = &id
		return err
	case nameLifecycle:
		n, err := d.integer(name, raw, 0, math.MaxUint16)
		l := psa.Lifecycle(n)
		c.Lifecycle = &l
		return err
	case nameNoMeasurements:
		n, err := d.integer(name, raw, 1, 1)
		c.NoSoftwareMeasurements = n == 1
		return err
	}
	panic("token: a claim that is named and not read: " + name)
}

func (d *decoder) components(name string, raw cbor.RawMessage, to *[]Component) error {
	var list []cbor.RawMessage
	if err := d.value(name, raw, majorArray, &list); err != nil {
		return err
	}
	for i, item := range list {
		var c Component
		where := fmt.Sprintf("%s[%d]", name, i)
		var fields map[any]cbor.RawMessage
		if err := d.value(where, item, majorMap, &fields); err != nil {
			return err
		}
		for key, value := range fields {
			var err error
			switch key {
			case uint64(1):
				err = d.text(where+" type", value, &c.Type)
			case uint64(2):
				err = d.bytes(where+" measurement", value, &c.Measurement)
			case uint64(4):
				err = d.text(where+" version", value, &c.Version)
			case uint64(5):
				err = d.bytes(where+" signer ID", value, &c.SignerID)
			case uint64(6):
				err = d.text(where+" description", value, &c.Description)
			}
			if err != nil {
				return err
			}
		}
		*to = append(*to, c)
	}
	return nil
}

// value reads a value of one major type. Without that check the library would
// take null for any of them, and an array of numbers for bytes.
func (d *decoder) value(name string, raw cbor.RawMessage, major int, to any) error {
	if majorOf(raw) != major {
		return CheckEncoding.failed(name, "not of the type that the claim has")
	}
	if err := d.mode.Unmarshal(raw, to); err != nil {
		return CheckEncoding.failed(name, "%v", err)
	}
	return nil
}

func (d *decoder) bytes(name string, raw cbor.RawMessage, to *Hex) error {
	return d.value(name, raw, majorBytes, (*[]byte)(to))
}

func (d *decoder) text(name string, raw cbor.RawMessage, to *string) error {
	return d.value(name, raw, majorText, to)
}

func (d *decoder) integer(name string, raw cbor.RawMessage, min, max int64) (int64, error) {
	var n int64
	major := majorUnsigned
	if majorOf(raw) == majorNegative {
		major = majorNegative
	}
	if err := d.value(name, raw, major, &n); err != nil {
		return 0, err
	}
	if n < min || n > max {
		return 0, CheckEncoding.failed(name, "%d is not in %d..%d", n, min, max)
	}
	return n, nil
}

// majorOf returns the major type of an encoded value, or -1 where there is none.
func majorOf(raw []byte) int {
	if len(raw) == 0 {
		return -1
	}
	return int(raw[0] >> 5)
}
