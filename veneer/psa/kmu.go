package psa

// Keys in the KMU of chips with CRACEN, the nRF54L's crypto engine, as Nordic's
// driver for PSA Crypto has them. The identifier of such a key says where it is:
//
//	0x7fff0000 | scheme<<12 | slot
//
// and its lifetime is of LocationKMU, with one of the persistences below.

// Locations of CRACEN: of the keys in the KMU's slots, and of those that the
// engine derives from its seed.
const (
	LocationKMU    Location = 0x804e4b
	LocationCRACEN Location = 0x804e00
)

// Persistences of keys in LocationKMU, beside PersistenceDefault, whose slots can
// be used again when the key has been destroyed. Both lie where the Crypto API
// has values for itself.
const (
	// PersistenceRevocable: the slots of a destroyed key stay revoked
	// (CRACEN_KEY_PERSISTENCE_REVOKABLE).
	PersistenceRevocable Persistence = 0x02
	// PersistenceLocked: the key cannot be destroyed
	// (CRACEN_KEY_PERSISTENCE_READ_ONLY).
	PersistenceLocked Persistence = 0x03
)

// KMUScheme is what the KMU does with a key: where it pushes the key for use, and
// in what form the slots hold it.
type KMUScheme uint8

// Usage schemes.
const (
	// KMUProtected keys go to memory that only CRACEN's AES can use.
	KMUProtected KMUScheme = 0
	// KMUSeed is the scheme of the seed that the device's own keys come from.
	KMUSeed KMUScheme = 1
	// KMUEncrypted keys are encrypted in their slots.
	KMUEncrypted KMUScheme = 2
	// KMURaw keys are not.
	KMURaw KMUScheme = 3
)

// KMUKeyID returns the identifier of the key that begins in a slot, 0 to 255, of
// which chips have fewer (PSA_KEY_HANDLE_FROM_CRACEN_KMU_SLOT).
func KMUKeyID(s KMUScheme, slot int) KeyID {
	return BuiltinIDMin | KeyID(s&3)<<12 | KeyID(slot&0xff)
}

// KMUSlot is KMUKeyID backwards; ok is false for identifiers of other keys.
func (id KeyID) KMUSlot() (s KMUScheme, slot int, ok bool) {
	s, slot = KMUScheme(id>>12&3), int(id&0xff)
	return s, slot, id == KMUKeyID(s, slot)
}
