package crypto

import "github.com/postern-spe/postern/veneer/psa"

// MaxSignature is the room in bytes for any signature that the service makes.
const MaxSignature = 132

// SignHash writes the signature of a hash to dst and returns its size in bytes
// (psa_sign_hash); an ECDSA signature is r||s. The key permits it with
// psa.UsageSignHash. veneer.ErrBufferTooSmall: dst is shorter than the signature.
func (c *Client) SignHash(dst []byte, key psa.KeyID, alg psa.Algorithm, hash []byte) (int, error) {
	return c.sign(SignHash, dst, key, alg, hash)
}

// SignMessage writes the signature of a message to dst and returns its size in
// bytes (psa_sign_message). The key permits it with psa.UsageSignMessage.
func (c *Client) SignMessage(dst []byte, key psa.KeyID, alg psa.Algorithm, message []byte) (int, error) {
	return c.sign(SignMessage, dst, key, alg, message)
}

func (c *Client) sign(fn FunctionID, dst []byte, key psa.KeyID, alg psa.Algorithm, input []byte) (int, error) {
	r := c.begin(fn)
	r.Key, r.Alg = key, alg
	r.send(input)
	return c.fill(r, dst)
}

// VerifyHash checks the signature of a hash (psa_verify_hash). The key permits
// it with psa.UsageVerifyHash. veneer.ErrInvalidSignature: it is not the key's.
func (c *Client) VerifyHash(key psa.KeyID, alg psa.Algorithm, hash, signature []byte) error {
	return c.verify(VerifyHash, key, alg, hash, signature)
}

// VerifyMessage checks the signature of a message (psa_verify_message). The key
// permits it with psa.UsageVerifyMessage. veneer.ErrInvalidSignature: it is not
// the key's.
func (c *Client) VerifyMessage(key psa.KeyID, alg psa.Algorithm, message, signature []byte) error {
	return c.verify(VerifyMessage, key, alg, message, signature)
}

func (c *Client) verify(fn FunctionID, key psa.KeyID, alg psa.Algorithm, input, signature []byte) error {
	r := c.begin(fn)
	r.Key, r.Alg = key, alg
	r.send(input)
	r.send(signature)
	return c.simple(r)
}
