package cracen

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/postern-spe/postern/platform/aescmac"
	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/kmu54l"
)

// Limits of a derivation. Label and context are those of the other boards' key
// library, so that what derives on one does on all; the output is ours.
const (
	MaxLabel   = 64
	MaxContext = 64
	MaxDerived = 4096
)

// HashSize is the size of what SignIdentity signs, in bytes.
const HashSize = 32

// The keys of the IKG, as the PSA Crypto API sees them.
var builtin = [3]Attributes{
	{Type: TypePairSecpR1, Bits: 256, Algorithm: algECDSAAny, Usage: UsageSign | UsageVerify, ID: IDIdentity, Lifetime: builtinLifetime},
	{Type: TypeAES, Bits: 256, Algorithm: algSP800108, Usage: UsageDerive | usageVerifyDerivation, ID: IDMKEK, Lifetime: builtinLifetime},
	{Type: TypeAES, Bits: 256, Algorithm: algSP800108, Usage: UsageDerive | usageVerifyDerivation, ID: IDMEXT, Lifetime: builtinLifetime},
}

const builtinLifetime = LocationCRACEN<<8 | uint32(persistenceReadOnly)

// seedAttributes are the attributes of the seed in its slots.
var seedAttributes = Attributes{
	Type: TypeRawData, Bits: 8 * SeedSize, Lifetime: LocationKMU<<8 | uint32(PersistenceReadOnly), ID: KeyID(Seed, SlotSeed),
}

// WriteSeed provisions the seed, SeedSize bytes, which makes the device's root
// keys: once, until ERASEALL, ErrAlreadyExists afterwards.
func (c *CRACEN) WriteSeed(seed []byte) error { return c.Provision(seedAttributes, seed) }

// WriteSeedRandom is WriteSeed with a seed that is made on the device.
func (c *CRACEN) WriteSeedRandom() error { return c.ProvisionRandom(seedAttributes) }

// HasRootKeys reports whether the seed has been provisioned, and with it MKEK,
// MEXT and the identity key. It is false, too, for a device that cannot tell.
func (c *CRACEN) HasRootKeys() bool {
	defer c.mu.Unlock()
	return c.begin() == nil && c.hasSeed()
}

// hasSeed: the first slot, which is the last to be written, has a seed's metadata.
func (c *CRACEN) hasSeed() bool {
	_, _, err := c.find(seedAttributes.ID)
	return err == nil
}

// rootKeys has the seed pushed, where it has not been since reset, and calls f with
// the keys that the IKG makes of it. The caller holds c.mu, and has recovered.
func (c *CRACEN) rootKeys(f func(k rootKeys) error) error {
	locked, _ := c.engine.ReadRegister(RegSeedLock, bus.Secure)
	if locked == 0 {
		for slot := SlotSeed; slot < SlotSeed+3; slot++ {
			if err := c.kmu.Push(slot); errors.Is(err, kmu54l.ErrEmpty) {
				return ErrKeyMissing
			} else if err != nil {
				return slotError(err)
			}
		}
		c.engine.WriteRegister(RegSeedValid, 1, bus.Secure)
		c.engine.WriteRegister(RegSeedLock, 1, bus.Secure)
	}
	return c.engine.use(f)
}

// DeriveHUK derives a key from MEXT, the device's hardware unique key, into all of
// out: 1 to MaxDerived bytes. label and context are at most MaxLabel and MaxContext
// bytes. TF-M's built-in HUK has the label "TFM_HW_UNIQ_KEY" with its trailing NUL
// and no context. The function is that of aescmac.Derive, with no capacity set, so
// a shorter key is the beginning of a longer one with the same label and context.
// On an error out is zero; ErrKeyMissing without a seed.
func (c *CRACEN) DeriveHUK(label, context, out []byte) error {
	return c.derive(func(k rootKeys) []byte { return k.mext }, label, context, out)
}

// DeriveMKEK is DeriveHUK from MKEK, the master key encryption key.
func (c *CRACEN) DeriveMKEK(label, context, out []byte) error {
	return c.derive(func(k rootKeys) []byte { return k.mkek }, label, context, out)
}

func (c *CRACEN) derive(key func(rootKeys) []byte, label, context, out []byte) error {
	clear(out)
	if len(label) > MaxLabel || len(context) > MaxContext || len(out) == 0 || len(out) > MaxDerived {
		return fmt.Errorf("%w: a derivation of %d bytes with a label of %d and a context of %d", ErrInvalidArgument,
			len(out), len(label), len(context))
	}
	defer c.mu.Unlock()
	if err := c.begin(); err != nil {
		return err
	}
	return c.rootKeys(func(k rootKeys) error {
		return aescmac.Derive(key(k), label, context, aescmac.DefaultCapacity, out)
	})
}

// identityKey returns the identity key as long as the IKG has it.
func (c *CRACEN) identityKey() (key *ecdsa.PrivateKey, err error) {
	defer c.mu.Unlock()
	if err := c.begin(); err != nil {
		return nil, err
	}
	err = c.rootKeys(func(k rootKeys) (err error) {
		if c.identity == nil || c.generation != k.generation {
			c.identity, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), k.identity)
			c.generation = k.generation
		}
		return err
	})
	if err != nil {
		c.identity = nil
	}
	return c.identity, err
}

// IdentityPublicKey returns the public identity key as an uncompressed point:
// 0x04, X, Y, 65 bytes. ErrKeyMissing without a seed.
func (c *CRACEN) IdentityPublicKey() ([]byte, error) {
	key, err := c.identityKey()
	if err != nil {
		return nil, err
	}
	return key.PublicKey.Bytes()
}

// SignIdentity signs a hash of HashSize bytes with the identity key: ECDSA on
// P-256, r and s of 32 bytes each, big-endian. ErrKeyMissing without a seed.
func (c *CRACEN) SignIdentity(hash []byte) ([]byte, error) {
	if len(hash) != HashSize {
		return nil, fmt.Errorf("%w: a hash of %d bytes, not %d", ErrInvalidArgument, len(hash), HashSize)
	}
	key, err := c.identityKey()
	if err != nil {
		return nil, err
	}
	r, s, err := ecdsa.Sign(rand.Reader, key, hash)
	if err != nil {
		return nil, err
	}
	sig := make([]byte, 2*RootKeySize)
	r.FillBytes(sig[:RootKeySize])
	s.FillBytes(sig[RootKeySize:])
	return sig, nil
}
