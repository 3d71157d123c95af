package psa

// Algorithm is psa_algorithm_t: which algorithm an operation uses, or in a key's
// policy, which one the key permits, there also with wildcards.
//
// The word (Crypto API 1.5, appendix B): bit 31 vendor, 30:24 category, 23
// stream cipher or key stretching, 22 built on a block cipher, 21:16 MAC or tag
// length or key agreement, 15 minimum-length wildcard, 14:8 sub-type, 7:0 hash.
type Algorithm uint32

// AlgNone is PSA_ALG_NONE: no algorithm is permitted.
const AlgNone Algorithm = 0

// Hash algorithms. AnyHash is the wildcard of a policy.
const (
	MD5        Algorithm = 0x02000003
	SHA1       Algorithm = 0x02000005
	SHA224     Algorithm = 0x02000008
	SHA256     Algorithm = 0x02000009
	SHA384     Algorithm = 0x0200000a
	SHA512     Algorithm = 0x0200000b
	SHA512_224 Algorithm = 0x0200000c
	SHA512_256 Algorithm = 0x0200000d
	SHA3_224   Algorithm = 0x02000010
	SHA3_256   Algorithm = 0x02000011
	SHA3_384   Algorithm = 0x02000012
	SHA3_512   Algorithm = 0x02000013
	AnyHash    Algorithm = 0x020000ff
)

// Algorithms without a parameter. ECDSAAny signs hashes that the caller made
// with whatever algorithm.
const (
	CBCMAC           Algorithm = 0x03c00100
	CMAC             Algorithm = 0x03c00200
	CBCNoPadding     Algorithm = 0x04404000
	CBCPKCS7         Algorithm = 0x04404100
	ECBNoPadding     Algorithm = 0x04404400
	XTS              Algorithm = 0x0440ff00
	StreamCipher     Algorithm = 0x04800100
	CTR              Algorithm = 0x04c01000
	CFB              Algorithm = 0x04c01100
	OFB              Algorithm = 0x04c01200
	CCMStarNoTag     Algorithm = 0x04c01300
	CCMStarAnyTag    Algorithm = 0x04c09300
	ChaCha20Poly1305 Algorithm = 0x05100500
	CCM              Algorithm = 0x05500100
	GCM              Algorithm = 0x05500200
	ECDSAAny         Algorithm = 0x06000600
	PureEdDSA        Algorithm = 0x06000800
	FFDH             Algorithm = 0x09010000
	ECDH             Algorithm = 0x09020000
)

const (
	algHMACBase         Algorithm = 0x03800000
	algECDSABase        Algorithm = 0x06000600
	algDetECDSABase     Algorithm = 0x06000700
	algPKCS1SignBase    Algorithm = 0x06000200
	algPSSBase          Algorithm = 0x06000300
	algOAEPBase         Algorithm = 0x07000300
	algHKDFBase         Algorithm = 0x08000100
	algHKDFExtractBase  Algorithm = 0x08000400
	algHKDFExpandBase   Algorithm = 0x08000500
	algTLS12PRFBase     Algorithm = 0x08000200
	algTLS12PSKBase     Algorithm = 0x08000300
	algPBKDF2Base       Algorithm = 0x08800100
	algHashMask         Algorithm = 0xff
	algLengthShift                = 16
	algLengthMask       Algorithm = 0x3f << algLengthShift
	algAtLeast          Algorithm = 0x8000
	algTruncationFields           = algLengthMask | algAtLeast
)

// HMAC is PSA_ALG_HMAC(hash).
func HMAC(hash Algorithm) Algorithm { return algHMACBase | hash&algHashMask }

// ECDSA is PSA_ALG_ECDSA(hash), randomised ECDSA.
func ECDSA(hash Algorithm) Algorithm { return algECDSABase | hash&algHashMask }

