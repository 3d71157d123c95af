package kmu54l

import (
	"encoding/binary"

	"github.com/postern-spe/postern/platform/keycells"
)

// The operations, of driver and tasks alike. The caller holds k.mu.

// provision fills an erased slot with the source struct that fill writes.
func (k *KMU) provision(slot int, writable bool, fill func(p []byte) error) error {
	r, err := k.load(slot)
	switch {
	case err != nil:
		return err
	case !writable:
		return ErrNotWritable
	case r.state != Erased:
		return ErrNotErased
	}
	p := k.record
	defer clear(p)
	if err := fill(p[:srcSize]); err != nil {
		return err
	}
	policy := Policy(binary.LittleEndian.Uint32(p[srcPolicy:]))
	dest := binary.LittleEndian.Uint32(p[srcDest:])
	if policy < Rotating || policy > Revocable || dest%DestAlign != 0 || dest-SICRBase < SICRSize {
		return ErrSource
	}
	return k.store(slot, Provisioned)
}

// provisioned returns the record of a slot that holds a key.
func (k *KMU) provisioned(slot int) (record, error) {
	r, err := k.load(slot)
	switch {
	case err != nil:
	case r.state == Erased:
		err = ErrEmpty
	case r.state == Revoked:
		err = ErrRevoked
	}
	return r, err
}

func (k *KMU) push(slot int) error {
	r, err := k.provisioned(slot)
	switch {
	case err != nil:
		return err
	case k.blocked[slot]:
		return ErrBlocked
	}
	return k.cells.Lend(slot*recordSize+srcValue, func(v *keycells.Value) error {
		return k.to.Destination.Push(r.dest, v)
	})
}

// revoke ends a key by one write, so that the power cannot fail between the end
// of the state and that of the value.
func (k *KMU) revoke(slot int, writable bool) error {
	r, err := k.provisioned(slot)
	switch {
	case err != nil:
		return err
	case r.policy == Locked:
		return ErrLocked
	case !writable:
		return ErrNotWritable
	}
	p := k.record
	defer clear(p)
	if r.policy == Rotating {
		for i := range p {
			p[i] = 0xFF
		}
		return k.cells.Write(slot*recordSize, p)
	}
	binary.LittleEndian.PutUint32(p[srcPolicy:], uint32(r.policy))
	return k.store(slot, Revoked)
}

func (k *KMU) pushBlock(slot int) error {
	if _, err := k.provisioned(slot); err != nil {
		return err
	}
	k.blocked[slot] = true
	return nil
}
