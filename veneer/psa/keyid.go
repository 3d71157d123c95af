package psa

import "strconv"

// KeyID is psa_key_id_t. An identifier means a key only together with its owner:
// two clients may each have a key 1.
type KeyID uint32

// The ranges of key identifiers (Crypto API 1.5, "Key identifiers"). An
// application chooses identifiers of persistent keys in the user range; volatile
// keys get theirs from the partition, from VolatileIDMin up, which is where Mbed
// TLS puts them; built-in keys have theirs from the platform.
const (
	NullKey       KeyID = 0
	UserIDMin     KeyID = 0x00000001
	UserIDMax     KeyID = 0x3fffffff
	VolatileIDMin KeyID = 0x40000000
	VolatileIDMax KeyID = 0x7ffeffff
	BuiltinIDMin  KeyID = 0x7fff0000
	BuiltinIDMax  KeyID = 0x7fffefff
)

// The built-in keys, as TF-M numbers them (tfm_builtin_key_ids.h).
const (
	// HUK is the hardware unique key: it derives keys for secure partitions.
	HUK KeyID = 0x7fff815c
	// IAK is the initial attestation key: it signs tokens for the attestation
	// partition.
	IAK KeyID = 0x7fff815d
)

// IsUser reports whether the application may choose id for a persistent key.
func (id KeyID) IsUser() bool { return id >= UserIDMin && id <= UserIDMax }

// IsVolatile reports whether id is one that the partition gives volatile keys.
func (id KeyID) IsVolatile() bool { return id >= VolatileIDMin && id <= VolatileIDMax }

// IsBuiltin reports whether id is in the range of built-in keys.
func (id KeyID) IsBuiltin() bool { return id >= BuiltinIDMin && id <= BuiltinIDMax }

// String returns the identifier in hexadecimal.
func (id KeyID) String() string { return "0x" + strconv.FormatUint(uint64(id), 16) }

// ParseKeyID reads an identifier in decimal, or in hexadecimal with 0x.
func ParseKeyID(s string) (KeyID, error) {
	v, err := strconv.ParseUint(s, 0, 32)
	if err != nil {
		return 0, &NameError{"key identifier", s}
	}
	return KeyID(v), nil
}
