// Package guardtest is a guard for the tests of memories: its rules are a table.
package guardtest

import "github.com/postern-spe/postern/platform/bus"

// RegionSize is the size of a region in bytes.
const RegionSize = 16 << 10

// Regions is a guard with a fixed table, of regions of RegionSize from 0 on; the
// last entry stands for the rest.
type Regions []Region

// Region is what a region permits.
type Region struct {
	IsSecure bool
	Perm     bus.Access
}

// Standard returns the table of the memories' tests: all is permitted, in a secure
// region, a non-secure one, a secure one that is read-only, and secure from there
// on.
func Standard() Regions {
	const all = bus.Read | bus.Write | bus.Execute
	return Regions{{true, all}, {false, all}, {true, bus.Read}, {true, all}}
}

func (g Regions) at(addr uint32) Region { return g[min(int(addr/RegionSize), len(g)-1)] }

func (g Regions) Check(addr uint32, access bus.Access, from bus.Origin) bus.Fault {
	switch r := g.at(addr); {
	case r.IsSecure && from.Attr != bus.Secure:
		return bus.SecureFault
	case r.Perm&access == 0:
		return bus.BusFault
	}
	return bus.NoFault
}

func (g Regions) CheckRange(addr, n uint32, access bus.Access, from bus.Origin) error {
	for a := addr; a < addr+n; a++ {
		if f := g.Check(a, access, from); f != bus.NoFault {
			return &bus.AccessError{Fault: f, Addr: a, Access: access, From: from}
		}
	}
	return nil
}

func (g Regions) CheckPeripheral(uint32, bus.Access, bus.Origin) bus.Fault { return bus.NoFault }
func (g Regions) Secure(addr uint32) bool                                  { return g.at(addr).IsSecure }
func (g Regions) Callable(uint32) bool                                     { return false }
func (g Regions) Refuse(uint32, bus.Access, bus.Origin)                    {}
