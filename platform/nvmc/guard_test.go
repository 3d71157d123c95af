package nvmc

import "github.com/postern-spe/postern/platform/bus"

// regions is a guard with a fixed table, of regions of 16 KiB from 0 on; the
// last entry stands for the rest.
type regions []region

type region struct {
	secure bool
	perm   bus.Access
}

const regionSize = 16 << 10

func (g regions) at(addr uint32) region { return g[min(int(addr/regionSize), len(g)-1)] }

func (g regions) Check(addr uint32, access bus.Access, from bus.Origin) bus.Fault {
	switch r := g.at(addr); {
	case r.secure && from.Attr != bus.Secure:
		return bus.SecureFault
	case r.perm&access == 0:
		return bus.BusFault
	}
	return bus.NoFault
}

func (g regions) CheckRange(addr, n uint32, access bus.Access, from bus.Origin) error {
	for a := addr; a < addr+n; a++ {
		if f := g.Check(a, access, from); f != bus.NoFault {
			return &bus.AccessError{Fault: f, Addr: a, Access: access, From: from}
		}
	}
	return nil
}

func (g regions) CheckPeripheral(uint32, bus.Access, bus.Origin) bus.Fault { return bus.NoFault }
func (g regions) Secure(addr uint32) bool                                  { return g.at(addr).secure }
func (g regions) Callable(uint32) bool                                     { return false }
func (g regions) Refuse(uint32, bus.Access, bus.Origin)                    {}
