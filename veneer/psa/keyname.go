package psa

import (
	"strconv"
	"strings"
)

var keyTypeNames = [...]struct {
	typ  KeyType
	name string
}{
	{KeyNone, "NONE"}, {KeyRawData, "RAW_DATA"}, {KeyHMAC, "HMAC"}, {KeyDerive, "DERIVE"},
	{KeyPassword, "PASSWORD"}, {KeyPasswordHash, "PASSWORD_HASH"}, {KeyPepper, "PEPPER"},
	{KeyARC4, "ARC4"}, {KeyChaCha20, "CHACHA20"}, {KeyXChaCha20, "XCHACHA20"}, {KeyDES, "DES"},
	{KeyAES, "AES"}, {KeyCamellia, "CAMELLIA"}, {KeySM4, "SM4"}, {KeyARIA, "ARIA"},
	{KeyRSAPublic, "RSA_PUBLIC_KEY"}, {KeyRSAPair, "RSA_KEY_PAIR"},
}

var familyNames = [...]struct {
	family ECCFamily
	name   string
}{
	{SECPR1, "SECP_R1"}, {SECPK1, "SECP_K1"}, {BrainpoolPR1, "BRAINPOOL_P_R1"},
	{Montgomery, "MONTGOMERY"}, {TwistedEdwards, "TWISTED_EDWARDS"},
}

// keyTypeAliases are words for a type with its size, squeezed.
var keyTypeAliases = [...]struct {
	word string
	typ  KeyType
	bits uint16
}{
	{"eccp256", ECCPair(SECPR1), 256}, {"eccp384", ECCPair(SECPR1), 384}, {"eccp521", ECCPair(SECPR1), 521},
	{"eccp256public", ECCPublic(SECPR1), 256}, {"eccp384public", ECCPublic(SECPR1), 384},
	{"eccp521public", ECCPublic(SECPR1), 521},
	{"aes128", KeyAES, 128}, {"aes192", KeyAES, 192}, {"aes256", KeyAES, 256},
	{"aes", KeyAES, 256}, {"hmac", KeyHMAC, 256}, {"derive", KeyDerive, 256}, {"raw", KeyRawData, 256},
}

// String returns the family's PSA name without PSA_ECC_FAMILY_.
func (f ECCFamily) String() string {
	for _, n := range familyNames {
		if n.family == f {
			return n.name
		}
	}
	return hex("ECC_FAMILY", uint64(f), 2)
}

// String returns the PSA name without PSA_KEY_TYPE_, such as
// "ECC_KEY_PAIR(SECP_R1)", or "KEY_TYPE(0x…)" where the package has none.
func (t KeyType) String() string {
	for _, n := range keyTypeNames {
		if n.typ == t {
			return n.name
		}
	}
	switch t &^ keyFamilyMask {
	case keyECCPair:
		return "ECC_KEY_PAIR(" + t.Family().String() + ")"
	case keyECCPublic:
		return "ECC_PUBLIC_KEY(" + t.Family().String() + ")"
	case keyDHPair, keyDHPublic:
		// DH families have no names here: nothing implements them.
	}
	return hex("KEY_TYPE", uint64(t), 4)
}

// ParseKeyType reads a key type by its PSA name or a short word, in any case:
// "ecc-p256", "ecc-p256-public", "aes", "aes-128", "hmac", "derive",
// "ECC_KEY_PAIR(SECP_R1)". The bits are the size that the word stands for, 256
// for "aes" and for the types of any size, 0 where the word says nothing. A
// number with 0x is taken as it is.
func ParseKeyType(s string) (t KeyType, bits uint16, err error) {
	if v, err := strconv.ParseUint(s, 0, 16); err == nil && strings.HasPrefix(s, "0x") {
		return KeyType(v), 0, nil
	}
	word := squeeze(s)
	for _, a := range keyTypeAliases {
		if a.word == word {
			return a.typ, a.bits, nil
		}
	}
	for _, n := range keyTypeNames {
		if squeeze(n.name) == word {
			return n.typ, 0, nil
		}
	}
	for _, f := range familyNames {
		for _, t := range [...]KeyType{ECCPair(f.family), ECCPublic(f.family)} {
			if squeeze(t.String()) == word {
				return t, 0, nil
			}
		}
	}
	return 0, 0, &NameError{"key type", s}
}
