package crypto

import "github.com/postern-spe/postern/veneer/psa"

// Agree writes the secret that a key pair shares with a peer's public key to dst
// and returns its size in bytes (psa_raw_key_agreement); for psa.ECDH peer is an
// uncompressed point, and the secret the x coordinate, which is no key yet: it
// goes through a derivation first. The key permits it with psa.UsageDerive.
// veneer.ErrInvalidArgument: peer is no public key on the key's curve.
func (c *Client) Agree(dst []byte, key psa.KeyID, alg psa.Algorithm, peer []byte) (int, error) {
	r := c.begin(RawKeyAgreement)
	r.Key, r.Alg = key, alg
	r.send(peer)
	return c.fill(r, dst)
}
