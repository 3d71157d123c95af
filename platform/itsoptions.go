package platform

import (
	"fmt"
	"math"
)

// ITSOptions is how the secure image of a device has Internal Trusted Storage: on
// a chip, what its build was configured with. The device keeps it, since what is
// in its flash goes with it, and package spe gives it to the partition. The zero
// value is TF-M's: reachable for everybody, in the clear, no limit but the area.
type ITSOptions struct {
	// SecureClientsOnly keeps non-secure clients out.
	SecureClientsOnly bool `json:"secure_clients_only,omitempty"`
	// Encrypted has contents encrypted in flash.
	Encrypted bool `json:"encrypted,omitempty"`
	// Limits is what each non-secure client may have that Clients does not name.
	Limits ITSLimits `json:"limits,omitzero"`
	// Clients is what single clients may have, by client ID; a secure partition has
	// no limit but one that is here.
	Clients map[int32]ITSLimits `json:"clients,omitempty"`
}

// ITSLimits is what one client may have in Internal Trusted Storage at most. What
// is 0 has no limit but the area.
type ITSLimits struct {
	Bytes     int `json:"bytes,omitempty"`      // contents of all its assets together
	Assets    int `json:"assets,omitempty"`     // how many
	AssetSize int `json:"asset_size,omitempty"` // contents of one, in bytes
}

// MaxITSClients is how many clients can have limits of their own.
const MaxITSClients = 32

// protectedStorage is the client ID of the Protected Storage partition.
const protectedStorage = 256

// Check finds what no device can be configured with.
func (o *ITSOptions) Check() error {
	if err := o.Limits.check(); err != nil {
		return err
	}
	if len(o.Clients) > MaxITSClients {
		return fmt.Errorf("limits for %d clients, of at most %d", len(o.Clients), MaxITSClients)
	}
	for id, l := range o.Clients {
		if err := l.check(); err != nil {
			return fmt.Errorf("client %d: %w", id, err)
		}
		switch id {
		case 0:
			return fmt.Errorf("client 0: no client has this ID")
		case protectedStorage:
			return fmt.Errorf("client %d: Protected Storage has an area of its own", id)
		}
	}
	return nil
}

func (l ITSLimits) check() error {
	for _, n := range []int{l.Bytes, l.Assets, l.AssetSize} {
		if n < 0 || n > math.MaxInt32 {
			return fmt.Errorf("a limit of %d", n)
		}
	}
	return nil
}
