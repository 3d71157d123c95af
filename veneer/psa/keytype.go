package psa

import "math/bits"

// KeyType is psa_key_type_t. The word (Crypto API 1.5, appendix B): bit 15
// vendor, 14 asymmetric, 13:12 category, 11:1 by category, 0 makes the parity of
// the whole word even.
type KeyType uint16

// ECCFamily is psa_ecc_family_t: a family of elliptic curves, of which the key's
// size in bits selects one.
type ECCFamily uint8

// Key types without a parameter.
const (
	KeyNone         KeyType = 0
	KeyRawData      KeyType = 0x1001
	KeyHMAC         KeyType = 0x1100
	KeyDerive       KeyType = 0x1200
	KeyPassword     KeyType = 0x1203
	KeyPasswordHash KeyType = 0x1205
	KeyPepper       KeyType = 0x1206
	KeyARC4         KeyType = 0x2002
	KeyChaCha20     KeyType = 0x2004
	KeyXChaCha20    KeyType = 0x2007
	KeyDES          KeyType = 0x2301
	KeyAES          KeyType = 0x2400
	KeyCamellia     KeyType = 0x2403
	KeySM4          KeyType = 0x2405
	KeyARIA         KeyType = 0x2406
	KeyRSAPublic    KeyType = 0x4001
	KeyRSAPair      KeyType = 0x7001
)

// Elliptic curve families.
const (
	SECPR1         ECCFamily = 0x12
	SECPK1         ECCFamily = 0x17
	BrainpoolPR1   ECCFamily = 0x30
	Montgomery     ECCFamily = 0x41
	TwistedEdwards ECCFamily = 0x42
)

const (
	keyECCPublic KeyType = 0x4100
	keyECCPair   KeyType = 0x7100
	keyDHPublic  KeyType = 0x4200
	keyDHPair    KeyType = 0x7200
	// keyFamilyMask is the family of a parametrised asymmetric type; bit 7
	// belongs to the type, or an SLH-DSA key would look like an ECC key.
	keyFamilyMask KeyType = 0x7f
	keyPairBits   KeyType = 0x3000
)

// ECCPair is PSA_KEY_TYPE_ECC_KEY_PAIR(f).
func ECCPair(f ECCFamily) KeyType { return keyECCPair | KeyType(f)&keyFamilyMask }

// ECCPublic is PSA_KEY_TYPE_ECC_PUBLIC_KEY(f).
func ECCPublic(f ECCFamily) KeyType { return keyECCPublic | KeyType(f)&keyFamilyMask }

// Valid reports whether the word has even parity, which every key type has.
func (t KeyType) Valid() bool { return bits.OnesCount16(uint16(t))%2 == 0 }

// IsVendor is PSA_KEY_TYPE_IS_VENDOR_DEFINED.
func (t KeyType) IsVendor() bool { return t&0x8000 != 0 }

// IsUnstructured is PSA_KEY_TYPE_IS_UNSTRUCTURED: the key is any string of bytes
// of its size.
func (t KeyType) IsUnstructured() bool { return t&0x7000 == 0x1000 || t&0x7000 == 0x2000 }

// IsAsymmetric is PSA_KEY_TYPE_IS_ASYMMETRIC.
func (t KeyType) IsAsymmetric() bool { return t&0x4000 != 0 }

// IsPublic is PSA_KEY_TYPE_IS_PUBLIC_KEY.
func (t KeyType) IsPublic() bool { return t&0x7000 == 0x4000 }

// IsPair is PSA_KEY_TYPE_IS_KEY_PAIR.
func (t KeyType) IsPair() bool { return t&0x7000 == 0x7000 }

// IsECC reports a key pair or public key on an elliptic curve.
func (t KeyType) IsECC() bool { return t.Public()&0xff80 == keyECCPublic }

// Family returns the curve family of an ECC key.
func (t KeyType) Family() ECCFamily { return ECCFamily(t & keyFamilyMask) }

// Public is PSA_KEY_TYPE_PUBLIC_KEY_OF_KEY_PAIR; a public key's type is its own.
func (t KeyType) Public() KeyType {
	if !t.IsPair() {
		return t
	}
	return t &^ keyPairBits
}

// BlockSize is PSA_BLOCK_CIPHER_BLOCK_LENGTH in bytes: 1 for a stream cipher, 0
// where the type is not a cipher's.
func (t KeyType) BlockSize() int {
	if t&0x7000 != 0x2000 {
		return 0
	}
	return 1 << (t >> 8 & 7)
}
