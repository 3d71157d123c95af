package crypto

import (
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// find returns the caller's key with this identifier, locked for use until
// release. ErrInvalidHandle: the caller has none. A key in a slot has no material
// yet: see fetch.
func (p *partition) find(s *session, o veneer.Owner, id psa.KeyID) (*key, error) {
	for {
		var k *key
		var err error
		switch {
		case id.IsVolatile():
			k = s.key(id)
		case id.IsUser():
			k, err = p.store.of(o.ClientID).key(id)
		case p.slots.has(id):
			k, err = p.slots.key(o, id)
		case id.IsBuiltin():
			k, err = p.builtin(o, id)
		}
		if err != nil {
			return nil, err
		}
		if k == nil {
			return nil, veneer.ErrInvalidHandle
		}
		if k.lock() {
			return k, nil
		}
		// The key ended between the table and the lock: destroyed, or only
		// dropped from memory. The table knows.
	}
}

// use is find for an operation that needs the usage flag with alg.
func (p *partition) use(r *request, usage psa.Usage, alg psa.Algorithm) (*key, error) {
	k, err := p.find(r.session, r.m.Owner, r.Key)
	if err != nil {
		return nil, err
	}
	err = k.permits(usage, alg)
	if err == nil {
		err = p.fetch(k)
	}
	if err != nil {
		k.release()
		return nil, err
	}
	return k, nil
}

// getKeyAttributes is psa_get_key_attributes.
func (p *partition) getKeyAttributes(r *request) error {
	k, err := p.find(r.session, r.m.Owner, r.Key)
	if err != nil {
		return err
	}
	defer k.release()
	r.m.Write(0, k.attrs.AppendTo(r.scratch[:0]))
	return nil
}

// create answers a function that creates a key: its identifier, or on failure 0,
// since callers reuse variables that hold old ones.
func (p *partition) create(r *request, build func(psa.KeyAttributes) (*key, error)) error {
	id, err := p.created(r, build)
	r.putWord(uint32(id))
	return err
}

func (p *partition) created(r *request, build func(psa.KeyAttributes) (*key, error)) (psa.KeyID, error) {
	attrs, err := r.attributes()
	if err != nil {
		return psa.NullKey, err
	}
	inSlot := p.slots.isFor(&attrs)
	if inSlot {
		err = checkNewSlotKey(r.m.Owner, &attrs)
	} else {
		err = checkNewKey(&attrs)
	}
	if err != nil {
		return psa.NullKey, err
	}
	k, err := build(attrs)
	if err != nil {
		return psa.NullKey, err
	}
	id := k.attrs.ID
	switch {
	case inSlot:
		err = p.slots.add(k)
	case attrs.Lifetime.IsVolatile():
		id, err = p.addVolatile(r.session, k)
	default:
		err = p.store.of(r.m.Owner.ClientID).add(k)
	}
	if err != nil {
		k.end()
		return psa.NullKey, err
	}
	return id, nil
}

// importKey is psa_import_key.
func (p *partition) importKey(r *request) error {
	return p.create(r, func(attrs psa.KeyAttributes) (*key, error) {
		return newKey(attrs, r.input(2))
	})
}

// generateKey is psa_generate_key.
func (p *partition) generateKey(r *request) error {
	return p.create(r, func(attrs psa.KeyAttributes) (*key, error) {
		return makeKey(attrs, p.fillRandom)
	})
}

// copyKey is psa_copy_key: the new key's policy is what both policies allow.
func (p *partition) copyKey(r *request) error {
	// A key that is not there comes before what is wrong with the copy's
	// attributes. It is looked for again below: a key may not stay locked while
	// another is added.
	src, err := p.find(r.session, r.m.Owner, r.Key)
	if err != nil {
		r.putWord(uint32(psa.NullKey))
		return err
	}
	src.release()
	return p.create(r, func(attrs psa.KeyAttributes) (*key, error) {
		src, err := p.find(r.session, r.m.Owner, r.Key)
		if err != nil {
			return nil, err
		}
		defer src.release()
		have := &src.attrs
		switch {
		case have.Usage&psa.UsageCopy == 0:
			return nil, veneer.ErrNotPermitted
		case attrs.Type != psa.KeyNone && attrs.Type != have.Type, attrs.Bits != 0 && attrs.Bits != have.Bits:
			return nil, veneer.ErrInvalidArgument
		}
		attrs.Type, attrs.Bits = have.Type, have.Bits
		attrs.Usage &= have.Usage
		if attrs.Algorithm, err = intersect(have.Algorithm, attrs.Algorithm); err != nil {
			return nil, err
		}
		if attrs.EnrollmentAlgorithm, err = intersect(have.EnrollmentAlgorithm, attrs.EnrollmentAlgorithm); err != nil {
			return nil, err
		}
		if p.slots.isFor(&attrs) {
			if err := p.slots.checkCopy(&attrs, have); err != nil {
				return nil, err
			}
		}
		if err := p.fetch(src); err != nil {
			return nil, err
		}
		return newKey(attrs, src.mat.bytes())
	})
}

// destroyKey is psa_destroy_key.
func (p *partition) destroyKey(r *request) error {
	switch o, id := r.m.Owner, r.Key; {
	case id == psa.NullKey:
		return nil
	case id.IsVolatile():
		return p.destroyVolatile(r.session, id)
	case id.IsUser():
		return p.store.of(o.ClientID).destroy(id)
	case p.slots.has(id):
		return p.slots.destroy(o, id)
	case id.IsBuiltin():
		if err := p.builtinUse(o, id); err != nil {
			return err
		}
		return veneer.ErrNotPermitted
	}
	return veneer.ErrInvalidHandle
}

// purgeKey is psa_purge_key.
func (p *partition) purgeKey(r *request) error {
	o, id := r.m.Owner, r.Key
	if id.IsUser() {
		return p.store.of(o.ClientID).purge(id)
	}
	// For every other key there is nothing to drop: it has to exist, no more.
	k, err := p.find(r.session, o, id)
	if err != nil {
		return err
	}
	k.release()
	return nil
}

// exportKey is psa_export_key.
func (p *partition) exportKey(r *request) error {
	k, err := p.find(r.session, r.m.Owner, r.Key)
	if err != nil {
		return err
	}
	defer k.release()
	// A public key is no secret: its policy does not matter.
	if k.attrs.Usage&psa.UsageExport == 0 && !k.attrs.Type.IsPublic() {
		return veneer.ErrNotPermitted
	}
	if err := p.fetch(k); err != nil {
		return err
	}
	return r.put(0, k.mat.bytes())
}

// exportPublicKey is psa_export_public_key, which needs no usage flag.
func (p *partition) exportPublicKey(r *request) error {
	k, err := p.find(r.session, r.m.Owner, r.Key)
	if err != nil {
		return err
	}
	defer k.release()
	if !k.attrs.Type.IsAsymmetric() {
		return veneer.ErrInvalidArgument
	}
	if err := p.fetch(k); err != nil {
		return err
	}
	point, err := k.publicKey()
	if err != nil {
		return err
	}
	return r.put(0, point)
}

// publicKey returns the public half of an asymmetric key in the export format.
func (k *key) publicKey() ([]byte, error) {
	if k.engine != nil {
		point, err := k.engine.IdentityPublicKey()
		if err != nil {
			return nil, veneer.ErrHardwareFailure
		}
		return point, nil
	}
	point, err := k.public.Bytes()
	if err != nil {
		return nil, veneer.ErrCorruptionDetected
	}
	return point, nil
}
