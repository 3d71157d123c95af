package crypto

import (
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// rawKeyAgreement is psa_raw_key_agreement: ECDH with the caller's key pair and a
// peer's public key, an uncompressed point. The secret is the x coordinate.
func (p *partition) rawKeyAgreement(r *request) error {
	switch {
	case !r.Alg.IsStandaloneKeyAgreement():
		return veneer.ErrInvalidArgument
	case r.Alg != psa.ECDH:
		return veneer.ErrNotSupported
	}
	k, err := p.use(r, psa.UsageDerive, r.Alg)
	if err != nil {
		return err
	}
	defer k.release()
	if k.private == nil {
		return veneer.ErrInvalidArgument
	}
	private, err := k.private.ECDH()
	if err != nil {
		return veneer.ErrNotSupported
	}
	peer, err := private.Curve().NewPublicKey(r.input(1))
	if err != nil {
		return veneer.ErrInvalidArgument
	}
	secret, err := private.ECDH(peer)
	if err != nil {
		return veneer.ErrInvalidArgument
	}
	defer clear(secret)
	return r.put(0, secret)
}
