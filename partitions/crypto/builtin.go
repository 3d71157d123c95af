package crypto

import (
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// attestationClient is the client ID of the attestation partition, the one caller
// for whom the initial attestation key signs (TF-M: partition 0x105).
const attestationClient = 261

const hukSize = 32

// hukLabel separates the built-in key from whatever else the engine derives from
// the hardware unique key.
var hukLabel = []byte("TFM_HW_UNIQ_KEY\x00")

// builtin returns a built-in key for one use. Who may not use it learns no more
// than that: ErrNotPermitted for the attributes, too.
func (p *partition) builtin(o veneer.Owner, id psa.KeyID) (*key, error) {
	if p.engine == nil || id != psa.HUK && id != psa.IAK {
		return nil, veneer.ErrInvalidHandle
	}
	attrs := psa.KeyAttributes{Lifetime: psa.LifetimeBuiltin, ID: id, Bits: 256}
	if id == psa.IAK {
		if o.ClientID != attestationClient {
			return nil, veneer.ErrNotPermitted
		}
		attrs.Type = psa.ECCPair(psa.SECPR1)
		attrs.Algorithm = psa.ECDSA(psa.SHA256)
		attrs.Usage = psa.UsageSignHash | psa.UsageSignMessage
		return &key{attrs: attrs, engine: p.engine, once: true}, nil
	}
	if o.ClientID <= 0 {
		return nil, veneer.ErrNotPermitted
	}
	attrs.Type = psa.KeyDerive
	attrs.Algorithm = psa.HKDF(psa.SHA256)
	attrs.Usage = psa.UsageDerive
	var huk [hukSize]byte
	defer clear(huk[:])
	if err := p.engine.DeriveHUK(hukLabel, nil, huk[:]); err != nil {
		return nil, veneer.ErrHardwareFailure
	}
	return &key{attrs: attrs, mat: newMaterial(huk[:]), once: true}, nil
}

// builtinUse answers what all callers are told about ending a built-in key.
func (p *partition) builtinUse(o veneer.Owner, id psa.KeyID) error {
	k, err := p.builtin(o, id)
	if err == nil {
		k.end()
	}
	return err
}
