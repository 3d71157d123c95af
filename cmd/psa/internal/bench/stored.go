package bench

import (
	"crypto/rand"
	"encoding/binary"
	"errors"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/attestation"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/ps"
)

// storedOps are the operations on what a device keeps. They have no counterpart
// in this process, and so no target.
func storedOps() []Op {
	itsClient := func(g veneer.Gate) storage { return its.New(g) }
	psClient := func(g veneer.Gate) storage { return ps.New(g) }
	return []Op{
		{"its_set", 32, its.SID, noBound, prepareSet(itsClient, 32)},
		{"its_get", 32, its.SID, noBound, prepareGet(itsClient, 32)},
		{"ps_set", 32, ps.SID, noBound, prepareSet(psClient, 32)},
		{"ps_get", 32, ps.SID, noBound, prepareGet(psClient, 32)},
		{"ps_set", 1 << 10, ps.SID, noBound, prepareSet(psClient, 1<<10)},
		{"ps_get", 1 << 10, ps.SID, noBound, prepareGet(psClient, 1<<10)},
		{"attestation_token", 0, attestation.SID, noBound, prepareToken},
	}
}

// storage is the client of either storage service.
type storage interface {
	Set(uid its.UID, data []byte, flags its.Flags) error
	Get(uid its.UID, offset uint32, buf []byte) (int, error)
	Info(uid its.UID) (its.Info, error)
	Remove(uid its.UID) error
}

// freeUID returns a UID under which the client has nothing, so that measuring
// overwrites nothing.
func freeUID(s storage) (its.UID, error) {
	for {
		var b [8]byte
		rand.Read(b[:])
		uid := its.UID(binary.LittleEndian.Uint64(b[:]))
		if uid == 0 {
			continue
		}
		_, err := s.Info(uid)
		switch {
		case errors.Is(err, veneer.ErrDoesNotExist):
			return uid, nil
		case err != nil:
			return 0, err
		}
	}
}

// store keeps data under a UID of its own.
func store(s storage, data []byte) (its.UID, error) {
	uid, err := freeUID(s)
	if err != nil {
		return 0, err
	}
	return uid, s.Set(uid, data, 0)
}

func prepareSet(open func(veneer.Gate) storage, size int) func(veneer.Gate) (*trial, error) {
	return func(gate veneer.Gate) (*trial, error) {
		s, data := open(gate), make([]byte, size)
		uid, err := store(s, data)
		if err != nil {
			return nil, err
		}
		return &trial{
			call: func() error {
				data[0]++ // a service might skip writing what is there already
				return s.Set(uid, data, 0)
			},
			end: func() error { return s.Remove(uid) },
		}, nil
	}
}

func prepareGet(open func(veneer.Gate) storage, size int) func(veneer.Gate) (*trial, error) {
	return func(gate veneer.Gate) (*trial, error) {
		s, data := open(gate), make([]byte, size)
		uid, err := store(s, data)
		if err != nil {
			return nil, err
		}
		return &trial{
			call: func() error {
				n, err := s.Get(uid, 0, data)
				if err == nil && n != size {
					return errors.New("the asset came back shorter")
				}
				return err
			},
			end: func() error { return s.Remove(uid) },
		}, nil
	}
}

func prepareToken(gate veneer.Gate) (*trial, error) {
	c := attestation.New(gate)
	challenge, dst := make([]byte, attestation.ChallengeSize32), make([]byte, attestation.MaxTokenSize)
	return &trial{call: func() error { _, err := c.TokenInto(dst, challenge); return err }}, nil
}
