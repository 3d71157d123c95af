package flash

import (
	"fmt"

	"github.com/postern-spe/postern/ipc/buslink"
)

// Kind is a processor's fault.
type Kind uint8

const (
	// SecureFault: the address is the secure world's.
	SecureFault = Kind(buslink.SecureFault)
	// BusFault: nothing is there, or it does not permit this access.
	BusFault = Kind(buslink.BusFault)
)

func (k Kind) String() string { return buslink.Outcome(k).String() }

// Access is what was tried.
type Access string

const (
	Read  Access = "read"
	Write Access = "write"
	Fetch Access = "fetch"
)

// FaultError is an access that the hardware refused.
type FaultError struct {
	Kind   Kind
	Addr   uint32
	Access Access
}

func (e *FaultError) Error() string {
	return fmt.Sprintf("%v: non-secure %s at 0x%08x", e.Kind, e.Access, e.Addr)
}

// outcome turns how an access ended into an error.
func outcome(o buslink.Outcome, err error, access Access, addr uint32) error {
	switch {
	case err != nil:
		return err
	case o == buslink.OK:
		return nil
	case o == buslink.SecureFault || o == buslink.BusFault:
		return &FaultError{Kind: Kind(o), Addr: addr, Access: access}
	}
	return fmt.Errorf("flash: the device answers %v", o)
}
