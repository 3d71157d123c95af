package fprotect

import "github.com/postern-spe/postern/platform/bus"

// REGION[n].ADDRESS of the RRAMC at 0x550+8n, CONFIG behind it.
const (
	regRegion = 0x550

	regionRead    uint32 = 1 << 0
	regionWrite   uint32 = 1 << 1
	regionExecute uint32 = 1 << 2
	regionSecure  uint32 = 1 << 3
	regionLock    uint32 = 1 << 13
	regionSize           = 16 // where SIZE begins, in KiB
	sizeMax       uint32 = 31

	// RegionUnit is the RRAMC's unit of protection in bytes.
	RegionUnit = 1 << 10
)

// Regions protects by regions of the RRAMC.
type Regions struct {
	rramc bus.Peripheral
	size  uint32
	ours  []int
}

// OnRRAMC returns the protection of an RRAM of size bytes at 0. ours are the
// regions that it may use, in the order of their use: others are reserved by the
// chip, or the KMU's.
func OnRRAMC(rramc bus.Peripheral, size uint32, ours ...int) *Regions {
	return &Regions{rramc, size, ours}
}

// BlockSize returns the unit of protection in bytes.
func (r *Regions) BlockSize() int { return RegionUnit }

// Protect makes n bytes from start on, both multiples of BlockSize, secure and
// read-only until reset. A region holds up to 31 KiB; up to 62 KiB take two, as
// with CONFIG_FPROTECT_ALLOW_COMBINED_REGIONS. *Error with ErrInvalid, ErrNoSpace
// or ErrNotApplied; with the first two nothing has changed.
func (r *Regions) Protect(start uint32, n int) error {
	if !inside(start, n, 0, r.size, RegionUnit) || n > 2*int(sizeMax)*RegionUnit {
		return &Error{start, n, ErrInvalid}
	}
	left := uint32(n) / RegionUnit
	need := 1
	if left > sizeMax {
		need = 2
	}
	free := r.free()
	if len(free) < need {
		return &Error{start, n, ErrNoSpace}
	}
	addr := start
	for _, region := range free[:need] {
		size := min(left, sizeMax)
		config := regionRead | regionExecute | regionSecure | regionLock | size<<regionSize
		off := regRegion + 8*uint32(region)
		r.rramc.WriteRegister(off, addr, bus.Secure)
		r.rramc.WriteRegister(off+4, config, bus.Secure)
		if a, c := r.registers(region); a != addr || c != config {
			return &Error{start, n, ErrNotApplied}
		}
		addr += size * RegionUnit
		left -= size
	}
	return nil
}

// free returns the regions that are not in use.
func (r *Regions) free() (free []int) {
	for _, region := range r.ours {
		if _, config := r.registers(region); config&regionLock == 0 && config>>regionSize&sizeMax == 0 {
			free = append(free, region)
		}
	}
	return free
}

// IsProtected reports whether a region of ours lets nothing write at addr until
// reset.
func (r *Regions) IsProtected(addr uint32) bool {
	for _, region := range r.ours {
		start, config := r.registers(region)
		size := config >> regionSize & sizeMax * RegionUnit
		if addr-start < size && config&regionLock != 0 && config&regionWrite == 0 {
			return true
		}
	}
	return false
}

func (r *Regions) registers(region int) (address, config uint32) {
	off := regRegion + 8*uint32(region)
	address, _ = r.rramc.ReadRegister(off, bus.Secure)
	config, _ = r.rramc.ReadRegister(off+4, bus.Secure)
	return address, config
}
