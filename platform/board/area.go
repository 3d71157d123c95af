package board

import "github.com/postern-spe/postern/platform/bus"

// The names of the flash areas.
const (
	Bootloader       = "bl2"
	SecureImage      = "secure-image"
	NonSecureImage   = "non-secure-image"
	Secondary        = "secondary"
	PS               = "ps"
	ITS              = "its"
	NVCounters       = "nv-counters"
	NonSecureStorage = "non-secure-storage"
	// Empty is the name of each area that a layout leaves over: see Place.
	Empty = "empty"
)

// Area is one part of the flash.
type Area struct {
	Name       string
	Base, Size uint32
	Attr       bus.Attribute
	// Rights is what TF-M grants and locks at boot, in the SPU or with a window
	// of the MPC; 0 leaves the area as a reset does, secure and unlocked.
	Rights bus.Access
}

// End returns the first address after the area.
func (a Area) End() uint32 { return a.Base + a.Size }

// The rights that TF-M grants (spu_init_cfg): to code that nobody may change,
// to data, to code that may update itself.
const (
	code = bus.Read | bus.Execute
	data = bus.Read | bus.Write
	all  = bus.Read | bus.Write | bus.Execute
)
