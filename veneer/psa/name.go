package psa

import (
	"strconv"
	"strings"
)

// NameError reports a word that names no value of its kind.
type NameError struct{ Kind, Word string }

func (e *NameError) Error() string { return "no " + e.Kind + " is called " + strconv.Quote(e.Word) }

// algorithmNames holds the algorithms without a parameter, by the name that the
// PSA headers give them after PSA_ALG_.
var algorithmNames = [...]struct {
	alg  Algorithm
	name string
}{
	{AlgNone, "NONE"}, {MD5, "MD5"}, {SHA1, "SHA_1"}, {SHA224, "SHA_224"}, {SHA256, "SHA_256"},
	{SHA384, "SHA_384"}, {SHA512, "SHA_512"}, {SHA512_224, "SHA_512_224"}, {SHA512_256, "SHA_512_256"},
	{SHA3_224, "SHA3_224"}, {SHA3_256, "SHA3_256"}, {SHA3_384, "SHA3_384"}, {SHA3_512, "SHA3_512"},
	{AnyHash, "ANY_HASH"}, {CBCMAC, "CBC_MAC"}, {CMAC, "CMAC"}, {CBCNoPadding, "CBC_NO_PADDING"},
	{CBCPKCS7, "CBC_PKCS7"}, {ECBNoPadding, "ECB_NO_PADDING"}, {XTS, "XTS"},
	{StreamCipher, "STREAM_CIPHER"}, {CTR, "CTR"}, {CFB, "CFB"}, {OFB, "OFB"},
	{CCMStarNoTag, "CCM_STAR_NO_TAG"}, {CCMStarAnyTag, "CCM_STAR_ANY_TAG"},
	{ChaCha20Poly1305, "CHACHA20_POLY1305"}, {CCM, "CCM"}, {GCM, "GCM"}, {ECDSAAny, "ECDSA_ANY"},
	{algPKCS1SignBase, "RSA_PKCS1V15_SIGN_RAW"}, {PureEdDSA, "PURE_EDDSA"}, {FFDH, "FFDH"}, {ECDH, "ECDH"},
}

// hashedNames holds the algorithms whose parameter is a hash: all bits but the
// low byte.
var hashedNames = [...]struct {
	base Algorithm
	name string
}{
	{algHMACBase, "HMAC"}, {algECDSABase, "ECDSA"}, {algDetECDSABase, "DETERMINISTIC_ECDSA"},
	{algPKCS1SignBase, "RSA_PKCS1V15_SIGN"}, {algPSSBase, "RSA_PSS"}, {algOAEPBase, "RSA_OAEP"},
	{algHKDFBase, "HKDF"}, {algHKDFExtractBase, "HKDF_EXTRACT"}, {algHKDFExpandBase, "HKDF_EXPAND"},
	{algTLS12PRFBase, "TLS12_PRF"}, {algTLS12PSKBase, "TLS12_PSK_TO_MS"}, {algPBKDF2Base, "PBKDF2_HMAC"},
}

// algorithmAliases are further words that ParseAlgorithm knows, squeezed.
var algorithmAliases = [...]struct {
	word string
	alg  Algorithm
}{
	{"aesgcm", GCM}, {"aesccm", CCM}, {"aesctr", CTR}, {"chacha20poly1305", ChaCha20Poly1305}, {"ed25519", PureEdDSA},
}

// String returns the PSA name without PSA_ALG_, such as "ECDSA(SHA_256)", or
// "ALG(0x…)" where the package has none.
func (a Algorithm) String() string {
	if s := a.plainName(); s != "" {
		return s
	}
	if a.IsMAC() || a.IsAEAD() {
		base, n := a.FullLength().plainName(), strconv.Itoa(a.LengthField())
		switch {
		case base == "":
		case a.IsAEAD() && a&algAtLeast != 0:
			return "AEAD_WITH_AT_LEAST_THIS_LENGTH_TAG(" + base + "," + n + ")"
		case a.IsAEAD():
			return "AEAD_WITH_SHORTENED_TAG(" + base + "," + n + ")"
		case a&algAtLeast != 0:
			return "AT_LEAST_THIS_LENGTH_MAC(" + base + "," + n + ")"
		default:
			return "TRUNCATED_MAC(" + base + "," + n + ")"
		}
	}
	if a.IsKeyAgreement() {
		ka, kdf := a.KeyAgreementBase().plainName(), a.KeyAgreementKDF().plainName()
		if ka != "" && kdf != "" && a.KeyAgreementBase()|a.KeyAgreementKDF() == a {
			return "KEY_AGREEMENT(" + ka + "," + kdf + ")"
		}
	}
	return hex("ALG", uint64(a), 8)
}

// plainName is the name of an algorithm without length or key agreement.
func (a Algorithm) plainName() string {
	for _, n := range algorithmNames {
		if n.alg == a {
			return n.name
		}
	}
	for _, h := range hashedNames {
		if h.base != a&^algHashMask {
			continue
		}
		for _, n := range algorithmNames {
			if n.alg == a.Hash() && n.alg != AlgNone {
				return h.name + "(" + n.name + ")"
			}
		}
	}
	return ""
}

// squeeze makes a word comparable: lower case, and nothing but letters and
// digits.
func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case strings.ContainsRune("-_/() ", r):
			return -1
		}
		return '?'
	}, s)
}

// ParseAlgorithm reads an algorithm by its PSA name or a short word, in any case
// and with "-", "_" or nothing between the parts: "sha-256", "SHA_256",
// "ecdsa-sha256", "hmac-sha3-256", "ECDSA(SHA_256)", "aes-gcm". A ":" and a
// number after it make the MAC or tag that long: "hmac-sha256:16". A number with
// 0x is taken as it is.
func ParseAlgorithm(s string) (Algorithm, error) {
	unknown := &NameError{"algorithm", s}
	if v, err := strconv.ParseUint(s, 0, 32); err == nil && strings.HasPrefix(s, "0x") {
		return Algorithm(v), nil
	}
	name, length, cut := strings.Cut(s, ":")
	alg, ok := lookUpAlgorithm(squeeze(name))
	if !ok {
		return 0, unknown
	}
	if !cut {
		return alg, nil
	}
	n, err := strconv.ParseUint(length, 10, 6)
	if err != nil || n == 0 || !alg.IsMAC() && !alg.IsAEAD() {
		return 0, unknown
	}
	return alg.Truncated(int(n)), nil
}

func lookUpAlgorithm(word string) (Algorithm, bool) {
	for _, n := range algorithmNames {
		if squeeze(n.name) == word {
			return n.alg, true
		}
	}
	for _, n := range algorithmAliases {
		if n.word == word {
			return n.alg, true
		}
	}
	for _, h := range hashedNames {
		rest, ok := strings.CutPrefix(word, squeeze(h.name))
		if !ok {
			continue
		}
		for _, n := range algorithmNames {
			if n.alg.IsHash() && squeeze(n.name) == rest {
				return h.base | n.alg&algHashMask, true
			}
		}
	}
	return 0, false
}