// DeterministicECDSA is PSA_ALG_DETERMINISTIC_ECDSA(hash), RFC 6979.
func DeterministicECDSA(hash Algorithm) Algorithm { return algDetECDSABase | hash&algHashMask }

// HKDF is PSA_ALG_HKDF(hash), RFC 5869.
func HKDF(hash Algorithm) Algorithm { return algHKDFBase | hash&algHashMask }

// HKDFExtract is PSA_ALG_HKDF_EXTRACT(hash).
func HKDFExtract(hash Algorithm) Algorithm { return algHKDFExtractBase | hash&algHashMask }

// HKDFExpand is PSA_ALG_HKDF_EXPAND(hash).
func HKDFExpand(hash Algorithm) Algorithm { return algHKDFExpandBase | hash&algHashMask }

// KeyAgreement is PSA_ALG_KEY_AGREEMENT(ka, kdf).
func KeyAgreement(ka, kdf Algorithm) Algorithm { return ka | kdf }

// Truncated is PSA_ALG_TRUNCATED_MAC or PSA_ALG_AEAD_WITH_SHORTENED_TAG: a with
// a MAC or tag of n bytes.
func (a Algorithm) Truncated(n int) Algorithm {
	return a&^algTruncationFields | Algorithm(n)<<algLengthShift&algLengthMask
}

// AtLeast is PSA_ALG_AT_LEAST_THIS_LENGTH_MAC or
// PSA_ALG_AEAD_WITH_AT_LEAST_THIS_LENGTH_TAG, for policies only: every a with a
// MAC or tag of n bytes or more.
func (a Algorithm) AtLeast(n int) Algorithm { return a.Truncated(n) | algAtLeast }

// FullLength is PSA_ALG_FULL_LENGTH_MAC, for an AEAD
// PSA_ALG_AEAD_WITH_DEFAULT_LENGTH_TAG: a MAC's length field becomes 0, an
// AEAD's the length of its whole tag. An algorithm of neither kind, or an AEAD
// without a known default, becomes the base with length 0.
func (a Algorithm) FullLength() Algorithm {
	base := a &^ algTruncationFields
	if !a.IsAEAD() {
		return base
	}
	for _, d := range [...]Algorithm{CCM, GCM, ChaCha20Poly1305, xChaCha20Poly1305, asconAEAD128} {
		if d&^algTruncationFields == base {
			return d
		}
	}
	return base
}

// The AEADs that have a default tag but no caller here.
const (
	xChaCha20Poly1305 Algorithm = 0x05100600
	asconAEAD128      Algorithm = 0x05100700
)

// LengthField returns the MAC or tag length that the word holds, 0..63; 0 in a
// MAC algorithm stands for the whole MAC.
func (a Algorithm) LengthField() int { return int(a & algLengthMask >> algLengthShift) }

// Hash is PSA_ALG_GET_HASH: the hash algorithm in the low byte, or AlgNone.
func (a Algorithm) Hash() Algorithm {
	if a&algHashMask == 0 {
		return AlgNone
	}
	return catHash<<24 | a&algHashMask
}

// HashSize is PSA_HASH_LENGTH: the size in bytes of a hash algorithm's output,
// or of that of the hash in a compound algorithm's word; 0 where unknown.
func (a Algorithm) HashSize() int {
	switch a.Hash() {
	case MD5:
		return 16
	case SHA1:
		return 20
	case SHA224, SHA512_224, SHA3_224:
		return 28
	case SHA256, SHA512_256, SHA3_256:
		return 32
	case SHA384, SHA3_384:
		return 48
	case SHA512, SHA3_512:
		return 64
	}
	return 0
}

// MACSize is the size in bytes of the MAC that an HMAC algorithm makes, the
// truncation considered; 0 where unknown.
func (a Algorithm) MACSize() int {
	if n := a.LengthField(); n != 0 {
		return n
	}
	if a.IsHMAC() {
		return a.HashSize()
	}
	return 0
}
