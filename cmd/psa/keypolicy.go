package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern-spe/postern/veneer/psa"
)

// keyPolicy is the flags that say what a new key is.
type keyPolicy struct {
	id, typ, alg, usage string
	bits                uint16
}

func (p *keyPolicy) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.id, "id", "", "key `identifier` to give it, 1 to 0x3fffffff")
	f.StringVar(&p.typ, "type", "", "`type` of the key, such as ecc-p256: see above")
	f.Uint16Var(&p.bits, "bits", 0, "size in bits, where the type does not say it")
	f.StringVar(&p.alg, "alg", "", "the one `algorithm` that the key is for: see above (default by type)")
	f.StringVar(&p.usage, "usage", "", "what it may do, `words` separated by commas: see above (default by type)")
	requireFlag(cmd, "type")
	completeWords(cmd, "id")
	completeWords(cmd, "bits")
	completeWords(cmd, "type", typeWords...)
	completeWords(cmd, "alg", algorithmWords...)
	completeWords(cmd, "usage", usageFlagWords...)
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
` + list(usageFlagWords)
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
	if !a.ID.IsUser() {
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
	a.Lifetime = psa.LifetimePersistent
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
