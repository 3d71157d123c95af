package psa

// The categories of algorithms (bits 30:24).
const (
	catHash      = 0x02
	catMAC       = 0x03
	catCipher    = 0x04
	catAEAD      = 0x05
	catSign      = 0x06
	catAsymEnc   = 0x07
	catKDF       = 0x08
	catAgreement = 0x09
)

func (a Algorithm) category() Algorithm { return a >> 24 & 0x7f }

// IsHash is PSA_ALG_IS_HASH.
func (a Algorithm) IsHash() bool { return a.category() == catHash }

// IsMAC is PSA_ALG_IS_MAC.
func (a Algorithm) IsMAC() bool { return a.category() == catMAC }

// IsCipher is PSA_ALG_IS_CIPHER.
func (a Algorithm) IsCipher() bool { return a.category() == catCipher }

// IsAEAD is PSA_ALG_IS_AEAD.
func (a Algorithm) IsAEAD() bool { return a.category() == catAEAD }

// IsSign is PSA_ALG_IS_SIGN.
func (a Algorithm) IsSign() bool { return a.category() == catSign }

// IsAsymmetricEncryption is PSA_ALG_IS_ASYMMETRIC_ENCRYPTION.
func (a Algorithm) IsAsymmetricEncryption() bool { return a.category() == catAsymEnc }

// IsKeyDerivation is PSA_ALG_IS_KEY_DERIVATION.
func (a Algorithm) IsKeyDerivation() bool { return a.category() == catKDF }

// IsKeyAgreement is PSA_ALG_IS_KEY_AGREEMENT, raw or combined with a derivation.
func (a Algorithm) IsKeyAgreement() bool { return a.category() == catAgreement }

// IsStandaloneKeyAgreement is PSA_ALG_IS_STANDALONE_KEY_AGREEMENT.
func (a Algorithm) IsStandaloneKeyAgreement() bool { return a&0x7f00ffff == 0x09000000 }

// KeyAgreementBase is PSA_ALG_KEY_AGREEMENT_GET_BASE.
func (a Algorithm) KeyAgreementBase() Algorithm { return a & 0xff7f0000 }

// KeyAgreementKDF is PSA_ALG_KEY_AGREEMENT_GET_KDF.
func (a Algorithm) KeyAgreementKDF() Algorithm { return a & 0xfe80ffff }

// IsECDH is PSA_ALG_IS_ECDH, raw or combined with a derivation.
func (a Algorithm) IsECDH() bool { return a&0x7fff0000 == ECDH }

// IsHMAC is PSA_ALG_IS_HMAC, and holds also for the minimum-length wildcard.
func (a Algorithm) IsHMAC() bool { return a&0x7fc0ff00&^algAtLeast == algHMACBase }

// IsBlockCipherMAC is PSA_ALG_IS_BLOCK_CIPHER_MAC.
func (a Algorithm) IsBlockCipherMAC() bool { return a&0x7fc00000 == 0x03c00000 }

// IsHKDF is PSA_ALG_IS_HKDF.
func (a Algorithm) IsHKDF() bool { return a&^algHashMask == algHKDFBase }

// IsECDSA is PSA_ALG_IS_ECDSA: randomised or deterministic, with any hash or
// none.
func (a Algorithm) IsECDSA() bool { return a&^0x1ff == algECDSABase }

// IsDeterministicECDSA is PSA_ALG_IS_DETERMINISTIC_ECDSA.
func (a Algorithm) IsDeterministicECDSA() bool { return a&^algHashMask == algDetECDSABase }

// IsGCM reports GCM with a tag of any length.
func (a Algorithm) IsGCM() bool { return a&^algTruncationFields == GCM&^algTruncationFields }

// isHashAndSign is PSA_ALG_IS_HASH_AND_SIGN for the signatures named here.
func (a Algorithm) isHashAndSign() bool {
	return a.IsECDSA() || a&^algHashMask == algPKCS1SignBase || a&^0x10ff == algPSSBase
}

// IsSignHash is PSA_ALG_IS_SIGN_HASH: the algorithm signs a hash.
func (a Algorithm) IsSignHash() bool { return a.isHashAndSign() }

// IsSignMessage is PSA_ALG_IS_SIGN_MESSAGE: the algorithm signs a message.
func (a Algorithm) IsSignMessage() bool {
	return a.IsSign() && a != ECDSAAny && a != algPKCS1SignBase
}

// IsWildcard is PSA_ALG_IS_WILDCARD: the value serves in a key's policy but
// names no single algorithm.
func (a Algorithm) IsWildcard() bool {
	atLeast := a & 0x7f008000
	return a.Hash() == AnyHash || atLeast == 0x03008000 || atLeast == 0x05008000 || a == CCMStarAnyTag
}
