package oracle

import (
	"errors"
	"fmt"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/ps"
	"github.com/postern-spe/postern/veneer/psa"
)

// Client is a client's way to what it keeps on the device.
type Client struct {
	Gate veneer.Gate
	ITS  *its.Client
	PS   *ps.Client
	Keys *crypto.Client
}

// NewClient returns the client of a gate.
func NewClient(g veneer.Gate) Client { return Client{g, its.New(g), ps.New(g), crypto.New(g)} }

// Do carries the operation out, and returns its status.
func (o Op) Do(c Client) veneer.Status {
	var err error
	switch {
	case o.Service == Keys && o.Kind == Set:
		_, err = c.Keys.Import(psa.KeyAttributes{
			ID: psa.KeyID(o.UID), Type: psa.KeyAES, Bits: uint16(8 * len(o.Data)), Lifetime: psa.LifetimePersistent,
			Usage: psa.UsageExport | psa.UsageEncrypt, Algorithm: psa.GCM,
		}, []byte(o.Data))
	case o.Service == Keys:
		err = c.Keys.Destroy(psa.KeyID(o.UID))
	case o.Service == Internal && o.Kind == Set:
		err = c.ITS.Set(its.UID(o.UID), []byte(o.Data), o.Flags)
	case o.Service == Internal:
		err = c.ITS.Remove(its.UID(o.UID))
	case o.Kind == Set:
		err = c.PS.Set(ps.UID(o.UID), []byte(o.Data), o.Flags)
	case o.Kind == Create:
		err = c.PS.Create(ps.UID(o.UID), o.Capacity, o.Flags)
	case o.Kind == Extend:
		err = c.PS.SetExtended(ps.UID(o.UID), o.Offset, []byte(o.Data))
	default:
		err = c.PS.Remove(ps.UID(o.UID))
	}
	return StatusOf(err)
}

// Read reads everything that the gate shows of a place. That nothing is there is
// no error.
func (p Place) Read(c Client) (Held, error) {
	var info its.Info
	var data []byte
	var err error
	gone := veneer.ErrDoesNotExist
	switch p.Service {
	case Internal:
		if info, err = c.ITS.Info(its.UID(p.UID)); err == nil {
			data, err = c.ITS.ReadAll(its.UID(p.UID))
		}
	case Protected:
		if info, err = c.PS.Info(ps.UID(p.UID)); err == nil {
			data, err = c.PS.ReadAll(ps.UID(p.UID))
		}
	default:
		gone = veneer.ErrInvalidHandle
		data, err = c.Keys.Export(psa.KeyID(p.UID))
		info.Size, info.Capacity = uint32(len(data)), uint32(len(data))
	}
	switch {
	case errors.Is(err, gone):
		return Held{}, nil
	case err != nil:
		return Held{}, err
	case int(info.Size) != len(data):
		return Held{}, fmt.Errorf("%d bytes, and its size is %d", len(data), info.Size)
	}
	return Held{There: true, Data: string(data), Capacity: int(info.Capacity), Flags: info.Flags}, nil
}

// StatusOf returns the status that an error of a client is.
func StatusOf(err error) veneer.Status {
	st := veneer.Success
	if err != nil && !errors.As(err, &st) {
		return veneer.ErrGenericError
	}
	return st
}
