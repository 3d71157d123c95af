package crypto

import (
	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// The forms of vectors.
var (
	block  = service.Exactly(contract.RequestSize)
	anyLen = service.Any
	attrs  = service.Exactly(psa.AttributesSize)
	word   = service.AtLeast(4) // a handle, key identifier or int
)

type lengths = []service.Length

func form(in, out lengths) service.Route {
	return service.Route{In: append(lengths{block}, in...), Out: out}
}

// routes is the table of the service's functions by group and index (TF-M 2.3,
// tfm_crypto_defs.h). A function that TF-M has and this partition has not is
// here too: its vectors are checked and it answers as if no such algorithm
// existed. Only the two that TF-M abandoned are absent.
//
// The attributes of a new key may have any length in the forms: the handlers
// refuse all but 24 bytes, and so can write the null key that a failure leaves.
var routes = [10][12]route{
	1: {
		0x00: {form(nil, lengths{anyLen}), (*partition).generateRandom},
	},
	2: {
		0x00: {form(nil, lengths{attrs}), (*partition).getKeyAttributes},
		0x03: {form(lengths{anyLen, anyLen}, lengths{word}), (*partition).importKey},
		0x04: {form(nil, nil), (*partition).destroyKey},
		0x05: {form(nil, lengths{anyLen}), (*partition).exportKey},
		0x06: {form(nil, lengths{anyLen}), (*partition).exportPublicKey},
		0x07: {form(nil, nil), (*partition).purgeKey},
		0x08: {form(lengths{anyLen}, lengths{word}), (*partition).copyKey},
		0x09: {form(lengths{anyLen}, lengths{word}), (*partition).generateKey},
	},
	3: {
		0x00: {form(lengths{anyLen}, lengths{anyLen}), (*partition).hashCompute},
		0x01: {form(lengths{anyLen, anyLen}, nil), (*partition).hashCompare},
		0x02: {form(nil, lengths{word}), (*partition).hashSetup},
		0x03: {form(lengths{anyLen}, nil), (*partition).hashUpdate},
		0x04: {form(lengths{service.Exactly(4)}, lengths{word}), (*partition).hashClone},
		0x05: {form(nil, lengths{word, anyLen}), (*partition).hashFinish},
		0x06: {form(lengths{anyLen}, lengths{word}), (*partition).hashVerify},
		0x07: {form(nil, lengths{word}), abort(kindHash)},
		0x08: {form(nil, lengths{word}), (*partition).canDoHash},
	},
	4: {
		0x00: {form(lengths{anyLen}, lengths{anyLen}), (*partition).macCompute},
		0x01: {form(lengths{anyLen, anyLen}, nil), (*partition).macVerify},
		0x02: {form(nil, lengths{word}), (*partition).macSignSetup},
		0x03: {form(nil, lengths{word}), (*partition).macVerifySetup},
		0x04: {form(lengths{anyLen}, nil), (*partition).macUpdate},
		0x05: {form(nil, lengths{word, anyLen}), (*partition).macSignFinish},
		0x06: {form(lengths{anyLen}, lengths{word}), (*partition).macVerifyFinish},
		0x07: {form(nil, lengths{word}), abort(kindMAC)},
	},
	5: {
		0x00: {form(lengths{anyLen}, lengths{anyLen}), unsupported},
		0x01: {form(lengths{anyLen}, lengths{anyLen}), unsupported},
		0x02: {form(nil, lengths{word}), unsupportedSetup},
		0x03: {form(nil, lengths{word}), unsupportedSetup},
		0x04: {form(nil, lengths{anyLen}), unsupported},
		0x05: {form(lengths{anyLen}, nil), unsupported},
		0x06: {form(lengths{anyLen}, lengths{anyLen}), unsupported},
		0x07: {form(nil, lengths{word, anyLen}), unsupportedSetup},
		0x08: {form(nil, lengths{word}), abort(kindNone)},
		0x09: {form(lengths{service.AtLeast(2)}, lengths{word}), canDoCipher},
	},
	6: {
		0x00: {form(lengths{anyLen, anyLen}, lengths{anyLen}), (*partition).aeadEncrypt},
		0x01: {form(lengths{anyLen, anyLen}, lengths{anyLen}), (*partition).aeadDecrypt},
		0x02: {form(nil, lengths{word}), unsupportedSetup},
		0x03: {form(nil, lengths{word}), unsupportedSetup},
		0x04: {form(nil, lengths{anyLen}), unsupported},
		0x05: {form(lengths{anyLen}, nil), unsupported},
		0x06: {form(nil, nil), unsupported},
		0x07: {form(lengths{anyLen}, nil), unsupported},
		0x08: {form(lengths{anyLen}, lengths{anyLen}), unsupported},
		0x09: {form(nil, lengths{word, anyLen, anyLen}), unsupportedSetup},
		0x0a: {form(lengths{anyLen}, lengths{word, anyLen}), unsupportedSetup},
		0x0b: {form(nil, lengths{word}), abort(kindNone)},
	},
	7: {
		0x00: {form(lengths{anyLen}, lengths{anyLen}), (*partition).signMessage},
		0x01: {form(lengths{anyLen, anyLen}, nil), (*partition).verifyMessage},
		0x02: {form(lengths{anyLen}, lengths{anyLen}), (*partition).signHash},
		0x03: {form(lengths{anyLen, anyLen}, nil), (*partition).verifyHash},
	},
	8: {
		0x00: {form(lengths{anyLen, anyLen}, lengths{anyLen}), unsupported},
		0x01: {form(lengths{anyLen, anyLen}, lengths{anyLen}), unsupported},
	},
	9: {
		0x00: {form(lengths{anyLen}, lengths{anyLen}), (*partition).rawKeyAgreement},
		0x01: {form(nil, lengths{word}), (*partition).derivationSetup},
		0x02: {form(nil, lengths{service.Exactly(4)}), (*partition).derivationGetCapacity},
		0x03: {form(nil, nil), (*partition).derivationSetCapacity},
		0x04: {form(lengths{anyLen}, nil), (*partition).derivationInputBytes},
		0x05: {form(nil, nil), (*partition).derivationInputKey},
		0x06: {form(nil, nil), (*partition).derivationInputInteger},
		0x07: {form(lengths{anyLen}, nil), unsupported},
		0x08: {form(nil, lengths{anyLen}), (*partition).derivationOutputBytes},
		0x09: {form(lengths{anyLen}, lengths{word}), (*partition).derivationOutputKey},
		0x0a: {form(nil, lengths{word}), abort(kindDerivation)},
	},
}

// unsupported answers a function of which no algorithm exists here.
func unsupported(*partition, *request) error { return veneer.ErrNotSupported }

// unsupportedSetup answers one that also gives the caller its handle back.
func unsupportedSetup(_ *partition, r *request) error {
	r.putWord(r.Operation)
	return veneer.ErrNotSupported
}

// canDoCipher is TF-M's can_do_cipher: with no cipher algorithm, no.
func canDoCipher(_ *partition, r *request) error {
	r.putWord(0)
	return nil
}
