package crypto

import (
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// Derivation is a key derivation (psa_key_derivation_operation_t): inputs in the
// order that the algorithm wants, then outputs from one stream. After an error
// other than veneer.ErrInsufficientData only Abort is of use. A Derivation is
// used by one goroutine at a time.
type Derivation struct{ operation }

// NewDerivation starts a derivation (psa_key_derivation_setup), which Abort
// ends.
func (c *Client) NewDerivation(alg psa.Algorithm) (*Derivation, error) {
	d := &Derivation{operation{c: c}}
	if err := d.setup(KeyDerivationSetup, psa.NullKey, alg); err != nil {
		return nil, err
	}
	return d, nil
}

// Capacity returns how many bytes the derivation can still give
// (psa_key_derivation_get_capacity); psa.UnlimitedCapacity stands for that many
// or more.
func (d *Derivation) Capacity() (uint32, error) {
	return d.c.number(d.begin(KeyDerivationGetCapacity))
}

// SetCapacity lowers the capacity to n bytes (psa_key_derivation_set_capacity).
func (d *Derivation) SetCapacity(n uint32) error {
	r := d.begin(KeyDerivationSetCapacity)
	r.Value = uint64(n)
	return d.c.simple(r)
}

// InputKey gives the material of a key to a step (psa_key_derivation_input_key).
// The key permits it with psa.UsageDerive.
func (d *Derivation) InputKey(step psa.DerivationStep, key psa.KeyID) error {
	r := d.begin(KeyDerivationInputKey)
	r.Step, r.Key = step, key
	return d.c.simple(r)
}

// InputBytes gives data to a step (psa_key_derivation_input_bytes).
func (d *Derivation) InputBytes(step psa.DerivationStep, data []byte) error {
	r := d.begin(KeyDerivationInputBytes)
	r.Step = step
	r.send(data)
	return d.c.simple(r)
}

// InputInteger gives a number to a step (psa_key_derivation_input_integer).
func (d *Derivation) InputInteger(step psa.DerivationStep, value uint64) error {
	r := d.begin(KeyDerivationInputInteger)
	r.Step, r.Value = step, value
	return d.c.simple(r)
}

// OutputBytes fills p with the next bytes (psa_key_derivation_output_bytes).
// veneer.ErrInsufficientData: the capacity is less than len(p), and is 0 now.
func (d *Derivation) OutputBytes(p []byte) error {
	n, err := d.c.fill(d.begin(KeyDerivationOutputBytes), p)
	if err == nil && n != len(p) {
		err = veneer.ErrCommunicationFailure
	}
	return err
}

// OutputKey makes a key of the next bytes (psa_key_derivation_output_key), which
// the caller never sees. The secret must have been given as a key.
func (d *Derivation) OutputKey(attrs psa.KeyAttributes) (psa.KeyID, error) {
	r := d.begin(KeyDerivationOutputKey)
	r.sendAttributes(&attrs)
	return d.c.newKey(r)
}

// Abort ends the derivation and wipes it; it may be called at any time.
func (d *Derivation) Abort() error { return d.abort(KeyDerivationAbort) }

// DeriveKey makes a key of attrs from the secret key by a derivation with a
// salt, which may be empty, and an info, such as HKDF.
func (c *Client) DeriveKey(secret psa.KeyID, alg psa.Algorithm, salt, info []byte, attrs psa.KeyAttributes) (psa.KeyID, error) {
	d, err := c.NewDerivation(alg)
	if err != nil {
		return psa.NullKey, err
	}
	defer d.Abort()
	if len(salt) > 0 {
		err = d.InputBytes(psa.StepSalt, salt)
	}
	if err == nil {
		err = d.InputKey(psa.StepSecret, secret)
	}
	if err == nil {
		err = d.InputBytes(psa.StepInfo, info)
	}
	if err != nil {
		return psa.NullKey, err
	}
	return d.OutputKey(attrs)
}
