package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern-spe/postern/veneer/psa"
)

// keyPolicy is the flags that say what a new key is.
type keyPolicy struct {
	id, typ, alg, usage   string
	bits                  uint16
	location, persistence string
}

func (p *keyPolicy) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.id, "id", "", "key `identifier` to give it, 1 to 0x3fffffff, or of a slot: see above")
	f.StringVar(&p.typ, "type", "", "`type` of the key, such as ecc-p256: see above")
	f.Uint16Var(&p.bits, "bits", 0, "size in bits, where the type does not say it")
	f.StringVar(&p.alg, "alg", "", "the one `algorithm` that the key is for: see above (default by type)")
	f.StringVar(&p.usage, "usage", "", "what it may do, `words` separated by commas: see above (default by type)")
	f.StringVar(&p.location, "location", locationLocal, "`where` to keep it: local storage, or the kmu")
	f.StringVar(&p.persistence, "persistence", persistenceDefault, "`how` it lasts in the kmu: default, revocable, locked")
	requireFlag(cmd, "type")
	completeWords(cmd, "id")
	completeWords(cmd, "bits")
	completeWords(cmd, "type", typeWords...)
	completeWords(cmd, "alg", algorithmWords...)
	completeWords(cmd, "usage", usageFlagWords...)
	completeWords(cmd, "location", locationLocal, locationKMU)
	completeWords(cmd, "persistence", persistenceDefault, persistenceRevocable, persistenceLocked)
}

// aboutKeys returns the help text that making and importing keys have in common.
func aboutKeys() string {
	return `

The key is persistent: it keeps its identifier until it is destroyed. (A volatile
key would end with this process, which is to say at once; an application that
stays connected can have one.)

Without --alg and --usage a key gets what its type is commonly for: an ECC pair
signs and verifies with ECDSA, AES encrypts and decrypts with GCM, HMAC makes and
verifies MACs with SHA-256, derive feeds HKDF with SHA-256. No key may be
exported unless --usage says so; a public key always may.

--type takes
` + list(typeWords) + `
or another key type by its PSA name, such as RAW_DATA; where that says no size,
--bits does.

--alg takes
` + list(algorithmWords) + `
or another algorithm by its PSA name, such as ECDSA(SHA_256); a number after a
colon is the length of the MAC or tag in bytes, as in hmac-sha256:16.

--usage takes one or more, separated by commas, of
` + list(usageFlagWords) + `

With --location kmu the key goes into the key management unit of a board that has
CRACEN, such as nrf54l15, and --id says how and where: 0x7fff30NN as it is,
0x7fff20NN encrypted, 0x7fff00NN for AES in the engine alone, each from slot NN on,
of which programs have 00 to b3. All programs share them. --persistence says
what becomes of the slots when the key is destroyed: with default they are free
again, with revocable never; a locked key cannot be destroyed.`
}

// The words of --location and --persistence.
const (
	locationLocal = "local"
	locationKMU   = "kmu"

	persistenceDefault   = "default"
	persistenceRevocable = "revocable"
	persistenceLocked    = "locked"
)

// lifetime returns what --location and --persistence say.
func (p *keyPolicy) lifetime() (psa.Lifetime, error) {
	location := psa.LocationLocal
	switch p.location {
	case "", locationLocal:
	case locationKMU:
		location = psa.LocationKMU
	default:
		return 0, usagef("no location is called %q: there is local and kmu", p.location)
	}
	persistence := psa.PersistenceDefault
	switch p.persistence {
	case "", persistenceDefault:
	case persistenceRevocable:
		persistence = psa.PersistenceRevocable
	case persistenceLocked:
		persistence = psa.PersistenceLocked
	default:
		return 0, usagef("no persistence is called %q: there is default, revocable and locked", p.persistence)
	}
	if location == psa.LocationLocal && persistence != psa.PersistenceDefault {
		return 0, usagef("--persistence %s is for keys with --location kmu", p.persistence)
	}
	return psa.NewLifetime(persistence, location), nil
}

// attributes returns what the flags say. For an import the data says how large
// the key is, unless the flags do.
func (p *keyPolicy) attributes(isImport bool) (a psa.KeyAttributes, err error) {
	if p.id == "" {
		return a, usagef("a persistent key needs --id")
	}
	if a.ID, err = parseKey(p.id); err != nil {
		return a, err
	}
	if a.Lifetime, err = p.lifetime(); err != nil {
		return a, err
	}
	_, _, isSlot := a.ID.KMUSlot()
	switch inKMU := a.Lifetime.Location() == psa.LocationKMU; {
	case inKMU && !isSlot:
		return a, usagef("--id %s names no slot of the kmu, as 0x7fff3000 does", p.id)
	case !inKMU && isSlot:
		return a, usagef("--id %s names a slot of the kmu: add --location kmu", p.id)
	case !inKMU && !a.ID.IsUser():
		return a, usagef("--id %s is not in the range 1 to 0x3fffffff", p.id)
	}
	if a.Type, a.Bits, err = psa.ParseKeyType(p.typ); err != nil {
		return a, &usageError{err}
	}
	if isImport && !strings.ContainsAny(p.typ, "123456789") {
		a.Bits = 0 // "aes" means 256 bits only where there is no key to look at
	}
	if p.bits != 0 {
		a.Bits = p.bits
	}
	if a.Bits == 0 && !isImport {
		return a, usagef("a key of type %s needs --bits", p.typ)
	}
	alg, usage, known := customary(a.Type, a.Bits)
	a.Algorithm, a.Usage = alg, usage
	if p.alg != "" {
		if a.Algorithm, err = psa.ParseAlgorithm(p.alg); err != nil {
			return a, &usageError{err}
		}
	}
	if p.usage != "" {
		if a.Usage, err = psa.ParseUsage(p.usage); err != nil {
			return a, &usageError{err}
		}
	}
	if !known && (p.alg == "" || p.usage == "") {
		return a, usagef("a key of type %s needs --alg and --usage", p.typ)
	}
	return a, nil
}

// customary returns what a key of a type is commonly for.
func customary(t psa.KeyType, bits uint16) (alg psa.Algorithm, usage psa.Usage, known bool) {
	switch {
	case t.IsECC() && t.Family() == psa.SECPR1:
		usage = psa.UsageSignHash | psa.UsageVerifyHash
		if t.IsPublic() {
			usage = psa.UsageVerifyHash
		}
		// The hash as strong as the curve (FIPS 186-5, section 6.1.1).
		switch {
		case bits > 384:
			return psa.ECDSA(psa.SHA512), usage, true
		case bits > 256:
			return psa.ECDSA(psa.SHA384), usage, true
		}
		return psa.ECDSA(psa.SHA256), usage, true
	case t == psa.KeyAES:
		return psa.GCM, psa.UsageEncrypt | psa.UsageDecrypt, true
	case t == psa.KeyHMAC:
		return psa.HMAC(psa.SHA256), psa.UsageSignMessage | psa.UsageVerifyMessage, true
	case t == psa.KeyDerive:
		return psa.HKDF(psa.SHA256), psa.UsageDerive, true
	}
	return psa.AlgNone, 0, false
}
