package attestation

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/veraison/go-cose"
)

// profile is the EAT profile of the tokens (RFC 9783, section 5.2).
const profile = "tag:psacertified.org,2023:psa#tfm"

// claimSet is the payload of a token (RFC 9783, section 4). The numbers are the
// claim keys of CWT, EAT and RFC 9783.
type claimSet struct {
	Nonce                  []byte         `cbor:"10,keyasint"`
	InstanceID             []byte         `cbor:"256,keyasint"` // EAT's UEID
	Profile                string         `cbor:"265,keyasint"`
	BootSeed               []byte         `cbor:"268,keyasint"`
	ClientID               int32          `cbor:"2394,keyasint"`
	Lifecycle              uint32         `cbor:"2395,keyasint"`
	ImplementationID       []byte         `cbor:"2396,keyasint"`
	CertificationReference string         `cbor:"2398,keyasint,omitempty"`
	SoftwareComponents     []componentSet `cbor:"2399,keyasint"`
	VerificationService    string         `cbor:"2400,keyasint,omitempty"`
}

// componentSet is one software component of a token (RFC 9783, section 4.4.1).
// Key 3 has no meaning any more.
type componentSet struct {
	Type        string `cbor:"1,keyasint,omitempty"`
	Measurement []byte `cbor:"2,keyasint"`
	Version     string `cbor:"4,keyasint,omitempty"`
	SignerID    []byte `cbor:"5,keyasint"`
	Description string `cbor:"6,keyasint,omitempty"`
}

// claims returns what there is to say without the identity key.
func (p *partition) claims(challenge []byte, clientID int32) *claimSet {
	seed, implementation := p.cfg.Device.BootSeed(), p.cfg.Device.ImplementationID()
	c := &claimSet{
		Nonce:                  challenge,
		Profile:                profile,
		BootSeed:               seed[:],
		ClientID:               clientID,
		Lifecycle:              p.cfg.Device.Lifecycle(),
		ImplementationID:       implementation[:],
		CertificationReference: p.cfg.CertificationReference,
		VerificationService:    p.cfg.VerificationService,
	}
	for _, s := range p.cfg.Device.SoftwareComponents() {
		c.SoftwareComponents = append(c.SoftwareComponents, componentSet(s))
	}
	return c
}

// message returns the unsigned token for a client, or why there can be none.
func (p *partition) message(challenge []byte, clientID int32) (*cose.Sign1Message, error) {
	if p.instanceID == nil {
		id, err := p.codec.instanceID(p.key)
		if err != nil {
			return nil, err
		}
		p.instanceID = id
	}
	c := p.claims(challenge, clientID)
	c.InstanceID = p.instanceID
	if err := c.check(); err != nil {
		return nil, err
	}
	return p.codec.message(c)
}

// check refuses claims that RFC 9783 does not allow: a token that no verifier
// accepts helps nobody.
func (c *claimSet) check() error {
	switch {
	case c.ClientID == 0:
		return errors.New("a client ID of 0")
	case c.Lifecycle > math.MaxUint16:
		return fmt.Errorf("lifecycle 0x%x is not 16 bits", c.Lifecycle)
	case len(c.SoftwareComponents) == 0:
		return errors.New("the device reports no software component")
	}
	for i, s := range c.SoftwareComponents {
		if !validHash(s.Measurement) || !validHash(s.SignerID) {
			return fmt.Errorf("software component %d: a measurement of %d bytes by a signer with an ID of %d; both are hashes", i, len(s.Measurement), len(s.SignerID))
		}
	}
	return nil
}

// validHash reports whether b has a size that psa-hash-type allows.
func validHash(b []byte) bool { return slices.Contains([]int{32, 48, 64}, len(b)) }

// validReference reports whether s is a certification reference: an EAN-13, a
// hyphen and five digits of version (RFC 9783, section 4.2.3).
func validReference(s string) bool {
	number, version, found := strings.Cut(s, "-")
	return found && len(number) == 13 && len(version) == 5 && allDigits(number) && allDigits(version)
}

func allDigits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}
