package crypto

import (
	"errors"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// derivationSetup is psa_key_derivation_setup.
func (p *partition) derivationSetup(r *request) error {
	return p.setup(r, kindDerivation, func() (ender, error) {
		switch {
		case r.Alg.IsKeyAgreement():
			return nil, veneer.ErrNotSupported
		case !r.Alg.IsKeyDerivation() || r.Alg.IsWildcard():
			return nil, veneer.ErrInvalidArgument
		case !r.Alg.IsHKDF() || stdHash(r.Alg.Hash()) == 0:
			return nil, veneer.ErrNotSupported
		}
		return newHKDF(r.Alg), nil
	})
}

// derivationGetCapacity is psa_key_derivation_get_capacity.
func (p *partition) derivationGetCapacity(r *request) error {
	return step(r, kindDerivation, func(d *hkdf) error {
		r.putWord(d.capacity)
		return nil
	})
}

// derivationSetCapacity is psa_key_derivation_set_capacity. A capacity that is
// too large leaves the operation as it was.
func (p *partition) derivationSetCapacity(r *request) error {
	return spare(r, veneer.ErrInvalidArgument, func(d *hkdf) error {
		// The upper half of the value belongs to no capacity.
		c := uint32(r.Value)
		if c > d.capacity {
			return veneer.ErrInvalidArgument
		}
		d.capacity = c
		return nil
	})
}

// spare is step for a function of which one error leaves the operation active.
func spare(r *request, spared veneer.Status, do func(*hkdf) error) error {
	var kept error
	err := step(r, kindDerivation, func(d *hkdf) error {
		err := do(d)
		if errors.Is(err, spared) {
			kept = err
			return nil
		}
		return err
	})
	if err == nil {
		return kept
	}
	return err
}

// derivationInputBytes is psa_key_derivation_input_bytes.
func (p *partition) derivationInputBytes(r *request) error {
	return step(r, kindDerivation, func(d *hkdf) error {
		return d.input(r.Step, r.input(1), false)
	})
}

// derivationInputKey is psa_key_derivation_input_key: a secret has to be a key of
// type DERIVE, anything else RAW_DATA.
func (p *partition) derivationInputKey(r *request) error {
	return step(r, kindDerivation, func(d *hkdf) error {
		k, err := p.use(r, psa.UsageDerive, d.alg)
		if err != nil {
			return err
		}
		defer k.release()
		want := psa.KeyRawData
		if r.Step == psa.StepSecret {
			want = psa.KeyDerive
		}
		if k.attrs.Type != want {
			return veneer.ErrInvalidArgument
		}
		return d.input(r.Step, k.mat.bytes(), true)
	})
}

// derivationInputInteger is psa_key_derivation_input_integer, of which HKDF has
// no step.
func (p *partition) derivationInputInteger(r *request) error {
	return step(r, kindDerivation, func(*hkdf) error { return veneer.ErrInvalidArgument })
}

// derivationOutputBytes is psa_key_derivation_output_bytes: it fills the output
// vector.
func (p *partition) derivationOutputBytes(r *request) error {
	out := r.room(0)
	err := spare(r, veneer.ErrInsufficientData, func(d *hkdf) error { return d.read(out) })
	if err != nil {
		r.wrote(0, 0)
		return err
	}
	r.wrote(0, len(out))
	return nil
}

// derivationOutputKey is psa_key_derivation_output_key. A secret that the caller
// gave as bytes makes no key: the caller could know it.
func (p *partition) derivationOutputKey(r *request) error {
	var id psa.KeyID
	err := spare(r, veneer.ErrInsufficientData, func(d *hkdf) (err error) {
		if d.prk.size() > 0 && !d.fromKey {
			return veneer.ErrNotPermitted
		}
		id, err = p.created(r, func(attrs psa.KeyAttributes) (*key, error) {
			return makeKey(attrs, d.read)
		})
		return err
	})
	r.putWord(uint32(id))
	return err
}
