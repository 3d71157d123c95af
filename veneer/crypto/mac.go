package crypto

import "github.com/postern-spe/postern/veneer/psa"

// ComputeMAC writes the MAC of message to dst and returns its size in bytes
// (psa_mac_compute). The key permits it with psa.UsageSignMessage.
// veneer.ErrBufferTooSmall: dst is shorter than the MAC.
func (c *Client) ComputeMAC(dst []byte, key psa.KeyID, alg psa.Algorithm, message []byte) (int, error) {
	r := c.begin(MACCompute)
	r.Key, r.Alg = key, alg
	r.send(message)
	return c.fill(r, dst)
}

// VerifyMAC checks that mac is the MAC of message (psa_mac_verify). The key
// permits it with psa.UsageVerifyMessage. veneer.ErrInvalidSignature: it is not.
func (c *Client) VerifyMAC(key psa.KeyID, alg psa.Algorithm, message, mac []byte) error {
	r := c.begin(MACVerify)
	r.Key, r.Alg = key, alg
	r.send(message)
	r.send(mac)
	return c.simple(r)
}

// MAC is a multipart MAC (psa_mac_operation_t): an io.Writer of the message.
// After an error only Abort is of use. A MAC is used by one goroutine at a time.
type MAC struct{ operation }

// NewMAC starts the computation of a MAC (psa_mac_sign_setup), which Finish
// ends.
func (c *Client) NewMAC(key psa.KeyID, alg psa.Algorithm) (*MAC, error) {
	return c.newMAC(MACSignSetup, key, alg)
}

// NewMACVerifier starts the verification of a MAC (psa_mac_verify_setup), which
// Verify ends.
func (c *Client) NewMACVerifier(key psa.KeyID, alg psa.Algorithm) (*MAC, error) {
	return c.newMAC(MACVerifySetup, key, alg)
}

func (c *Client) newMAC(fn FunctionID, key psa.KeyID, alg psa.Algorithm) (*MAC, error) {
	m := &MAC{operation{c: c}}
	if err := m.setup(fn, key, alg); err != nil {
		return nil, err
	}
	return m, nil
}

// Write adds p to the message (psa_mac_update).
func (m *MAC) Write(p []byte) (int, error) {
	if err := m.update(MACUpdate, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Finish returns the MAC and ends the operation (psa_mac_sign_finish).
func (m *MAC) Finish() ([]byte, error) {
	dst := make([]byte, MaxHashSize)
	n, err := m.finish(MACSignFinish, nil, dst)
	if err != nil {
		return nil, err
	}
	return dst[:n:n], nil
}

// Verify checks the message against mac and ends the operation
// (psa_mac_verify_finish). veneer.ErrInvalidSignature: they differ.
func (m *MAC) Verify(mac []byte) error {
	_, err := m.finish(MACVerifyFinish, mac, nil)
	return err
}

// Abort ends the operation; it may be called at any time.
func (m *MAC) Abort() error { return m.abort(MACAbort) }
