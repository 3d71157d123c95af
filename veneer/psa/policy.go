package psa

import "strings"

// Usage is psa_key_usage_t: what a key may be used for.
type Usage uint32

// Usage flags.
const (
	UsageExport           Usage = 0x00000001
	UsageCopy             Usage = 0x00000002
	UsageCache            Usage = 0x00000004
	UsageDerivePublic     Usage = 0x00000080
	UsageEncrypt          Usage = 0x00000100
	UsageDecrypt          Usage = 0x00000200
	UsageSignMessage      Usage = 0x00000400
	UsageVerifyMessage    Usage = 0x00000800
	UsageSignHash         Usage = 0x00001000
	UsageVerifyHash       Usage = 0x00002000
	UsageDerive           Usage = 0x00004000
	UsageVerifyDerivation Usage = 0x00008000
	UsageWrap             Usage = 0x00010000
	UsageUnwrap           Usage = 0x00020000

	// UsageAll is every flag of the Crypto API 1.5.
	UsageAll Usage = 0x0003ff87
)

var usageNames = [...]struct {
	flag Usage
	name string
}{
	{UsageExport, "EXPORT"}, {UsageCopy, "COPY"}, {UsageCache, "CACHE"},
	{UsageDerivePublic, "DERIVE_PUBLIC"}, {UsageEncrypt, "ENCRYPT"}, {UsageDecrypt, "DECRYPT"},
	{UsageSignMessage, "SIGN_MESSAGE"}, {UsageVerifyMessage, "VERIFY_MESSAGE"},
	{UsageSignHash, "SIGN_HASH"}, {UsageVerifyHash, "VERIFY_HASH"}, {UsageDerive, "DERIVE"},
	{UsageVerifyDerivation, "VERIFY_DERIVATION"}, {UsageWrap, "WRAP"}, {UsageUnwrap, "UNWRAP"},
}

// Extended returns the flags that a key created with u has: signing a hash
// implies signing a message, and so for verification. The reverse does not hold.
func (u Usage) Extended() Usage {
	if u&UsageSignHash != 0 {
		u |= UsageSignMessage
	}
	if u&UsageVerifyHash != 0 {
		u |= UsageVerifyMessage
	}
	return u
}

// String returns the flags' names joined by "|", "0" for none.
func (u Usage) String() string {
	var names []string
	for _, n := range usageNames {
		if u&n.flag != 0 {
			names = append(names, n.name)
		}
	}
	if rest := u &^ UsageAll; rest != 0 {
		names = append(names, hex("USAGE", uint64(rest), 8))
	}
	if names == nil {
		return "0"
	}
	return strings.Join(names, "|")
}

// ParseUsage reads flags by name, in any case, with "-" or "_", separated by
// commas or "|": "sign-hash,verify-hash".
func ParseUsage(s string) (Usage, error) {
	var u Usage
next:
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == '|' }) {
		for _, n := range usageNames {
			if squeeze(w) == squeeze(n.name) {
				u |= n.flag
				continue next
			}
		}
		return 0, &NameError{"usage", w}
	}
	return u, nil
}

// Persistence is psa_key_persistence_t: how long a key lives.
type Persistence uint8

// Persistence levels.
const (
	PersistenceVolatile Persistence = 0x00
	PersistenceDefault  Persistence = 0x01
	PersistenceReadOnly Persistence = 0xff
)

// Location is psa_key_location_t: where a key lives. 24 bits.
type Location uint32

// Locations. LocationBuiltin is where TF-M keeps the keys that the platform
// holds (TFM_BUILTIN_KEY_LOADER_KEY_LOCATION).
const (
	LocationLocal   Location = 0x000000
	LocationBuiltin Location = 0x800001
)

// Lifetime is psa_key_lifetime_t: location in bits 31:8, persistence in 7:0.
type Lifetime uint32

// Lifetimes.
const (
	LifetimeVolatile   Lifetime = 0x00000000
	LifetimePersistent Lifetime = 0x00000001
	LifetimeBuiltin    Lifetime = 0x80000101
)

// NewLifetime is PSA_KEY_LIFETIME_FROM_PERSISTENCE_AND_LOCATION.
func NewLifetime(p Persistence, l Location) Lifetime { return Lifetime(l)<<8 | Lifetime(p) }

// Persistence is PSA_KEY_LIFETIME_GET_PERSISTENCE.
func (l Lifetime) Persistence() Persistence { return Persistence(l) }

// Location is PSA_KEY_LIFETIME_GET_LOCATION.
func (l Lifetime) Location() Location { return Location(l >> 8) }

// IsVolatile is PSA_KEY_LIFETIME_IS_VOLATILE.
func (l Lifetime) IsVolatile() bool { return l.Persistence() == PersistenceVolatile }

// String returns "VOLATILE", "PERSISTENT", "READ_ONLY" or the number, with the
// location where it is not the local storage, such as "REVOCABLE@KMU".
func (l Lifetime) String() string {
	var s string
	inKMU := l.Location() == LocationKMU
	switch p := l.Persistence(); {
	case p == PersistenceVolatile:
		s = "VOLATILE"
	case p == PersistenceDefault:
		s = "PERSISTENT"
	case p == PersistenceReadOnly:
		s = "READ_ONLY"
	case p == PersistenceRevocable && inKMU:
		s = "REVOCABLE"
	case p == PersistenceLocked && inKMU:
		s = "LOCKED"
	default:
		s = hex("PERSISTENCE", uint64(p), 2)
	}
	switch l.Location() {
	case LocationLocal:
	case LocationKMU:
		s += "@KMU"
	default:
		s += "@" + hex("LOCATION", uint64(l.Location()), 6)
	}
	return s
}
