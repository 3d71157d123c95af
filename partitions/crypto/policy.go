package crypto

import (
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// checkNewKey checks the attributes of a key to be created, and extends its
// usage.
func checkNewKey(a *psa.KeyAttributes) error {
	switch {
	case a.Lifetime.Location() != psa.LocationLocal:
		return veneer.ErrInvalidArgument
	case a.Lifetime.IsVolatile() && a.ID != psa.NullKey:
		return veneer.ErrInvalidArgument
	case a.Lifetime.Persistence() == psa.PersistenceReadOnly:
		return veneer.ErrInvalidArgument
	case !a.Lifetime.IsVolatile() && a.Lifetime.Persistence() != psa.PersistenceDefault:
		return veneer.ErrNotSupported
	case !a.Lifetime.IsVolatile() && !a.ID.IsUser():
		return veneer.ErrInvalidArgument
	case a.Usage&^psa.UsageAll != 0:
		return veneer.ErrInvalidArgument
	case !a.Type.Valid():
		return veneer.ErrInvalidArgument
	}
	a.Usage = a.Usage.Extended()
	return nil
}

// permits checks that the key's policy allows an operation that needs the usage
// flag with alg. An alg of AlgNone asks for no algorithm.
func (k *key) permits(usage psa.Usage, alg psa.Algorithm) error {
	if k.attrs.Usage&usage != usage {
		return veneer.ErrNotPermitted
	}
	if alg.IsWildcard() {
		return veneer.ErrInvalidArgument
	}
	verifying := usage&(psa.UsageVerifyHash|psa.UsageVerifyMessage) != 0
	if !algorithmPermits(k.attrs.Algorithm, alg, verifying) &&
		!algorithmPermits(k.attrs.EnrollmentAlgorithm, alg, verifying) {
		return veneer.ErrNotPermitted
	}
	return nil
}

// algorithmPermits reports whether a policy's algorithm covers the one that is
// asked for (Crypto API 1.5, "Permitted algorithms").
func algorithmPermits(policy, alg psa.Algorithm, verifying bool) bool {
	if policy == psa.AlgNone || alg == psa.AlgNone {
		return false
	}
	if policy == alg {
		return true
	}
	switch {
	case alg.IsSignHash():
		// Randomised and deterministic signatures verify alike (since 1.4).
		if verifying && policy.IsECDSA() && alg.IsECDSA() {
			policy, alg = randomised(policy), randomised(alg)
		}
		return policy == alg || policy.Hash() == psa.AnyHash && policy|0xff == alg|0xff
	case alg.IsAEAD():
		return policy.IsAEAD() && samePolicyLength(policy, alg, policy.LengthField(), alg.LengthField())
	case alg.IsMAC():
		return policy.IsMAC() && samePolicyLength(policy, alg, policy.MACSize(), alg.MACSize())
	case alg.IsKeyAgreement():
		// A bare key agreement covers its combinations with any derivation.
		return policy.IsStandaloneKeyAgreement() && alg.KeyAgreementBase() == policy
	}
	return false
}

// randomised turns DETERMINISTIC_ECDSA(h) into ECDSA(h).
func randomised(a psa.Algorithm) psa.Algorithm { return a &^ 0x100 }

// samePolicyLength decides for MACs and AEADs, which must be the same apart from
// the length; a policy with a minimum takes what is longer, too.
func samePolicyLength(policy, alg psa.Algorithm, want, have int) bool {
	if policy.FullLength() != alg.FullLength() {
		return false
	}
	return have == want || policy.IsWildcard() && have > want
}

// intersect is the algorithm that two policies both allow, for copying keys.
func intersect(a, b psa.Algorithm) (psa.Algorithm, error) {
	switch {
	case a == b:
		return a, nil
	case a == psa.AlgNone || b == psa.AlgNone:
		return psa.AlgNone, nil
	case !a.IsWildcard() && algorithmPermits(b, a, false):
		return a, nil
	case !b.IsWildcard() && algorithmPermits(a, b, false):
		return b, nil
	case a.IsMAC() && b.IsMAC() || a.IsAEAD() && b.IsAEAD():
		// Two minimum lengths: the larger one.
		if a.IsWildcard() && b.IsWildcard() && a.FullLength() == b.FullLength() {
			return a.AtLeast(max(a.LengthField(), b.LengthField())), nil
		}
	}
	return 0, veneer.ErrInvalidArgument
}
