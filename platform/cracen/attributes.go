package cracen

import (
	"fmt"
	"slices"

	"github.com/postern-spe/postern/platform/kmu54l"
)

// Locations of the PSA Crypto API's key lifetimes, which are location<<8 |
// persistence.
const (
	LocationKMU    uint32 = 0x804E4B // keys in the KMU's slots
	LocationCRACEN uint32 = 0x804E00 // keys of the IKG
)

// Persistences of keys in the KMU. Provision takes the API's own read-only, too,
// but no key is said to have it.
const (
	PersistenceDefault   uint8 = 0x01 // Rotating
	PersistenceRevocable uint8 = 0x02 // Revocable
	PersistenceReadOnly  uint8 = 0x03 // Locked
	persistenceReadOnly  uint8 = 0xFF // PSA_KEY_PERSISTENCE_READ_ONLY
)

// persistences by revocation policy.
var persistences = [4]uint8{
	kmu54l.Rotating: PersistenceDefault, kmu54l.Locked: PersistenceReadOnly, kmu54l.Revocable: PersistenceRevocable,
}

// Key IDs of the IKG's keys.
const (
	IDIdentity uint32 = 0x7FFFC001
	IDMKEK     uint32 = 0x7FFFC002
	IDMEXT     uint32 = 0x7FFFC003
)

// KeyID returns the ID of the key with the scheme that begins in slot.
func KeyID(s Scheme, slot int) uint32 { return 0x7FFF0000 | uint32(s)<<12 | uint32(slot) }

// ParseKeyID is KeyID backwards. ok is false for the ID of another key.
func ParseKeyID(id uint32) (s Scheme, slot int, ok bool) {
	slot = int(id & 0xFF)
	return Scheme(id >> 12 & 3), slot, id&0xFFFFCF00 == 0x7FFF0000 && slot < kmu54l.Slots
}

// Attributes are the attributes of a key, in the numbers of the PSA Crypto API.
type Attributes struct {
	Type      uint16
	Bits      uint16
	Lifetime  uint32
	Usage     uint32
	Algorithm uint32
	ID        uint32
}

// Location returns the location that is in the lifetime.
func (a Attributes) Location() uint32 { return a.Lifetime >> 8 }

// Metadata returns the word that a key with these attributes has in its first
// slot. ErrInvalidArgument for an ID or a lifetime that is not of the KMU, and for
// a PROTECTED key that could be exported or copied; ErrNotSupported for what
// the word cannot say. The message names the attribute.
//
// Of a SEED key only type, size, location and ID count: it is always Locked, and
// has no usage. Key pairs are for signing, or they are not supported.
func (a Attributes) Metadata() (Metadata, error) {
	scheme, _, ok := ParseKeyID(a.ID)
	switch {
	case !ok:
		return 0, fmt.Errorf("%w: id 0x%08x is not of a key in the KMU", ErrInvalidArgument, a.ID)
	case a.Location() != LocationKMU:
		return 0, fmt.Errorf("%w: lifetime 0x%08x has another location than the KMU", ErrInvalidArgument, a.Lifetime)
	case scheme == Seed && (a.Type != TypeRawData || a.Bits != 8*SeedSize):
		return 0, fmt.Errorf("%w: type 0x%04x of %d bits; a seed is raw data of %d", ErrInvalidArgument, a.Type, a.Bits, 8*SeedSize)
	case scheme == Seed:
		return Fields{Scheme: Seed, Size: sizeSeed, Policy: kmu54l.Locked}.Word(), nil
	case scheme == Protected && a.Usage&(UsageExport|UsageCopy) != 0:
		return 0, fmt.Errorf("%w: usage 0x%08x; a PROTECTED key cannot be exported or copied", ErrInvalidArgument, a.Usage)
	case scheme == Protected && a.Type != TypeAES:
		return 0, fmt.Errorf("%w: type 0x%04x; PROTECTED keys are AES keys", ErrNotSupported, a.Type)
	}
	f := Fields{Scheme: scheme}
	for i, flags := range usageFlags {
		if a.Usage&flags != 0 {
			f.Usage |= 1 << i
		}
	}
	if usage := f.usage(); a.Usage&^usage != 0 {
		return 0, fmt.Errorf("%w: usage 0x%08x", ErrNotSupported, a.Usage)
	}
	n := slices.IndexFunc(algorithms[:], func(g algorithm) bool {
		return g.psa != 0 && (g.psa == a.Algorithm || slices.Contains(g.also, a.Algorithm))
	})
	if n < 0 {
		return 0, fmt.Errorf("%w: algorithm 0x%08x", ErrNotSupported, a.Algorithm)
	}
	f.Algorithm = uint8(n)
	if want, ok := f.keyType(); !ok || a.Type != want {
		return 0, fmt.Errorf("%w: type 0x%04x with algorithm 0x%08x and usage 0x%08x", ErrNotSupported, a.Type, a.Algorithm, a.Usage)
	}
	if !slices.Contains(algorithms[n].bits, a.Bits) {
		return 0, fmt.Errorf("%w: %d bits of type 0x%04x", ErrNotSupported, a.Bits, a.Type)
	}
	f.Size = size384 // 384 bits are those of the seed, too
	if a.Bits != 384 {
		f.Size = uint8(slices.Index(sizeBits[:], a.Bits))
	}
	p := uint8(a.Lifetime)
	if p == persistenceReadOnly {
		p = PersistenceReadOnly
	}
	if f.Policy = kmu54l.Policy(max(0, slices.Index(persistences[:], p))); f.Policy == 0 {
		return 0, fmt.Errorf("%w: lifetime 0x%08x has no persistence of the KMU", ErrInvalidArgument, a.Lifetime)
	}
	return f.Word(), nil
}

