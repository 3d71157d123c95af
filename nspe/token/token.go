// Package token reads attestation tokens, on the side of the relying party: it
// shows what a token says and verifies that a device said it. It needs no secure
// world, only the device's public attestation key and the challenge that was
// sent.
//
// A token is a COSE_Sign1 structure (RFC 9052) around the claims of RFC 9783,
// profile tag:psacertified.org,2023:psa#tfm. The two older profiles in use, the
// draft's and PSA_IOT_PROFILE_1, are read as well; each is verified by its own
// rules. Tokens with a symmetric key (COSE_Mac0) are refused.
//
// Every byte of a token is the attacker's until Verify has returned nil. Parse
// judges the form alone: a Token from Parse can be printed, not trusted.
package token

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"

	"github.com/postern-spe/postern/veneer/psa"
)

// MaxSize is the largest token that Parse reads, in bytes. Tokens of the PSA
// profiles are well below 1 KiB.
const MaxSize = 16 << 10

// The profiles that are understood.
const (
	// ProfileTFM is RFC 9783's.
	ProfileTFM = "tag:psacertified.org,2023:psa#tfm"
	// ProfileDraft is that of the drafts before it.
	ProfileDraft = "http://arm.com/psa/2.0.0"
	// ProfileLegacy is that of the PSA Attestation API 1.0.
	ProfileLegacy = "PSA_IOT_PROFILE_1"
)

// Hex is bytes that are written in hexadecimal.
type Hex []byte

func (h Hex) String() string { return hex.EncodeToString(h) }

// MarshalText implements encoding.TextMarshaler.
func (h Hex) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// Claims are what a token says. A claim that is absent is nil or empty.
type Claims struct {
	Profile          string         `json:"profile,omitempty"`
	Nonce            Hex            `json:"nonce,omitempty"`       // the challenge: 32, 48 or 64 bytes
	InstanceID       Hex            `json:"instance_id,omitempty"` // of the device: 33 bytes, the first 0x01
	ImplementationID Hex            `json:"implementation_id,omitempty"`
	BootSeed         Hex            `json:"boot_seed,omitempty"` // 8 to 32 bytes
	ClientID         *int32         `json:"client_id,omitempty"` // who asked: negative for non-secure callers
	Lifecycle        *psa.Lifecycle `json:"lifecycle,omitempty"`
	// CertificationReference names a PSA certificate.
	CertificationReference string      `json:"certification_reference,omitempty"`
	SoftwareComponents     []Component `json:"software_components,omitempty"`
	// NoSoftwareMeasurements is the legacy profile's word for a device that
	// measures nothing.
	NoSoftwareMeasurements bool   `json:"no_software_measurements,omitempty"`
	VerificationService    string `json:"verification_service,omitempty"`
	// Other are the keys of the claims that no profile here knows, in
	// ascending order; RFC 9783 lets a token have any.
	Other []string `json:"other_claims,omitempty"`
}

// Component is one measured piece of software.
type Component struct {
	Type        string `json:"type,omitempty"`
	Measurement Hex    `json:"measurement,omitempty"`
	Version     string `json:"version,omitempty"`
	SignerID    Hex    `json:"signer_id,omitempty"`
	Description string `json:"description,omitempty"` // how it was measured
}

// Token is a token that was read, and not yet verified.
type Token struct {
	Claims
	// Algorithm is that of the signature as the token names it, such as
	// "ES256".
	Algorithm string

	message *cose.Sign1Message
}

// Parse reads a token of at most MaxSize bytes. It refuses, with an *Error of
// CheckEncoding, whatever is not one COSE_Sign1 structure, tag 18, around one
// CBOR map: bytes left over, duplicate keys, indefinite lengths, a claim of the
// wrong type, claims of two profiles. Missing claims are Verify's to find.
//
// The token does not keep data.
func Parse(data []byte) (*Token, error) {
	switch {
	case len(data) > MaxSize:
		return nil, malformed("%d bytes, of at most %d", len(data), MaxSize)
	case len(data) > 0 && data[0] == tagMac0:
		return nil, malformed("a COSE_Mac0 token: it is verified with a symmetric key, which is not supported")
	}
	var message cose.Sign1Message
	if err := message.UnmarshalCBOR(data); err != nil {
		return nil, &Error{Check: CheckEncoding, Reason: "not a COSE_Sign1 structure: " + err.Error()}
	}
	if message.Payload == nil {
		return nil, malformed("no payload")
	}
	alg, err := message.Headers.Protected.Algorithm()
	if err != nil {
		return nil, malformed("protected header: %v", err)
	}
	// What is critical must be understood (RFC 9052, section 3.1), and no
	// extension is.
	if crit, err := message.Headers.Protected.Critical(); err != nil || len(crit) > 0 {
		return nil, malformed("protected header: critical parameters that are not understood")
	}
	d, err := newDecoder()
	if err != nil {
		return nil, err
	}
	claims, err := d.claims(message.Payload)
	if err != nil {
		return nil, err
	}
	return &Token{Claims: *claims, Algorithm: alg.String(), message: &message}, nil
}

// tagMac0 is the first byte of a COSE_Mac0 structure, CBOR tag 17.
const tagMac0 = 0xd1

// MarshalJSON writes the claims under readable names, bytes in hexadecimal.
func (t *Token) MarshalJSON() ([]byte, error) {
	var state string
	if t.Lifecycle != nil {
		state = t.Lifecycle.String()
	}
	return json.Marshal(struct {
		Algorithm string `json:"algorithm"`
		Claims
		State string `json:"lifecycle_state,omitempty"`
	}{t.Algorithm, t.Claims, state})
}

// InstanceID returns the instance ID that TF-M and Postern give to a device with
// this attestation key, on P-256: 0x01 and the SHA-256 of the key as a
// CBOR-encoded COSE_Key. RFC 9783 leaves the rule to the device, so Verify does
// not ask for it.
func InstanceID(pub *ecdsa.PublicKey) ([33]byte, error) {
	var id [33]byte
	point, err := pub.Bytes()
	if err != nil {
		return id, err
	}
	if len(point) != 65 {
		return id, fmt.Errorf("the key is not on P-256")
	}
	key, err := cbor.Marshal(struct {
		Type  int    `cbor:"1,keyasint"`
		Curve int    `cbor:"-1,keyasint"`
		X     []byte `cbor:"-2,keyasint"`
		Y     []byte `cbor:"-3,keyasint"`
	}{2, 1, point[1:33], point[33:]})
	if err != nil {
		return id, err
	}
	hash := sha256.Sum256(key)
	id[0] = 0x01
	copy(id[1:], hash[:])
	return id, nil
}
