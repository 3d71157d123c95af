package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"slices"
	"strings"

	"github.com/veraison/go-cose"
)

// Verify checks that the holder of pub's private key made the token for the
// challenge, and that it has the claims that its profile demands. It returns
// nil, or an *Error that says which check failed; then nothing in the token is to
// be believed.
//
// The key is on P-256, P-384 or P-521, and fixes the algorithm. The challenge is
// what the relying party sent, once, to this device: it is what makes the token
// fresh. Whether the claims are good ones (the lifecycle, the measurements) is
// for the relying party to judge.
func (t *Token) Verify(pub *ecdsa.PublicKey, challenge []byte) error {
	if err := t.verifySignature(pub); err != nil {
		return err
	}
	if err := t.verifyProfile(); err != nil {
		return err
	}
	switch {
	case t.Nonce == nil:
		return CheckChallenge.failed("", "the token repeats none")
	case !bytes.Equal(t.Nonce, challenge):
		return CheckChallenge.failed("", "the token was made for another challenge: %s", t.Nonce)
	}
	return t.verifyClaims()
}

func (t *Token) verifySignature(pub *ecdsa.PublicKey) error {
	if pub == nil {
		return CheckAlgorithm.failed("", "no public key")
	}
	var alg cose.Algorithm
	switch pub.Curve {
	case elliptic.P256():
		alg = cose.AlgorithmES256
	case elliptic.P384():
		alg = cose.AlgorithmES384
	case elliptic.P521():
		alg = cose.AlgorithmES512
	default:
		return CheckAlgorithm.failed("", "the public key is not on P-256, P-384 or P-521")
	}
	// The key decides, never the token: or the attacker would choose.
	if t.Algorithm != alg.String() {
		return CheckAlgorithm.failed("", "the token says %s, the key is for %s", t.Algorithm, alg)
	}
	verifier, err := cose.NewVerifier(alg, pub)
	if err != nil {
		return CheckAlgorithm.failed("", "%v", err)
	}
	if err := t.message.Verify(nil, verifier); err != nil {
		return CheckSignature.failed("", "not made by this key, or changed since")
	}
	return nil
}

func (t *Token) verifyProfile() error {
	switch t.Profile {
	case ProfileTFM, ProfileDraft, ProfileLegacy:
		return nil
	case "":
		return CheckProfile.failed("", "the token names none")
	}
	return CheckProfile.failed("", "%q is not one that is understood", t.Profile)
}

// verifyClaims checks the claims that were read for presence and form (RFC 9783,
// section 4; PSA Attestation API 1.0 for the legacy profile).
func (t *Token) verifyClaims() error {
	old := t.Profile == ProfileLegacy
	for _, c := range []struct {
		name string
		ok   bool
		want string
	}{
		{nameNonce, slices.Contains([]int{32, 48, 64}, len(t.Nonce)), "32, 48 or 64 bytes"},
		{nameInstanceID, len(t.InstanceID) == 33 && t.InstanceID[0] == 0x01, "33 bytes, the first 0x01"},
		{nameImplementation, len(t.ImplementationID) == 32, "32 bytes"},
		{nameClientID, t.ClientID != nil && *t.ClientID != 0, "a number other than 0"},
		{nameLifecycle, t.Lifecycle != nil && *t.Lifecycle < 0x7000 && *t.Lifecycle&0x0f00 == 0, "one of the states of the PSA lifecycle"},
		{nameBootSeed, t.bootSeedOK(), "8 to 32 bytes, or 32 in the legacy profile"},
		{nameReference, old || t.CertificationReference == "" || referenceOK(t.CertificationReference), "13 digits, a hyphen and 5 digits"},
		{nameComponents, len(t.SoftwareComponents) > 0 || old && t.NoSoftwareMeasurements, "at least one"},
	} {
		if !c.ok {
			return CheckClaims.failed(c.name, "missing or not of the form that the profile demands: %s", c.want)
		}
	}
	for _, s := range t.SoftwareComponents {
		if !hashOK(s.Measurement) {
			return CheckClaims.failed(nameComponents, "one without a measurement of 32, 48 or 64 bytes")
		}
		if !hashOK(s.SignerID) && !(old && s.SignerID == nil) {
			return CheckClaims.failed(nameComponents, "one without a signer ID of 32, 48 or 64 bytes")
		}
	}
	return nil
}

// bootSeedOK: mandatory and of 32 bytes in the legacy profile, optional since.
func (t *Token) bootSeedOK() bool {
	if t.Profile == ProfileLegacy {
		return len(t.BootSeed) == 32
	}
	return t.BootSeed == nil || len(t.BootSeed) >= 8 && len(t.BootSeed) <= 32
}

func hashOK(b []byte) bool { return slices.Contains([]int{32, 48, 64}, len(b)) }

func referenceOK(s string) bool {
	number, version, found := strings.Cut(s, "-")
	notDigit := func(r rune) bool { return r < '0' || r > '9' }
	return found && len(number) == 13 && len(version) == 5 && !strings.ContainsFunc(number+version, notDigit)
}