// usage returns the PSA flags of the usage field.
func (f Fields) usage() (flags uint32) {
	for i, u := range usageFlags {
		if f.Usage>>i&1 != 0 {
			flags |= u
		}
	}
	return flags
}

// keyType returns the key type that algorithm and usage make. A signature key
// that may sign is a key pair; one that may not is a public key. A key for ECDH
// is a key pair that may derive, or nothing.
func (f Fields) keyType() (typ uint16, ok bool) {
	typ = algorithms[f.Algorithm].typ
	switch typ {
	case TypePublicSecpR1, TypePublicTwistedEdw:
		if f.usage()&UsageSign != 0 {
			typ |= typePairBits
		}
	case TypePairSecpR1:
		return typ, f.usage()&UsageDerive != 0
	}
	return typ, typ != 0
}

// Attributes returns the attributes of the key in slot whose first slot has this
// word. ErrBadState for another version of the word; ErrHardwareFailure for an
// unknown algorithm or policy; ErrCorruptionDetected where the fields contradict
// each other.
func (m Metadata) Attributes(slot int) (Attributes, error) {
	f, err := m.Fields()
	if err != nil {
		return Attributes{}, err
	}
	a := Attributes{
		Bits:     sizeBits[f.Size],
		Lifetime: LocationKMU<<8 | uint32(persistences[f.Policy]),
		ID:       KeyID(f.Scheme, slot),
	}
	if f.Scheme == Seed {
		a.Type = TypeRawData
		if m != (Fields{Scheme: Seed, Size: sizeSeed, Policy: kmu54l.Locked}).Word() {
			return Attributes{}, ErrCorruptionDetected
		}
		return a, nil
	}
	g := algorithms[f.Algorithm]
	if g.psa == 0 || f.Policy == 0 {
		return Attributes{}, fmt.Errorf("%w: metadata 0x%08x", ErrHardwareFailure, uint32(m))
	}
	a.Usage, a.Algorithm = f.usage(), g.psa
	var ok bool
	a.Type, ok = f.keyType()
	switch {
	case !ok, f.Size == sizeSeed, !slices.Contains(g.bits, a.Bits),
		f.Scheme == Protected && (a.Type != TypeAES || a.Usage&(UsageExport|UsageCopy) != 0):
		return Attributes{}, fmt.Errorf("%w: metadata 0x%08x", ErrCorruptionDetected, uint32(m))
	}
	return a, nil
}
