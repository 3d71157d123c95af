package platform

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/cryptocell"
	"github.com/postern-spe/postern/platform/keyfile"
)

// implementationVersion goes into the default implementation identifier,
// together with the board's name: it changes when the emulated root of trust
// does.
const implementationVersion = "1"

// ProvisionOptions is what a device is made with. The zero value is a device of
// the default board with random keys.
type ProvisionOptions struct {
	// Board is the board's name; empty is that of the wiped device that is there,
	// or board.Default.
	Board string
	// IAK is the attestation key, cryptocell.ScalarSize bytes; nil makes a
	// random one that nobody ever sees. The caller wipes it. Boards with CRACEN
	// derive theirs from the seed, and take none.
	IAK cryptocell.Scalar
	// ImplementationID is ImplementationIDSize bytes; nil derives it from the
	// board's name and the version of this emulation, so that devices of one
	// kind have the same.
	ImplementationID []byte
	// RoTPublicKeyHash is the SHA-256 of the public key whose images the device
	// boots, SignerIDSize bytes; nil takes a key made for this device and
	// forgotten.
	RoTPublicKeyHash []byte
	// Debug is who may use the debug port.
	Debug DebugPolicy
	// Keys are put into the slots of the KMU; for boards with CRACEN.
	Keys []keyfile.Key
	// Layout is where areas are that are not where the board's table has them. It
	// says so by a *board.PlacementError if that cannot be.
	Layout []board.Placement
	// ITS is how the secure image has Internal Trusted Storage.
	ITS ITSOptions
}

// DebugPolicy is who may use the debug port of a device. An ERASEALL is open to
// everybody.
type DebugPolicy string

const (
	// DebugLocked: nobody. UICR.APPROTECT and SECUREAPPROTECT are protected.
	DebugLocked DebugPolicy = "locked"
	// DebugNonSecure: a debugger sees what non-secure code sees.
	DebugNonSecure DebugPolicy = "non-secure"
	// DebugOpen: a debugger sees everything but the keys.
	DebugOpen DebugPolicy = "open"
	// DebugUnlock: as DebugOpen, for who knows the device's debug key. The
	// firmware keeps the port closed otherwise, where the silicon lets it.
	DebugUnlock DebugPolicy = "unlock"
)

// DebugPolicies returns all policies, the default first.
func DebugPolicies() []string {
	return []string{string(DebugLocked), string(DebugNonSecure), string(DebugOpen), string(DebugUnlock)}
}

// resolve checks the options and fills in what they leave open.
func (o *ProvisionOptions) resolve() (*Provisioned, *board.Board, error) {
	name := o.Board
	if name == "" {
		name = board.Default
	}
	b, ok := board.Lookup(name)
	if !ok {
		return nil, nil, fmt.Errorf("platform: no board %q; there is %s", name, strings.Join(board.Names(), ", "))
	}
	if err := o.check(b); err != nil {
		return nil, nil, err
	}
	if err := b.Place(o.Layout); err != nil {
		return nil, nil, fmt.Errorf("platform: %w", err)
	}
	id := make([]byte, deviceIDBytes)
	rand.Read(id)
	p := &Provisioned{Board: name, DeviceID: hex.EncodeToString(id)}
	if err := orDefault(p.ImplementationID[:], o.ImplementationID, "implementation identifier", func() ([]byte, error) {
		return []byte("postern\x00" + name + "\x00" + implementationVersion), nil
	}); err != nil {
		return nil, nil, err
	}
	if err := orDefault(p.SignerID[:], o.RoTPublicKeyHash, "root-of-trust public key hash", func() ([]byte, error) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		return key.PublicKey.Bytes()
	}); err != nil {
		return nil, nil, err
	}
	return p, b, nil
}

// check finds what the board cannot do.
func (o *ProvisionOptions) check(b *board.Board) error {
	if o.Debug == "" {
		o.Debug = DebugLocked
	}
	if err := o.ITS.Check(); err != nil {
		return fmt.Errorf("platform: Internal Trusted Storage: %w", err)
	}
	cracen := b.KeyHardware == board.CRACEN
	switch {
	case !slices.Contains(DebugPolicies(), string(o.Debug)):
		return fmt.Errorf("platform: no debug policy %q; there is %s", o.Debug, strings.Join(DebugPolicies(), ", "))
	case o.Debug == DebugUnlock && !chipOf(b).softwareUnlock:
		return fmt.Errorf("platform: the %s has no unlocking by software: its UICR alone decides", b.Name)
	case o.IAK != nil && cracen:
		return fmt.Errorf("platform: the %s derives its identity key from the seed in the KMU and takes none", b.Name)
	case o.IAK != nil:
		return o.IAK.Check()
	case len(o.Keys) > 0 && !cracen:
		return fmt.Errorf("platform: a key file is for boards with CRACEN; the %s has a %s", b.Name, b.KeyHardware)
	}
	return nil
}

// orDefault copies a value of exactly len(dst) bytes, or the hash of what
// preimage gives where there is no value.
func orDefault(dst, value []byte, what string, preimage func() ([]byte, error)) error {
	if value != nil {
		if len(value) != len(dst) || allErased(value) {
			return fmt.Errorf("platform: the %s is %d bytes, not all 0xFF", what, len(dst))
		}
		copy(dst, value)
		return nil
	}
	in, err := preimage()
	if err != nil {
		return err
	}
	hash := sha256.Sum256(in)
	copy(dst, hash[:])
	return nil
}
